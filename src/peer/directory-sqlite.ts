/**
 * The embedded directory: one SQLite file in WAL mode, shared by the processes of one host. A transaction begins IMMEDIATE, so
 * it has the write lock before it reads: what it compares cannot change under it. A process that is killed inside a
 * transaction leaves nothing of it; the kernel drops its lock.
 *
 * Waiting for the lock is ours and not SQLite's: retries come with jitter, and after `busyMs` the call fails with nothing
 * changed. Calls are carried out in the order they were made, those that wait together in one transaction (directory-queue.ts).
 *
 * A lost renewal costs at worst a pause, a load report is old within a second, and where a player went is a hint, so these are not
 * synced to disk; everything else is, before its answer. So a power cut never brings back an incarnation, an epoch or a fenced lease.
 */
import { randomBytes } from 'node:crypto';
import { claimBlocks, blocks, giveBlocks, makeBlocks, markPopulated } from './directory-blocks.ts';
import { checkFacts, deleteName, getName, putName, putSetting } from './directory-entries.ts';
import { readFacts, schemas, secret, settings, writeFacts } from './directory-entries.ts';
import { DirectoryError } from './directory-error.ts';
import { drain, fence, forget, join, leave, members, renew } from './directory-leases.ts';
import { loads, reportLoad } from './directory-loads.ts';
import { retried, DirectoryQueue } from './directory-queue.ts';
import type { CallKind } from './directory-queue.ts';
import { makeTables, openFile } from './directory-tables.ts';
import type { Database } from './directory-tables.ts';
import * as check from './directory-values.core.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { loadText } from './load-values.core.ts';
import type { NodeLoad, ReportedLoad } from './load-values.core.ts';
import type {
  BlockOwner,
  ClusterFacts,
  Directory,
  DirectoryChange,
  JoinRequest,
  Joined,
  Member,
  NameEntry,
  NameHome,
  Renewal,
  SchemaEntry,
  SecretName,
  SettingEntry,
  WatchOptions,
  WorldFacts,
} from './directory.ts';
import type { Ledger, NodeNumber } from './protocol.ts';

export interface SqliteDirectoryOptions {
  readonly file: string;
  /** Makes the directory if there is none, and is compared with the one that is there. Undefined: it must exist. */
  readonly facts: WorldFacts | undefined;
  /** How long a call waits for the lock, in milliseconds. */
  readonly busyMs?: number;
  /** UTC milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Does this process run? Asked only for what a message says, and for what else is refused. */
  readonly isAlive?: (pid: number) => boolean;
}

export class SqliteDirectory implements Directory {
  readonly facts: ClusterFacts;
  readonly #database: Database;
  readonly #options: SqliteDirectoryOptions;
  readonly #watch: DirectoryWatch;
  readonly #isAlive: (pid: number) => boolean;
  readonly #queue: DirectoryQueue;
  #isClosed = false;

