/**
 * Snapshots of all files of a cluster, of one moment (moment.core.ts):
 *
 *   pause handovers ─▶ look until nothing is in transit ─▶ begin a snapshot of each file ─▶ look again ─▶ let handovers go on
 *                          ▲                                                                  │
 *                          └────────────── let go, when they are not of one moment ◀──────────┘
 *
 * What follows, the copying, takes as long as it likes: the snapshots stay what they are.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { Directory } from '../../peer/directory.ts';
import { PAUSE_MS_MAX } from '../../peer/handover-pause.core.ts';
import { isAlive } from '../../peer/ledger-lock.ts';
import { BackupError, reasonOf } from './backup-error.ts';
import { beginSnapshot, lookAt, lookClosely, openReadOnly } from './journal-file.ts';
import type { JournalPlace } from './journal-file.ts';
import { inTransit, whyNotOneMoment } from './moment.core.ts';
import type { JournalLook, SnapshotLook } from './moment.core.ts';
import { Pause } from './pause.ts';

/** One pause; after it handovers run again for a while before the next try. */
export const PAUSE_MS = 5000;
/** No snapshot is begun so late that the pause might end meanwhile. */
const PAUSE_REST_MS = 500;
const BETWEEN_PAUSES_MS = 1000;
const LOOK_MS = 10;
const JOURNAL_FILE = /^journal(?:-[0-9a-f]{32}\.taken)?\.sqlite$/;
const NAMED_MAX = 3;

export interface SnapshotOptions {
  readonly directoryFile: string;
  readonly directory: Directory;
  readonly owner: string;
  /** For all tries together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onPaused: () => void;
}

export interface HeldFile {
  /** Name of the node; empty for the directory. */
  readonly name: string;
  readonly file: string;
  readonly database: Database;
}

/** Held until it is disposed; meanwhile no WAL can be emptied beyond them. */
export class ClusterSnapshot implements Disposable {
  readonly directory: HeldFile;
  readonly journals: readonly HeldFile[];
  /** UTC. */
  readonly moment: Date;
  readonly wasRunning: boolean;
  readonly pauseMs: number;
  readonly snapshotsMs: number;
  readonly attempts: number;

  constructor(
    held: Held,
    facts: { moment: Date; wasRunning: boolean; pauseMs: number; snapshotsMs: number; attempts: number },
  ) {
    this.directory = held.directory;
    this.journals = held.journals;
    this.moment = facts.moment;
    this.wasRunning = facts.wasRunning;
    this.pauseMs = facts.pauseMs;
    this.snapshotsMs = facts.snapshotsMs;
    this.attempts = facts.attempts;
  }

  [Symbol.dispose](): void {
    for (const { database } of [this.directory, ...this.journals]) database.close();
  }
}

/** @throws BackupError ERR_BACKUP_TRANSIT, _PAUSED, _JOURNAL, _DIRECTORY, _STOPPED. */
export async function takeSnapshot(options: SnapshotOptions): Promise<ClusterSnapshot> {
  const { directory, directoryFile, timeoutMs, owner, signal, onPaused } = options;
  const deadlineMs = performance.now() + timeoutMs;
  let why = '';
  for (let attempts = 1; ; attempts++) {
    const wasRunning = journalPlaces(directoryFile).some(({ file }) => isAlive(path.dirname(file)));
    // Nothing moves in a cluster that is stopped: what is in transit there is a part of the moment.
    if (!wasRunning) return takeStopped(directoryFile, attempts);
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) throw notOneMoment(why, timeoutMs);
    const waitMs = Math.max(leftMs, PAUSE_MS_MAX * 2);
    const pause = await Pause.begin(directory, { owner, durationMs: PAUSE_MS, waitMs, signal });
    let taken: Taken;
    try {
      onPaused();
      const untilMs = Math.min(deadlineMs, pause.sinceMs + PAUSE_MS - PAUSE_REST_MS);
      taken = await takePaused(directoryFile, { untilMs, signal });
    } finally {
      await pause.end();
    }
    const pauseMs = performance.now() - pause.sinceMs;
    if ('held' in taken) return new ClusterSnapshot(taken.held, { ...taken, wasRunning, pauseMs, attempts });
    ({ why } = taken);
    await wait(BETWEEN_PAUSES_MS, undefined, { signal }).catch(() => {
      throw new BackupError('ERR_BACKUP_STOPPED', 'the backup was stopped');
    });
  }
}

interface Held {
  readonly directory: HeldFile;
  readonly journals: readonly HeldFile[];
}
type Taken = { readonly held: Held; readonly moment: Date; readonly snapshotsMs: number } | { readonly why: string };

