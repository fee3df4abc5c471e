/** Opens a directory by its URL, in a thread of its own. */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { LongRace } from '../base/long-race.ts';
import { wrapThread } from '../base/thread.ts';
import type { Remote } from '../base/thread.ts';
import { youngGeneration } from '../base/thread-memory.ts';
import { DirectoryError } from './directory-error.ts';
import type { Answer, DirectoryApi, DirectoryCall, DirectoryNews } from './directory.worker.ts';
import type { ClusterFacts, Directory, DirectoryChange, WorldFacts } from './directory.ts';

export interface OpenOptions {
  /** As SqliteDirectoryOptions has it. */
  readonly facts: WorldFacts | undefined;
  readonly busyMs?: number;
}

const SCHEME = 'sqlite:';

/** The file of a `sqlite:FILE` URL. @throws DirectoryError ERR_DIRECTORY_URL which says what is supported. */
export function directoryFile(url: string): string {
  const file = url.startsWith(SCHEME) ? url.slice(SCHEME.length) : '';
  if (file !== '') return file;
  const found = url.startsWith('etcd:') ? 'etcd is not supported by this release' : `found "${url.slice(0, 200)}"`;
  throw new DirectoryError(
    'ERR_DIRECTORY_URL',
    `${found}; give sqlite:FILE, a file shared by the processes of one host, such as sqlite:.worldmesh/directory.sqlite`,
  );
}

/**
 * @param url `sqlite:FILE`.
 * @throws DirectoryError ERR_DIRECTORY_URL, and what SqliteDirectory.open throws.
 */
export async function openDirectory(url: string, options: OpenOptions): Promise<Directory> {
  return await DirectoryThread.open(directoryFile(url), options);
}

type Results = { [Name in DirectoryCall]: Awaited<ReturnType<Directory[Name]>> };

interface Watcher {
  readonly onChange: (change: DirectoryChange) => void;
  readonly onError: ((error: Error) => void) | undefined;
  readonly withLoads: boolean;
}

class DirectoryThread implements Directory {
  readonly facts: ClusterFacts;
  readonly #api: Remote<DirectoryApi>;
  readonly #worker: Worker;
  readonly #changes: MessagePort;
  /** Rejects when the thread dies. */
  readonly #died: Promise<never>;
  readonly #race: LongRace<never>;
  readonly #watchers = new Set<Watcher>();
  #isClosed = false;

