/** What the embedded directory says, read by its documented tables (docs/DIRECTORY.md) and without the directory's code. */
import path from 'node:path';
import { AuditError } from './audit-error.ts';
import type { MemberView } from './evidence.ts';
import { readFile, rowsOf } from './sqlite-file.ts';
import type { Database } from './sqlite-file.ts';

export interface DirectoryView {
  readonly members: readonly MemberView[];
  /** Blocks by the number of their node; 0 is nobody. */
  readonly blocks: ReadonlyMap<number, number>;
  readonly names: number;
  /** World, sizes and rates, as they were written when the directory was made. */
  readonly facts: ReadonlyMap<string, string | number>;
  readonly settings: ReadonlyMap<string, string>;
}

/** @throws AuditError ERR_AUDIT_DIRECTORY */
export function readDirectory(url: string): DirectoryView {
  const file = fileOfUrl(url);
  try {
    return readFile(file, viewOf);
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AuditError('ERR_AUDIT_DIRECTORY', `the directory ${file} cannot be read: ${reason}`, { cause });
  }
}

/** @throws AuditError ERR_AUDIT_DIRECTORY for anything but `sqlite:FILE`. */
function fileOfUrl(url: string): string {
  if (!url.startsWith('sqlite:') || url.length === 'sqlite:'.length) {
    throw new AuditError('ERR_AUDIT_DIRECTORY', `"${url}" is no directory; give --directory sqlite:FILE`);
  }
  return path.resolve(url.slice('sqlite:'.length));
}

interface LeaseRow {
  readonly node: number;
  readonly name: string;
  readonly ledger: string;
  readonly incarnation: number;
  readonly state: string;
  readonly folder: string;
  readonly client_url: string;
  readonly pid: number;
  readonly successor: number;
  readonly renewed_at_ms: number;
}

function viewOf(database: Database): DirectoryView {
  const leases = rowsOf<LeaseRow>(
    database,
    `SELECT node, name, ledger, incarnation, state, folder, client_url, pid, successor, renewed_at_ms
     FROM lease JOIN node USING (node) ORDER BY node, incarnation`,
  );
  const blocks = rowsOf<{ node: number; count: number }>(
    database,
    'SELECT node, count(*) AS count FROM block GROUP BY node',
  );
  const facts = rowsOf<{ key: string; value: string | number }>(database, 'SELECT key, value FROM fact');
  const settings = rowsOf<{ key: string; value: string }>(database, 'SELECT key, value FROM setting');
  return {
    members: leases.map(({ client_url: clientUrl, renewed_at_ms: renewedAtMs, ...lease }) => ({
      ...lease,
      clientUrl,
      renewedAtMs,
    })),
    blocks: new Map(blocks.map(({ node, count }) => [node, count])),
    names: rowsOf<{ count: number }>(database, 'SELECT count(*) AS count FROM name')[0]?.count ?? 0,
    facts: new Map(facts.map(({ key, value }) => [key, value])),
    settings: new Map(settings.map(({ key, value }) => [key, value])),
  };
}
