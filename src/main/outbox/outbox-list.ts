/** What stands in the outboxes of a cluster's nodes, read from their journals as they are (docs/JOURNAL.md), also while they run. */
import type { ClusterPlace } from '../audit/cluster-reader.ts';
import { journalPlaces } from '../audit/cluster-reader.ts';
import type { JournalPlace } from '../audit/journal-reader.ts';
import { hasTable, readFile, rowsOf } from '../audit/sqlite-file.ts';
import type { PublicationId } from '../../peer/protocol.ts';
import { OutboxError } from './outbox-error.ts';

/** Parked publications that are listed of a node; all are counted. */
export const PARKED_LISTED_MAX = 1000;

export interface ParkedPublication {
  readonly entity: number;
  readonly number: number;
  readonly name: string;
  readonly publishedMs: number;
  readonly body: string;
}

export interface NodeOutbox {
  readonly node: string;
  readonly folder: string;
  /** Not parked. */
  readonly waiting: number;
  readonly sizeBytes: number;
  /** UTC of the oldest that waits and is not parked; 0 without one. */
  readonly oldestMs: number;
  readonly parkedCount: number;
  readonly parked: readonly ParkedPublication[];
}

/** @throws OutboxError ERR_OUTBOX_JOURNAL */
export function readOutboxes(place: ClusterPlace): NodeOutbox[] {
  return journalPlaces(place).flatMap((journal) => {
    try {
      return readFile(journal.file, (database) => {
        // What was taken over is delivered from another journal.
        const isTaken = rowsOf(database, "SELECT 1 FROM meta WHERE key = 'taken_by'").length > 0;
        if (isTaken || !hasTable(database, 'publication')) return [];
        return [outboxOf(journal, database)];
      });
    } catch (cause) {
      throw new OutboxError('ERR_OUTBOX_JOURNAL', `the journal ${journal.file} cannot be read: ${String(cause)}`, {
        cause,
      });
    }
  });
}

/** The nodes that have these parked, and which; all that are parked without ids. */
export function parkedIn(
  outboxes: readonly NodeOutbox[],
  ids: readonly PublicationId[] | undefined,
): { readonly outbox: NodeOutbox; readonly ids: readonly PublicationId[] | undefined }[] {
  return outboxes.flatMap((outbox): { outbox: NodeOutbox; ids: readonly PublicationId[] | undefined }[] => {
    if (ids === undefined) return outbox.parkedCount === 0 ? [] : [{ outbox, ids: undefined }];
    const here = ids.filter((id) =>
      outbox.parked.some(({ entity, number }) => entity === id.entity && number === id.number),
    );
    return here.length === 0 ? [] : [{ outbox, ids: here }];
  });
}

function outboxOf({ name, folder }: JournalPlace, database: Parameters<typeof rowsOf>[0]): NodeOutbox {
  const [counts] = rowsOf<{ waiting: number; parkedCount: number; sizeBytes: number; oldestMs: number }>(
    database,
    `SELECT count(*) FILTER (WHERE parked = 0) AS waiting, count(*) FILTER (WHERE parked = 1) AS parkedCount,
       coalesce(sum(length(body)), 0) AS sizeBytes, coalesce(min(published_ms) FILTER (WHERE parked = 0), 0) AS oldestMs
     FROM publication`,
  );
  const parked = rowsOf<ParkedPublication>(
    database,
    `SELECT entity, number, name, published_ms AS publishedMs, body FROM publication WHERE parked = 1
     ORDER BY published_ms, entity, number LIMIT ?`,
    PARKED_LISTED_MAX,
  );
  const { waiting = 0, parkedCount = 0, sizeBytes = 0, oldestMs = 0 } = counts ?? {};
  return { node: name, folder, waiting, sizeBytes, oldestMs, parkedCount, parked };
}
