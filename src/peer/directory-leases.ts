/**
 * Leases in the tables of the embedded directory. Each function runs inside one immediate transaction, which is what makes it
 * a compare-and-swap: nobody else writes between its reads and its writes.
 *
 *   – ──join──▶ joining ──renew──▶  active ◀──drain──▶ draining
 *                  │                 │                  │   leave        join (same ledger)
 *                  └─────────────────┴──────────────────┴────────▶ gone ────────▶ joining, new incarnation
 *                  any of these ──fence──▶ fenced, for ever; forget removes it
 */
import { INCARNATION_MAX } from '../base/brand.ts';
import { DirectoryError } from './directory-error.ts';
import { LEDGERS_MAX } from './directory.ts';
import type { JoinRequest, Joined, Member, MemberState, Renewal } from './directory.ts';
import { nextRevision, prepared, raise } from './directory-tables.ts';
import type { Database } from './directory-tables.ts';
import { rememberSchema } from './directory-entries.ts';
import { NODES_MAX } from './protocol.ts';
import type { Ledger, NodeNumber } from './protocol.ts';

interface LeaseRow {
  readonly ledger: string;
  readonly node: number;
  readonly name: string;
  readonly incarnation: number;
  readonly version: number;
  readonly state: MemberState;
  readonly peer_address: string;
  readonly client_url: string;
  readonly folder: string;
  readonly pid: number;
  readonly release: string;
  readonly schema_version: number;
  readonly capacity: number;
  readonly position: number;
  readonly is_protected: number;
  readonly buddy: number;
  readonly successor: number;
  readonly successor_ledger: string;
  readonly joined_at_ms: number;
  readonly renewed_at_ms: number;
}

/** Since its last renewal; a lease is shorter. */
const VIEW_COMPARED_MS = 120_000;

const SELECT = 'SELECT lease.*, node.name FROM lease JOIN node USING (node)';

export function members(database: Database): Member[] {
  const rows = prepared<[], LeaseRow>(database, `${SELECT} ORDER BY state <> 'fenced', node, incarnation`).all();
  return rows.map(memberFrom);
}

