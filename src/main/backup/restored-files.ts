/**
 * What is changed in the copies that a cluster is brought back from, before it may start on them. The lost disks have gone on after
 * the backup, and others may remember what they gave out: so nothing that has to be unique is given out a second time.
 *
 *   directory   incarnations  raised by a margin: ids of entities and sessions, and activations, are made of them
 *               leases        gone, of no process; a node that starts takes its own up again
 *               session key   removed, unless it is to be kept: the first node makes another
 *               cluster id    another: what outsiders know by entity and number (publications, traces), and links of processes of before, are
 *                             of the former cluster
 *               the rest      what was of processes that are no more is removed: the pause, the balancer's seat, load reports
 *   journals    position      raised by a margin, and in the lease, too: a journal of the lost disks that turns up later is
 *                             *older* than what the directory has seen, and refused (ERR_DIRECTORY_LEDGER_OLDER)
 */
import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { assert } from '../../base/assert.ts';
import { INCARNATION_MAX } from '../../base/brand.ts';
import { nextRevision } from '../../peer/directory-tables.ts';
import { DIRECTORY_SETTINGS } from '../../peer/directory.ts';
import { putMeta, readMeta } from '../../peer/journal-meta.ts';
import { BackupError } from './backup-error.ts';

/** At 60 batches a second, five hundred years; and a file can be restored eight thousand times. */
export const POSITION_MARGIN = 2 ** 40;
const CLUSTER_ID_BYTES = 16;

/** @returns the position that the lease gets. @throws BackupError ERR_RESTORE_DAMAGED */
export function prepareJournal(database: Database): number {
  const meta = readMeta(database);
  if (typeof meta === 'string') {
    throw new BackupError('ERR_RESTORE_DAMAGED', `${database.name}: the value "${meta}" of table meta is damaged`);
  }
  // History: its node starts, or has started, with a new ledger.
  if (meta.taken_by !== undefined) return meta.position;
  const position = meta.position + POSITION_MARGIN;
  assert(Number.isSafeInteger(position), 'a journal has been restored too often');
  database.transaction(() => putMeta(database, 'position', position)).immediate();
  return position;
}

export interface DirectoryPreparation {
  /** Folder of each node. */
  readonly folderOf: (node: string) => string;
  /** By ledger. */
  readonly positions: ReadonlyMap<string, number>;
  /** The largest that anything in the backup has seen. */
  readonly incarnationSeen: number;
  readonly incarnationMargin: number;
  readonly keepsSessionKey: boolean;
}

export interface PreparedDirectory {
  /** All that will be given out are above it. */
  readonly incarnation: number;
  readonly clusterId: string;
}

/** @throws BackupError ERR_RESTORE_INCARNATIONS */
export function prepareDirectory(database: Database, preparation: DirectoryPreparation): PreparedDirectory {
  const { folderOf, positions, incarnationSeen, incarnationMargin, keepsSessionKey } = preparation;
  return database
    .transaction(() => {
      const counted = database
        .prepare<[], number>("SELECT value FROM counter WHERE name = 'incarnation'")
        .pluck()
        .get();
      const incarnation = Math.max(counted ?? 0, incarnationSeen) + incarnationMargin;
      checkIncarnation(incarnation, incarnationMargin);
      database.prepare("UPDATE counter SET value = ? WHERE name = 'incarnation'").run(incarnation);
      const leases = database
        .prepare<[], { ledger: string; name: string; state: string; position: number }>(
          'SELECT ledger, name, state, lease.position FROM lease JOIN node USING (node)',
        )
        .all();
      const update = database.prepare(
        `UPDATE lease SET version = ?, state = ?, pid = 0, peer_address = '', client_url = '', folder = ?, position = ?,
           is_protected = 0, buddy = 0 WHERE ledger = ?`,
      );
      for (const { ledger, name, state, position } of leases) {
        const version = nextRevision(database, ['members', 'settings']);
        const kept = Math.max(position, positions.get(ledger) ?? 0);
        update.run(version, state === 'fenced' ? 'fenced' : 'gone', folderOf(name), kept, ledger);
      }
      const { handoverPause, balancer } = DIRECTORY_SETTINGS;
      database.prepare('DELETE FROM setting WHERE key IN (?, ?)').run(handoverPause, balancer);
      if (hasLoads(database)) database.prepare('DELETE FROM load').run();
      if (!keepsSessionKey) database.prepare("DELETE FROM fact WHERE key = 'sessionKey'").run();
      const clusterId = randomBytes(CLUSTER_ID_BYTES).toString('hex');
      database.prepare("UPDATE fact SET value = ? WHERE key = 'clusterId'").run(clusterId);
      return { incarnation, clusterId };
    })
    .immediate();
}

function checkIncarnation(incarnation: number, margin: number): void {
  if (incarnation < INCARNATION_MAX) return;
  throw new BackupError(
    'ERR_RESTORE_INCARNATIONS',
    `with a margin of ${margin} the incarnations of this cluster would go on from ${incarnation}, and there are ${INCARNATION_MAX}; ` +
      'give a smaller --incarnation-margin, larger than the number of starts since the backup',
  );
}

/** A release before it had none. */
function hasLoads(database: Database): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'load'").get() !== undefined;
}