  static async open(file: string, options: OpenOptions): Promise<DirectoryThread> {
    const calls = new MessageChannel();
    const changes = new MessageChannel();
    const worker = new Worker(new URL('./directory.worker.ts', import.meta.url), {
      workerData: { port: calls.port2, changes: changes.port2 },
      transferList: [calls.port2, changes.port2],
      resourceLimits: youngGeneration('directory'),
    });
    const died = deathOf(worker);
    const api = wrapThread<DirectoryApi>(calls.port1);
    try {
      const facts = valueOf(await Promise.race([api.open(file, options), died]));
      return new DirectoryThread({ facts, api, worker, changes: changes.port1, died });
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  private constructor(parts: {
    readonly facts: ClusterFacts;
    readonly api: Remote<DirectoryApi>;
    readonly worker: Worker;
    readonly changes: MessagePort;
    readonly died: Promise<never>;
  }) {
    this.facts = parts.facts;
    this.#api = parts.api;
    this.#worker = parts.worker;
    this.#changes = parts.changes;
    this.#died = parts.died;
    this.#race = new LongRace(parts.died);
    this.#changes.on('message', (news: DirectoryNews) => this.#hear(news));
    this.#died.catch((error: Error) => {
      if (!this.#isClosed) for (const { onError } of this.#watchers) onError?.(error);
    });
  }

  join: Directory['join'] = (request) => this.#call('join', [request]);
  renew: Directory['renew'] = (renewal) => this.#call('renew', [renewal]);
  drain: Directory['drain'] = (request) => this.#call('drain', [request]);
  leave: Directory['leave'] = (lease) => this.#call('leave', [lease]);
  members: Directory['members'] = () => this.#call('members', []);
  fence: Directory['fence'] = (request) => this.#call('fence', [request]);
  forget: Directory['forget'] = (ledger) => this.#call('forget', [ledger]);
  blocks: Directory['blocks'] = () => this.#call('blocks', []);
  claimBlocks: Directory['claimBlocks'] = (request) => this.#call('claimBlocks', [request]);
  giveBlocks: Directory['giveBlocks'] = (request) => this.#call('giveBlocks', [request]);
  markPopulated: Directory['markPopulated'] = (request) => this.#call('markPopulated', [request]);
  reportLoad: Directory['reportLoad'] = (report) => this.#call('reportLoad', [report]);
  loads: Directory['loads'] = () => this.#call('loads', []);
  getName: Directory['getName'] = (key) => this.#call('getName', [key]);
  putName: Directory['putName'] = (key, home, options) => this.#call('putName', [key, home, options]);
  deleteName: Directory['deleteName'] = (key, options) => this.#call('deleteName', [key, options]);
  settings: Directory['settings'] = () => this.#call('settings', []);
  putSetting: Directory['putSetting'] = (key, value, options) => this.#call('putSetting', [key, value, options]);
  secret: Directory['secret'] = (name, candidate) => this.#call('secret', [name, candidate]);
  schemas: Directory['schemas'] = () => this.#call('schemas', []);

  watch: Directory['watch'] = (onChange, { onError, withLoads = false } = {}) => {
    if (this.#isClosed) throw new DirectoryError('ERR_DIRECTORY_CLOSED', 'the directory was closed');
    const watcher: Watcher = { onChange, onError, withLoads };
    this.#watchers.add(watcher);
    // The thread tells everything anew, to all watchers: what they know already does no harm.
    const isLoadTold = [...this.#watchers].some((other) => other.withLoads);
    this.#guarded(() => this.#api.watch({ withLoads: isLoadTold })).catch((error: Error) => onError?.(error));
    return () => {
      this.#watchers.delete(watcher);
    };
  };

  /** Calls under way are answered first. The thread ends. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watchers.clear();
    await Promise.race([this.#api.close(), this.#died]).catch(() => {
      // It died before: closed as well.
    });
    this.#changes.close();
    await this.#worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<Name extends DirectoryCall>(name: Name, given: readonly unknown[]): Promise<Results[Name]> {
    return this.#guarded(() => this.#api.call(name, given)) as Promise<Results[Name]>;
  }

  async #guarded(ask: () => Promise<Answer<unknown>>): Promise<unknown> {
    if (this.#isClosed) throw new DirectoryError('ERR_DIRECTORY_CLOSED', 'the directory was closed');
    return valueOf(await this.#race.against(ask()));
  }

  #hear(news: DirectoryNews): void {
    for (const watcher of this.#watchers) {
      if (news.type === 'change') tellChange(watcher, news.change);
      else watcher.onError?.(new DirectoryError(news.code, news.message));
    }
  }
}

/** Another watcher's wish to hear of loads is not this one's. */
function tellChange({ onChange, withLoads }: Watcher, change: DirectoryChange): void {
  if (withLoads || change.loads === undefined) return onChange(change);
  const { revision, loads: _loads, ...others } = change;
  if (Object.keys(others).length > 0) onChange({ revision, ...others });
}

function valueOf<Value>(answer: Answer<Value>): Value {
  if (answer.ok) return answer.value;
  throw new DirectoryError(answer.code, answer.message);
}

function deathOf(worker: Worker): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const die = (cause?: unknown): void =>
    reject(new DirectoryError('ERR_DIRECTORY_CLOSED', 'the thread of the directory has ended', { cause }));
  worker.once('error', die);
  worker.once('exit', () => die());
  // Whoever calls hears of it.
  promise.catch(() => {});
  return promise;
}