export function join(
  database: Database,
  request: JoinRequest,
  { nowMs, isAlive }: { readonly nowMs: number; readonly isAlive: (pid: number) => boolean },
): Joined {
  const before = prepared<[string], LeaseRow>(database, `${SELECT} WHERE ledger = ?`).get(request.ledger);
  if (before) checkLedger(before, { request, isAlive });
  else checkRoom(database);
  checkName(database, { request, isAlive });
  checkSchemaVersion(database, request);
  checkView(database, { request, nowMs, isAlive });
  const node = numberFor(database, request.name);
  const least = Math.max(request.incarnationSeen, before?.incarnation ?? 0);
  const incarnation = raise(database, { counter: 'incarnation', least });
  if (incarnation > INCARNATION_MAX) {
    throw new DirectoryError(
      'ERR_DIRECTORY_INCARNATION_MAX',
      `all ${INCARNATION_MAX} incarnations of this cluster are used up; begin with a new directory and new data folders`,
    );
  }
  const isNewSchema = rememberSchema(database, request.schema);
  const version = nextRevision(database, isNewSchema ? ['members', 'schemas'] : ['members']);
  prepared(
    database,
    `INSERT OR REPLACE INTO lease (ledger, node, incarnation, version, state, peer_address, client_url, folder, pid, release,
         schema_version, capacity, position, joined_at_ms, renewed_at_ms)
       VALUES (?, ?, ?, ?, 'joining', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    request.ledger,
    node,
    incarnation,
    version,
    request.peerAddress,
    request.clientUrl,
    request.folder,
    request.pid,
    request.release,
    request.schema.version,
    request.capacity,
    Math.max(request.position ?? 0, before?.position ?? 0),
    nowMs,
    nowMs,
  );
  prepared(database, 'INSERT OR REPLACE INTO view (node, incarnation, hash) VALUES (?, ?, ?)').run(
    node,
    incarnation,
    request.viewHash,
  );
  return { node, incarnation, version, previousIncarnation: before?.incarnation ?? 0 };
}

export function renew(
  database: Database,
  renewal: Renewal,
  { nowMs }: { readonly nowMs: number },
): { version: number } | 'fenced' {
  const row = liveLease(database, renewal.node);
  // An incarnation is never given out twice, so nobody but this process renews under it.
  if (row === undefined || row.incarnation !== renewal.incarnation) return 'fenced';
  const version = nextRevision(database, ['members']);
  prepared(
    database,
    `UPDATE lease SET version = ?, renewed_at_ms = ?, state = ?, is_protected = ?, buddy = ?, position = max(position, ?),
         capacity = ?, client_url = ?, peer_address = ? WHERE ledger = ?`,
  ).run(
    version,
    nowMs,
    // A lease that is gone is not brought back by a renewal that was on its way.
    row.state === 'gone' ? 'gone' : (renewal.state ?? row.state),
    Number(renewal.isProtected ?? row.is_protected),
    renewal.buddy ?? row.buddy,
    renewal.position ?? row.position,
    renewal.capacity ?? row.capacity,
    renewal.clientUrl ?? row.client_url,
    renewal.peerAddress ?? row.peer_address,
    row.ledger,
  );
  return { version };
}

/** A draining node is told by its own lease; whether it may still, it has to see for itself. */
export function drain(
  database: Database,
  request: { readonly node: NodeNumber; readonly incarnation: number; readonly isDraining: boolean },
): boolean {
  const { node, incarnation, isDraining } = request;
  const row = liveLease(database, node);
  if (row === undefined || row.incarnation !== incarnation) return false;
  if (row.state !== 'active' && row.state !== 'draining') return false;
  const state = isDraining ? 'draining' : 'active';
  if (row.state === state) return true;
  const version = nextRevision(database, ['members']);
  prepared(database, 'UPDATE lease SET state = ?, version = ? WHERE ledger = ?').run(state, version, row.ledger);
  return true;
}

export function leave(
  database: Database,
  { node, incarnation }: { readonly node: NodeNumber; readonly incarnation: number },
): void {
  const row = liveLease(database, node);
  if (row === undefined || row.incarnation !== incarnation || row.state === 'gone') return;
  const version = nextRevision(database, ['members']);
  prepared(database, "UPDATE lease SET state = 'gone', version = ? WHERE ledger = ?").run(version, row.ledger);
}

export function fence(
  database: Database,
  {
    node,
    seenVersion,
    successor,
  }: { readonly node: NodeNumber; readonly seenVersion: number; readonly successor: NodeNumber },
): boolean {
  const row = liveLease(database, node);
  const heir = liveLease(database, successor);
  if (row === undefined || row.version !== seenVersion || node === successor) return false;
  if (heir === undefined || heir.state === 'gone') return false;
  const version = nextRevision(database, ['members', 'blocks']);
  prepared(
    database,
    "UPDATE lease SET state = 'fenced', version = ?, successor = ?, successor_ledger = ?, is_protected = 0 WHERE ledger = ?",
  ).run(version, successor, heir.ledger, row.ledger);
  prepared(database, 'UPDATE block SET node = ?, epoch = epoch + 1 WHERE node = ?').run(successor, node);
  return true;
}

export function forget(database: Database, ledger: Ledger): boolean {
  const row = prepared<[string], LeaseRow>(database, `${SELECT} WHERE ledger = ?`).get(ledger);
  if (row === undefined) return true;
  const isNamed =
    prepared(database, 'SELECT 1 FROM lease WHERE successor_ledger = ? LIMIT 1').get(ledger) !== undefined;
  if (row.state !== 'fenced' || isNamed) return false;
  nextRevision(database, ['members']);
  prepared(database, 'DELETE FROM lease WHERE ledger = ?').run(ledger);
  return true;
}

/** The one lease of a node that is not fenced. */
export function liveLease(database: Database, node: NodeNumber): LeaseRow | undefined {
  return prepared<[number], LeaseRow>(database, `${SELECT} WHERE node = ? AND state <> 'fenced'`).get(node);
}

function checkLedger(
  before: LeaseRow,
  { request, isAlive }: { readonly request: JoinRequest; readonly isAlive: (pid: number) => boolean },
): void {
  const { ledger, folder, name, position = 0 } = request;
  if (before.state === 'fenced') {
    throw new DirectoryError(
      'ERR_DIRECTORY_LEDGER_FENCED',
      `journal ${ledger} in ${folder} was taken by node ${before.successor} while this node was away; start with a new journal`,
    );
  }
  if (before.name !== name) {
    throw new DirectoryError(
      'ERR_DIRECTORY_LEDGER_TAKEN',
      `journal ${ledger} in ${folder} is that of node "${before.name}", this is "${name}"; give each node its own --data-dir or --node`,
    );
  }
  if (before.folder !== folder && before.state !== 'gone' && before.pid !== request.pid && isAlive(before.pid)) {
    throw new DirectoryError(
      'ERR_DIRECTORY_LEDGER_TAKEN',
      `journal ${ledger} is in use in ${before.folder} by process ${before.pid}; ${folder} is a copy of it: remove the copy`,
    );
  }
  if (position < before.position && request.position !== undefined) {
    throw new DirectoryError(
      'ERR_DIRECTORY_LEDGER_OLDER',
      `the journal in ${folder} ends at position ${position}, and once was at ${before.position}: it is an older copy; restore the newer one`,
    );
  }
}

function checkName(
  database: Database,
  { request, isAlive }: { readonly request: JoinRequest; readonly isAlive: (pid: number) => boolean },
): void {
  const other = prepared<[string, string], LeaseRow>(
    database,
    `${SELECT} WHERE name = ? AND ledger <> ? AND state <> 'fenced'`,
  ).get(request.name, request.ledger);
  if (other === undefined) return;
  if (other.state !== 'gone' && isAlive(other.pid)) {
    throw new DirectoryError(
      'ERR_DIRECTORY_NAME_TAKEN',
      `a node named "${request.name}" runs already (process ${other.pid}, data in ${other.folder}); choose another --node`,
    );
  }
  throw new DirectoryError(
    'ERR_DIRECTORY_NAME_UNRESOLVED',
    `node "${request.name}" had another journal, in ${other.folder}, and nobody has taken it; start with that --data-dir, ` +
      'or once another node has taken it',
  );
}

/** Records are read one version back and one forward. */
function checkSchemaVersion(database: Database, { schema }: JoinRequest): void {
  const other = prepared<[number], LeaseRow>(
    database,
    `${SELECT} WHERE state IN ('joining', 'active', 'draining') AND abs(schema_version - ?) > 1 LIMIT 1`,
  ).get(schema.version);
  if (other === undefined) return;
  throw new DirectoryError(
    'ERR_DIRECTORY_SCHEMA',
    `the world module has version ${schema.version}, and node "${other.name}" runs version ${other.schema_version}; ` +
      'nodes may be one version apart: upgrade step by step',
  );
}

/**
 * A player's gateway and owner may be any two nodes, so a client is sent what any node makes: its bytes must mean the same. Whoever is dead
 * is not compared, though its lease has not ended; nor a node of a release that did not tell.
 */
function checkView(
  database: Database,
  parts: { readonly request: JoinRequest; readonly nowMs: number; readonly isAlive: (pid: number) => boolean },
): void {
  const { request, nowMs, isAlive } = parts;
  if (request.viewHash === 0) return;
  const others = prepared<[number, string, number], LeaseRow>(
    database,
    `${SELECT} JOIN view USING (node, incarnation)
       WHERE state IN ('joining', 'active', 'draining') AND hash NOT IN (0, ?) AND ledger <> ? AND renewed_at_ms > ? ORDER BY node`,
  ).all(request.viewHash, request.ledger, nowMs - VIEW_COMPARED_MS);
  const other = others.find(({ pid }) => isAlive(pid));
  if (other === undefined) return;
  throw new DirectoryError(
    'ERR_DIRECTORY_VIEW',
    `what clients see of this world module (version ${request.schema.version}) is not what they see of the one that node "${other.name}" runs ` +
      `(version ${other.schema_version}); stop all nodes, then start them with this module, or keep visible components, kinds and the input as they are; --mixed-views while nobody plays`,
  );
}

function checkRoom(database: Database): void {
  const count = prepared<[], { n: number }>(database, 'SELECT count(*) AS n FROM lease').get()?.n ?? 0;
  if (count < LEDGERS_MAX) return;
  throw new DirectoryError(
    'ERR_DIRECTORY_LEDGERS_MAX',
    `the directory remembers ${count} journals, as many as it can; wait until handovers to lost ones are resolved`,
  );
}

function numberFor(database: Database, name: string): NodeNumber {
  const row = prepared<[string], { node: number }>(database, 'SELECT node FROM node WHERE name = ?').get(name);
  if (row) return row.node;
  const last = prepared<[], { node: number | null }>(database, 'SELECT max(node) AS node FROM node').get()?.node ?? 0;
  if (last >= NODES_MAX) {
    throw new DirectoryError(
      'ERR_DIRECTORY_NODES_MAX',
      `the cluster has had ${NODES_MAX} node names, as many as there can be; use one of them again`,
    );
  }
  prepared(database, 'INSERT INTO node (node, name) VALUES (?, ?)').run(last + 1, name);
  return last + 1;
}

function memberFrom(row: LeaseRow): Member {
  return {
    node: row.node,
    name: row.name,
    ledger: row.ledger,
    incarnation: row.incarnation,
    version: row.version,
    state: row.state,
    peerAddress: row.peer_address,
    clientUrl: row.client_url,
    folder: row.folder,
    pid: row.pid,
    release: row.release,
    schemaVersion: row.schema_version,
    capacity: row.capacity,
    position: row.position,
    isProtected: row.is_protected === 1,
    buddy: row.buddy,
    successor: row.successor,
    successorLedger: row.successor_ledger,
    joinedAtMs: row.joined_at_ms,
    renewedAtMs: row.renewed_at_ms,
  };
}
