/** Load reports in the table of the embedded directory. Each function runs inside one immediate transaction. */
import { DirectoryError } from './directory-error.ts';
import { liveLease } from './directory-leases.ts';
import { nextRevision, prepared } from './directory-tables.ts';
import type { Database } from './directory-tables.ts';
import { readLoadText } from './load-values.core.ts';
import type { NodeLoad, ReportedLoad } from './load-values.core.ts';
import type { NodeNumber } from './protocol.ts';

interface LoadRow {
  readonly node: number;
  readonly incarnation: number;
  readonly revision: number;
  readonly text: string;
}

export function reportLoad(
  database: Database,
  { node, incarnation, text }: { readonly node: NodeNumber; readonly incarnation: number; readonly text: string },
): boolean {
  const lease = liveLease(database, node);
  if (lease === undefined || lease.incarnation !== incarnation || lease.state === 'gone') return false;
  const revision = nextRevision(database, ['loads']);
  prepared(database, 'INSERT OR REPLACE INTO load (node, incarnation, revision, text) VALUES (?, ?, ?, ?)').run(
    node,
    incarnation,
    revision,
    text,
  );
  return true;
}

/** What the dead have told is not their load any more. */
export function loads(database: Database): ReportedLoad[] {
  const rows = prepared<[], LoadRow>(
    database,
    `SELECT load.* FROM load JOIN lease USING (node, incarnation)
         WHERE state IN ('joining', 'active', 'draining') ORDER BY load.node`,
  ).all();
  return rows.flatMap(({ node, incarnation, revision, text }) => {
    const load = readable(text);
    return load === undefined ? [] : [{ node, incarnation, revision, ...load }];
  });
}

/** A report that cannot be read, by a release to come or a damaged file, counts as none: what is decided waits for the next. */
function readable(text: string): NodeLoad | undefined {
  try {
    return readLoadText(text);
  } catch (error) {
    if (error instanceof DirectoryError) return undefined;
    throw error;
  }
}
