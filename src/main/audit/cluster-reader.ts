/** One pass over a cluster: stores and journals of all its nodes, in the order that judging needs (evidence.ts). */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { ClusterPass, JournalHistory, JournalView, LiveView, MemberView } from './evidence.ts';
import { readDirectory } from './directory-reader.ts';
import { readHistory, readJournal } from './journal-reader.ts';
import type { JournalPlace } from './journal-reader.ts';
import { readLive, reasonOf } from './live-reader.ts';

export type ClusterPlace =
  /** `sqlite:FILE`: names nodes, folders and addresses. */
  | { readonly directory: string }
  /** Folder of the nodes' folders, of a cluster that is not running. */
  | { readonly data: string };

type Unread = ClusterPass['unread'][number];

/** Stores come before the journals in the first pass and after them in the second. */
export async function readPass(place: ClusterPlace, order: 'first' | 'second'): Promise<ClusterPass> {
  const startMs = performance.now();
  const atMs = Date.now();
  const unread: Unread[] = [];
  const members = membersOf(place);
  const readAll = (): JournalView[] => attemptAll(journalPlaces(place), { read: readJournal, what: 'journal', unread });
  const before = order === 'second' ? readAll() : [];
  const lives = await readLives(members, unread);
  const journals = order === 'second' ? before : readAll();
  // Whoever has been fenced in between is no longer believed.
  return { startMs, endMs: performance.now(), atMs, members: membersOf(place), journals, lives, unread };
}

/** The whole histories of all journals; those that cannot be read are in the passes' `unread` already. */
export function readHistories(place: ClusterPlace): JournalHistory[] {
  return attemptAll(journalPlaces(place), { read: readHistory, what: 'journal', unread: [] });
}

/** Files of all journals, those that were taken over among them. */
export function journalPlaces(place: ClusterPlace): JournalPlace[] {
  const folders =
    'directory' in place
      ? new Map(readDirectory(place.directory).members.map(({ folder, name }) => [path.resolve(folder), name]))
      : new Map(subfolders(place.data).map((folder) => [folder, path.basename(folder)]));
  return [...folders].flatMap(([folder, name]) => {
    const files = existsSync(folder) ? readdirSync(folder).filter((file) => /^journal.*\.sqlite$/.test(file)) : [];
    // A member without a file is an error that the reader will tell; a folder without one is none of ours.
    if (files.length === 0 && 'directory' in place) files.push('journal.sqlite');
    return files.map((file) => ({ name, folder, file: path.join(folder, file) }));
  });
}

/** Undefined when the directory is not given. */
export function clusterIdOf(place: ClusterPlace): string | undefined {
  if (!('directory' in place)) return undefined;
  const id = readDirectory(place.directory).facts.get('clusterId');
  return typeof id === 'string' ? id : undefined;
}

function membersOf(place: ClusterPlace): readonly MemberView[] {
  return 'directory' in place ? readDirectory(place.directory).members : [];
}

function subfolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.resolve(folder, entry.name));
}

async function readLives(members: readonly MemberView[], unread: Unread[]): Promise<LiveView[]> {
  const live = members.filter(({ state }) => state !== 'gone' && state !== 'fenced');
  const views = await Promise.all(
    live.map(async (member) => {
      try {
        return await readLive(member);
      } catch (error) {
        unread.push({ name: member.name, what: 'store', reason: reasonOf(error) });
        return undefined;
      }
    }),
  );
  return views.filter((view) => view !== undefined);
}

function attemptAll<Value>(
  places: readonly JournalPlace[],
  { read, what, unread }: { read: (place: JournalPlace) => Value; what: string; unread: Unread[] },
): Value[] {
  return places.flatMap((place) => {
    try {
      return [read(place)];
    } catch (error) {
      unread.push({ name: place.name, what, reason: reasonOf(error) });
      return [];
    }
  });
}
