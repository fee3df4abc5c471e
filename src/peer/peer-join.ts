/**
 * How a process becomes a member: it takes its ledger's lock, reads its journal, and asks the directory for a lease.
 *
 * A node that died and whose place a neighbour is about to take finds its name or its ledger unresolved. It lets go of the
 * lock, so that the neighbour can take the file, and tries again, with a new ledger then.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DirectoryError } from './directory-error.ts';
import { openDirectory } from './directory-thread.ts';
import type { Directory, Joined } from './directory.ts';
import { JournalError } from './journal-error.ts';
import { lockHolder, openJournal } from './journal.ts';
import type { Journal, JournalEvent } from './journal.ts';
import { monotonicMs } from '../base/monotonic.ts';
import type { PeerJoined, PeerSettings } from './peer-settings.ts';

const SESSION_KEY_BYTES = 32;
const JOIN_RETRY_MS = 100;
const JOIN_WAIT_MS_MAX = 30_000;
const RETRY_CODES: ReadonlySet<string> = new Set([
  'ERR_DIRECTORY_BUSY',
  'ERR_DIRECTORY_NAME_UNRESOLVED',
  'ERR_DIRECTORY_NAME_TAKEN',
  'ERR_DIRECTORY_LEDGER_FENCED',
]);

export interface Membered {
  readonly journal: Journal;
  readonly directory: Directory;
  readonly joined: Joined;
  /** Of the cluster: the seed of session tokens, as hexadecimal digits. */
  readonly sessionKey: string;
  /** When the join that was granted had been sent: the lease counts from then. */
  readonly joinedMs: number;
  /** From now on the journal's events go there; nothing has been appended before. */
  readonly setListener: (listener: (event: JournalEvent) => void) => void;
}

/** @throws JournalError, DirectoryError; nothing is left open then. */
export async function joinCluster(settings: PeerSettings): Promise<Membered> {
  const directory = await openDirectory(settings.directory, { facts: settings.facts });
  const deadlineMs = monotonicMs() + JOIN_WAIT_MS_MAX;
  try {
    for (;;) {
      const membered = await tryToJoin(settings, directory, deadlineMs);
      if (membered !== undefined) return membered;
      await delay(JOIN_RETRY_MS);
    }
  } catch (error) {
    await directory.close();
    throw error;
  }
}

export function joinedAs({ directory, journal, joined, sessionKey }: Membered): PeerJoined {
  const { clusterId, tickEpochMs } = directory.facts;
  const { node, incarnation } = joined;
  return { node, incarnation, clusterId, tickEpochMs, entities: journal.content.entities.length, sessionKey };
}

/** Undefined: not now. */
async function tryToJoin(
  settings: PeerSettings,
  directory: Directory,
  deadlineMs: number,
): Promise<Membered | undefined> {
  let listener: (event: JournalEvent) => void = () => {};
  const journal = await openUnlessTaken(settings, { directory, deadlineMs, listener: (event) => listener(event) });
  if (journal === undefined) return undefined;
  try {
    const joinedMs = monotonicMs();
    const joined = await directory.join(requestOf(settings, journal));
    journal.setIncarnation(joined.incarnation);
    const setListener = (next: typeof listener): void => {
      listener = next;
    };
    const sessionKey = await directory.secret('sessionKey', randomBytes(SESSION_KEY_BYTES).toString('hex'));
    return { journal, directory, joined, joinedMs, setListener, sessionKey };
  } catch (error) {
    await journal[Symbol.asyncDispose]();
    const mayPass = error instanceof DirectoryError && RETRY_CODES.has(error.code);
    if (!mayPass || monotonicMs() > deadlineMs) throw error;
    return undefined;
  }
}

/** Undefined while a neighbour holds the lock to take the file; a process of this very node is refused at once. */
async function openUnlessTaken(
  { folder, name, takenJournalsMax: takenFilesMax }: PeerSettings,
  options: { directory: Directory; deadlineMs: number; listener: (event: JournalEvent) => void },
): Promise<Journal | undefined> {
  try {
    return await openJournal({ folder, takenFilesMax, onEvent: options.listener });
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'ERR_JOURNAL_LOCKED') throw error;
    const members = await options.directory.members();
    const pid = lockHolder(folder)?.pid;
    const isNeighbour = members.some((member) => member.pid === pid && member.name !== name);
    if (!isNeighbour || monotonicMs() > options.deadlineMs) throw error;
    return undefined;
  }
}

function requestOf(settings: PeerSettings, { ledger, content }: Journal): Parameters<Directory['join']>[0] {
  const { name, folder, release, capacity, schema, viewHash } = settings;
  return {
    name,
    ledger,
    incarnationSeen: content.incarnation,
    position: content.position,
    // Both are known once it listens.
    peerAddress: '',
    clientUrl: '',
    folder,
    pid: process.pid,
    release,
    capacity,
    schema,
    viewHash,
  };
}
