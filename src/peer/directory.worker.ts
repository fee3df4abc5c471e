/**
 * The directory's thread: waiting for a disk or a lock holds up nobody else. It is called over Comlink through `port`; changes
 * go out on `changes`. directory-thread.ts is its other end.
 */
import type { MessagePort } from 'node:worker_threads';
import { workerData } from 'node:worker_threads';
import { exposeThread } from '../base/thread.ts';
import { DirectoryError } from './directory-error.ts';
import { SqliteDirectory } from './directory-sqlite.ts';
import type { ClusterFacts, Directory, DirectoryChange, WatchOptions } from './directory.ts';
import type { OpenOptions } from './directory-thread.ts';

/** An expected failure crosses the thread border as data, because an error would lose its `code` there. */
export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: DirectoryError['code']; readonly message: string };

export type DirectoryNews =
  | { readonly type: 'change'; readonly change: DirectoryChange }
  | { readonly type: 'error'; readonly code: DirectoryError['code']; readonly message: string };

/** Methods that go over as they are. */
export type DirectoryCall = Exclude<keyof Directory, 'facts' | 'watch' | 'close' | symbol>;

function createApi(changes: MessagePort) {
  let directory: SqliteDirectory | undefined;
  let stopWatching: (() => void) | undefined;

  function opened(): SqliteDirectory {
    if (directory === undefined) throw new DirectoryError('ERR_DIRECTORY_CLOSED', 'the directory is not open');
    return directory;
  }

  return {
    open(file: string, { facts, busyMs }: OpenOptions): Promise<Answer<ClusterFacts>> {
      return answer(async () => {
        directory = await SqliteDirectory.open({
          file,
          facts,
          ...(busyMs !== undefined && { busyMs }),
          now: Date.now,
          random: Math.random,
        });
        return directory.facts;
      });
    },

    call(name: DirectoryCall, given: readonly unknown[]): Promise<Answer<unknown>> {
      return answer(async () => {
        const target = opened();
        const method = target[name] as (...args: readonly unknown[]) => Promise<unknown>;
        return await method.apply(target, [...given]);
      });
    },

    /** Begins, or begins anew with everything there is. */
    watch({ withLoads }: Required<Pick<WatchOptions, 'withLoads'>>): Promise<Answer<undefined>> {
      return answer(async () => {
        stopWatching?.();
        stopWatching = opened().watch(
          (change) => changes.postMessage({ type: 'change', change } satisfies DirectoryNews),
          {
            withLoads,
            onError: (error) => {
              const { code, message } = error as DirectoryError;
              changes.postMessage({ type: 'error', code, message } satisfies DirectoryNews);
            },
          },
        );
        return undefined;
      });
    },

    async close(): Promise<void> {
      stopWatching?.();
      await directory?.close();
    },
  };
}
export type DirectoryApi = ReturnType<typeof createApi>;

async function answer<Value>(action: () => Promise<Value>): Promise<Answer<Value>> {
  try {
    return { ok: true, value: await action() };
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    return { ok: false, code: error.code, message: error.message };
  }
}

const { port, changes } = workerData as { port: MessagePort; changes: MessagePort };
exposeThread(createApi(changes), port);