  /** @throws DirectoryError ERR_DIRECTORY_MISSING, _FACTS, _VERSION, _CORRUPT, _FILE, _BUSY, _VALUE. */
  static async open(options: SqliteDirectoryOptions): Promise<SqliteDirectory> {
    const { file, facts } = options;
    if (facts) check.checkFactValues(facts);
    const opened = await retried(options, () => openFile(file, { mustExist: facts === undefined })).catch(
      (error: unknown) => {
        throw missing(error, options);
      },
    );
    try {
      const cluster = await retried(options, () => prepare(opened, options));
      return new SqliteDirectory(opened, { options, cluster });
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  private constructor(database: Database, given: { options: SqliteDirectoryOptions; cluster: ClusterFacts }) {
    this.#database = database;
    this.#options = given.options;
    this.facts = given.cluster;
    this.#isAlive = given.options.isAlive ?? isProcessAlive;
    this.#watch = new DirectoryWatch(database, given.options);
    // Our own changes do not show in our data_version.
    this.#queue = new DirectoryQueue(database, { ...given.options, onWritten: () => this.#watch.look() });
  }

  async join(request: JoinRequest): Promise<Joined> {
    check.checkJoin(request);
    const isAlive = this.#isAlive;
    return this.#write((database) => join(database, request, { nowMs: this.#options.now(), isAlive }));
  }

  async renew(renewal: Renewal): Promise<{ readonly version: number } | 'fenced'> {
    check.checkRenewal(renewal);
    // A change of protection is a promise to others; the bare lease is not.
    const kind = renewal.isProtected === undefined && renewal.state === undefined ? 'unsynced' : 'synced';
    return this.#write((database) => renew(database, renewal, { nowMs: this.#options.now() }), kind);
  }

  async leave(lease: { readonly node: NodeNumber; readonly incarnation: number }): Promise<void> {
    check.checkNode(lease.node);
    return this.#write((database) => leave(database, lease));
  }

  async drain(request: {
    readonly node: NodeNumber;
    readonly incarnation: number;
    readonly isDraining: boolean;
  }): Promise<boolean> {
    check.checkNode(request.node);
    check.demandCount('incarnation', request.incarnation);
    return this.#write((database) => drain(database, request));
  }

  async members(): Promise<Member[]> {
    return this.#read(members);
  }

  async fence(request: {
    readonly node: NodeNumber;
    readonly seenVersion: number;
    readonly successor: NodeNumber;
  }): Promise<boolean> {
    check.checkNode(request.node);
    check.checkNode(request.successor);
    return this.#write((database) => fence(database, request));
  }

  async forget(ledger: Ledger): Promise<boolean> {
    check.checkLedgerText(ledger);
    return this.#write((database) => forget(database, ledger));
  }

  async blocks(): Promise<BlockOwner[]> {
    return this.#read(blocks);
  }

  async claimBlocks(request: { readonly expectNodes: number }): Promise<{ placed: number; active: number }> {
    check.demandCount('expectNodes', request.expectNodes);
    return this.#write((database) => claimBlocks(database, request));
  }

  async giveBlocks(request: {
    readonly from: NodeNumber;
    readonly to: NodeNumber;
    readonly blocks: readonly { readonly block: number; readonly epoch: number }[];
  }): Promise<boolean> {
    check.checkNode(request.from);
    check.checkNode(request.to);
    check.checkBlockNumbers(request.blocks.map(({ block }) => block));
    return this.#write((database) => giveBlocks(database, request));
  }

  async markPopulated(request: { readonly node: NodeNumber; readonly blocks: readonly number[] }): Promise<number[]> {
    check.checkNode(request.node);
    check.checkBlockNumbers(request.blocks);
    return this.#write((database) => markPopulated(database, request));
  }

  async reportLoad(report: {
    readonly node: NodeNumber;
    readonly incarnation: number;
    readonly load: NodeLoad;
  }): Promise<boolean> {
    const { node, incarnation, load } = report;
    check.checkNode(node);
    check.demandCount('incarnation', incarnation);
    const text = loadText(load);
    return this.#write((database) => reportLoad(database, { node, incarnation, text }), 'unsynced');
  }

  async loads(): Promise<ReportedLoad[]> {
    return this.#read(loads);
  }

  async getName(key: string): Promise<NameEntry | undefined> {
    check.checkNameKey(key);
    return this.#read((database) => getName(database, key));
  }

  async putName(
    key: string,
    home: NameHome,
    { expectedVersion }: { readonly expectedVersion: number },
  ): Promise<{ version: number } | undefined> {
    check.checkNameKey(key);
    check.checkHome(home);
    // Who has a player is a hint, of which an older one will do; that there is one is none.
    const kind = expectedVersion === 0 ? 'synced' : 'unsynced';
    return this.#write((database) => putName(database, { key, home, expectedVersion }), kind);
  }

  async deleteName(key: string, { expectedVersion }: { readonly expectedVersion: number }): Promise<boolean> {
    check.checkNameKey(key);
    return this.#write((database) => deleteName(database, { key, expectedVersion }));
  }

  async settings(): Promise<SettingEntry[]> {
    return this.#read(settings);
  }

  async putSetting(
    key: string,
    value: string,
    { expectedVersion }: { readonly expectedVersion?: number } = {},
  ): Promise<{ version: number } | undefined> {
    check.checkSetting(key, value);
    return this.#write((database) => putSetting(database, { key, value, expectedVersion }));
  }

  async secret(name: SecretName, candidate: string): Promise<string> {
    check.checkSecret(name, candidate);
    return this.#write((database) => secret(database, { name, candidate }));
  }

  async schemas(): Promise<SchemaEntry[]> {
    return this.#read(schemas);
  }

  watch(onChange: (change: DirectoryChange) => void, options: WatchOptions = {}): () => void {
    if (this.#isClosed) throw closed(this.#options.file);
    return this.#watch.add(onChange, options);
  }

  /** Calls that wait for the lock are carried out first. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.close();
    await this.#queue.settled();
    this.#database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read<Result>(read: (database: Database) => Result): Promise<Result> {
    return this.#call('read', read);
  }

  async #write<Result>(write: (database: Database) => Result, kind: CallKind = 'synced'): Promise<Result> {
    return this.#call(kind, write);
  }

  async #call<Result>(kind: CallKind, run: (database: Database) => Result): Promise<Result> {
    if (this.#isClosed) throw closed(this.#options.file);
    return this.#queue.call(kind, run);
  }
}

/** In one transaction: makes the tables and facts, or compares the facts. */
function prepare(database: Database, { file, facts, now }: SqliteDirectoryOptions): ClusterFacts {
  database.pragma('synchronous = FULL');
  return database
    .transaction(() => {
      if (facts === undefined && (database.pragma('user_version', { simple: true }) as number) === 0) {
        throw new DirectoryError(
          'ERR_DIRECTORY_MISSING',
          `${file} is not a directory (yet); start a node with it first`,
        );
      }
      if (makeTables(database, { file }) && facts) {
        writeFacts(database, { ...facts, clusterId: randomBytes(16).toString('hex'), tickEpochMs: now() });
        makeBlocks(database, facts.blockCount);
      }
      const cluster = readFacts(database);
      if (facts) checkFacts(cluster, facts, { file });
      return cluster;
    })
    .immediate();
}

function closed(file: string): DirectoryError {
  return new DirectoryError('ERR_DIRECTORY_CLOSED', `the directory ${file} was closed`);
}

function missing(error: unknown, { file, facts }: SqliteDirectoryOptions): unknown {
  if (facts !== undefined || !(error instanceof DirectoryError) || error.code !== 'ERR_DIRECTORY_FILE') return error;
  return new DirectoryError(
    'ERR_DIRECTORY_MISSING',
    `there is no directory ${file}; give the --directory of a running cluster`,
    {
      cause: error,
    },
  );
}

/** True also for a process of another user, which may not be sent a signal. */
function isProcessAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
