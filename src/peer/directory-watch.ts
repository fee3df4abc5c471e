/**
 * Watches the file of an embedded directory. SQLite's `data_version` tells whether another connection has committed since it was
 * last asked; it is a look at shared memory (about 5 µs), so it is asked every WATCH_MS. What has changed is then read in one transaction.
 */
import { blocks } from './directory-blocks.ts';
import { schemas, settings } from './directory-entries.ts';
import { members } from './directory-leases.ts';
import { loads } from './directory-loads.ts';
import { CHANGE_KINDS, explain, isBusy, prepared } from './directory-tables.ts';
import type { ChangeKind, Database } from './directory-tables.ts';
import type { DirectoryChange, WatchOptions } from './directory.ts';

export const WATCH_MS = 20;

interface Watcher {
  readonly onChange: (change: DirectoryChange) => void;
  readonly onError: ((error: Error) => void) | undefined;
  readonly kinds: readonly ChangeKind[];
  /** By kind, the revision that was told last. */
  readonly told: Map<ChangeKind, number>;
}

export class DirectoryWatch {
  readonly #database: Database;
  readonly #file: string;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #dataVersion = -1;

  constructor(database: Database, { file }: { readonly file: string }) {
    this.#database = database;
    this.#file = file;
  }

  add(onChange: (change: DirectoryChange) => void, { onError, withLoads = false }: WatchOptions): () => void {
    const kinds = withLoads ? CHANGE_KINDS : CHANGE_KINDS.filter((kind) => kind !== 'loads');
    const watcher: Watcher = { onChange, onError, kinds, told: new Map() };
    this.#watchers.add(watcher);
    this.#dataVersion = -1;
    this.#timer ??= setInterval(() => this.#poll(), WATCH_MS);
    this.look();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.close();
    };
  }

  /** Something has changed, by this connection; a burst of changes is told as one. */
  look(): void {
    if (this.#watchers.size === 0 || this.#dataVersion === LOOK_SOON) return;
    this.#dataVersion = LOOK_SOON;
    setImmediate(() => this.#poll());
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watchers.clear();
  }

  #poll(): void {
    if (this.#watchers.size === 0 || !this.#database.open) return;
    try {
      const dataVersion =
        prepared<[], { data_version: number }>(this.#database, 'PRAGMA data_version').get()?.data_version ?? -1;
      if (dataVersion === this.#dataVersion) return;
      for (const watcher of this.#watchers) this.#tell(watcher);
      this.#dataVersion = dataVersion;
    } catch (error) {
      // Asked again at the next turn; a lock for a moment is no news.
      this.#dataVersion = -1;
      if (isBusy(error)) return;
      const told = explain(error, { file: this.#file });
      for (const { onError } of this.#watchers) onError?.(told as Error);
    }
  }

  #tell({ onChange, told, kinds }: Watcher): void {
    const { change, revisions } = this.#database.transaction(() => this.#changeSince(told, kinds)).deferred();
    if (change === undefined) return;
    for (const [kind, revision] of revisions) told.set(kind, revision);
    onChange(change);
  }

  #changeSince(
    told: ReadonlyMap<ChangeKind, number>,
    kinds: readonly ChangeKind[],
  ): { change: DirectoryChange | undefined; revisions: ReadonlyMap<ChangeKind, number> } {
    const rows = prepared<[], { kind: ChangeKind; revision: number }>(
      this.#database,
      'SELECT kind, revision FROM change',
    ).all();
    const revisions = new Map(rows.map(({ kind, revision }) => [kind, revision]));
    const changed = new Set(kinds.filter((kind) => revisions.get(kind) !== told.get(kind)));
    if (changed.size === 0) return { change: undefined, revisions };
    const change: DirectoryChange = {
      revision: Math.max(...revisions.values()),
      ...(changed.has('members') && { members: members(this.#database) }),
      ...(changed.has('blocks') && { blocks: blocks(this.#database) }),
      ...(changed.has('settings') && { settings: settings(this.#database) }),
      ...(changed.has('schemas') && { schemas: schemas(this.#database) }),
      ...(changed.has('loads') && { loads: loads(this.#database) }),
      ...(changed.has('names') && { names: true as const }),
    };
    return { change, revisions };
  }
}

/** In place of a data version: a look is already on its way. */
const LOOK_SOON = -2;