function takeStopped(directoryFile: string, attempts: number): ClusterSnapshot {
  const startMs = performance.now();
  const moment = new Date();
  const held = beginAll(directoryFile, journalPlaces(directoryFile));
  const snapshotsMs = performance.now() - startMs;
  return new ClusterSnapshot(held, { moment, wasRunning: false, pauseMs: 0, snapshotsMs, attempts });
}

/** Until the pause is almost over. */
async function takePaused(
  directoryFile: string,
  { untilMs, signal }: { untilMs: number; signal: AbortSignal },
): Promise<Taken> {
  const places = journalPlaces(directoryFile);
  const open = places.map((place) => ({ place, database: openReadOnly(place.file) }));
  const lookAll = (): JournalLook[] => open.map(({ place, database }) => lookAt(database, place));
  let why = 'the time was over';
  try {
    for (;;) {
      if (signal.aborted) throw new BackupError('ERR_BACKUP_STOPPED', 'the backup was stopped');
      const before = lookAll();
      const moving = inTransit(before);
      if (moving.length === 0) {
        const moment = new Date();
        const startMs = performance.now();
        const held = beginAll(directoryFile, places);
        const snapshotsMs = performance.now() - startMs;
        why = whyMoved(held, before, lookAll) ?? '';
        if (why === '') return { held, moment, snapshotsMs };
        letGo(held);
      } else {
        const named = moving.slice(0, NAMED_MAX).map(shortTransfer).join(', ');
        why = `${moving.length} entities are between nodes (${named}${moving.length > NAMED_MAX ? ', …' : ''})`;
      }
      if (performance.now() >= untilMs) return { why };
      await wait(LOOK_MS);
    }
  } finally {
    for (const { database } of open) database.close();
  }
}

/** Lets the snapshots go when they cannot be looked at. */
function whyMoved(held: Held, before: readonly JournalLook[], lookAll: () => JournalLook[]): string | undefined {
  try {
    const snapshots: SnapshotLook[] = held.journals.map(({ database, ...place }) => lookClosely(database, place));
    return whyNotOneMoment({ before, snapshots, after: lookAll() });
  } catch (error) {
    letGo(held);
    throw error;
  }
}

function beginAll(directoryFile: string, places: readonly JournalPlace[]): Held {
  const begun: HeldFile[] = [];
  try {
    const journals = places.map((place) => begin(place, begun));
    const directory = begin({ name: '', file: directoryFile }, begun);
    return { directory, journals };
  } catch (error) {
    for (const { database } of begun) database.close();
    throw error;
  }
}

function begin({ name, file }: JournalPlace, begun: HeldFile[]): HeldFile {
  const code = name === '' ? 'ERR_BACKUP_DIRECTORY' : 'ERR_BACKUP_JOURNAL';
  const database = openReadOnly(file, code);
  const held = { name, file, database };
  begun.push(held);
  try {
    beginSnapshot(database);
    return held;
  } catch (cause) {
    throw new BackupError(code, `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

function letGo({ directory, journals }: Held): void {
  for (const { database } of [directory, ...journals]) database.close();
}

/** Journals of all nodes, those that were taken over among them. @throws BackupError ERR_BACKUP_DIRECTORY */
function journalPlaces(directoryFile: string): JournalPlace[] {
  const database = openReadOnly(directoryFile, 'ERR_BACKUP_DIRECTORY');
  try {
    const leases = database
      .prepare<[], [string, string, string]>(
        'SELECT name, folder, state FROM lease JOIN node USING (node) ORDER BY node, incarnation',
      )
      .raw()
      .all();
    // A node that was given another folder has its journal in the one of its last lease.
    const folders = new Map(leases.map(([name, folder, state]) => [name, { folder, isFenced: state === 'fenced' }]));
    return [...folders].flatMap(([name, { folder, isFenced }]) => {
      const files = filesIn(folder);
      // The journal of a node that is a member has to be there; what a fenced one had lives on in another.
      if (files.length === 0 && !isFenced) files.push('journal.sqlite');
      return files.map((file) => ({ name, file: path.join(folder, file) }));
    });
  } catch (cause) {
    throw new BackupError('ERR_BACKUP_DIRECTORY', `${directoryFile} cannot be read: ${reasonOf(cause)}`, { cause });
  } finally {
    database.close();
  }
}

function filesIn(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => JOURNAL_FILE.test(file))
        .toSorted()
    : [];
}

function notOneMoment(why: string, timeoutMs: number): BackupError {
  return new BackupError(
    'ERR_BACKUP_TRANSIT',
    `no moment without handovers within ${timeoutMs / 1000} s: ${why}. "worldmesh status" shows nodes that do not answer, ` +
      '"worldmesh trace" a handover that is stuck; then try again, or give a longer --timeout',
  );
}

function shortTransfer(key: string): string {
  return key.replaceAll(/[0-9a-f]{32}/g, (ledger) => ledger.slice(0, 8));
}
