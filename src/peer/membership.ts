/**
 * This process as a member of its cluster: keeps the lease alive, watches the others, and takes the place of those that
 * died on this host. Obeys lease.core.ts; the directory decides.
 *
 *   a neighbour's process is gone (its ledger's lock is free), or it has been silent for fenceMs
 *     └─▶ wait takeoverAfterMs, in case it comes back ─▶ kill what hangs ─▶ hold its lock ─▶ fence by compare-and-swap
 *           └─▶ read its journal ─▶ `takenOver` ─▶ imported and stable: mark the file as taken, let go of the lock
 *
 * Invariant: between the fence and the end of the import this process holds the dead one's lock, so that no new process can
 * start on that ledger. If this one dies meanwhile, that ledger is fenced, and its successor has not imported it: whoever
 * takes the successor's place, or the successor when it is back, finds the file not marked as taken, and imports it then.
 */
import { PEER_STATE } from '../memory/peer-table.ts';
import type { Store } from '../memory/store.ts';
import { FENCED_MS } from './attachment.core.ts';
import type { DirectoryChange, Directory, Member } from './directory.ts';
import type { CrashPoints } from './crash-point.ts';
import { createHolder, createObserver, mayAct, stepHolder, stepObserver } from './lease.core.ts';
import type { Holder, HolderEffect, LeaseTimes, Observer, ObserverEffect, ObserverEvent } from './lease.core.ts';
import { isTaken, readJournal, takeFile } from './journal-folder.ts';
import { lockHolder, tryLock, watchLock } from './ledger-lock.ts';
import type { LedgerLock, LockWatch } from './ledger-lock.ts';
import { placeBlocks } from './placement.core.ts';
import type { JournalContent, LeaseView, Ledger, NodeNumber, PeerIdentity } from './protocol.ts';

export interface MembershipOptions {
  readonly directory: Directory;
  readonly me: PeerIdentity;
  /** Monotonic milliseconds at which the join that was granted had been sent. */
  readonly joinedMs: number;
  readonly times: LeaseTimes;
  /** How long a dead neighbour is waited for before its place is taken. */
  readonly takeoverAfterMs: number;
  readonly nowMs: () => number;
  /** Fenced ledgers that this node has to import now. */
  readonly ledgersToTake: () => readonly Ledger[];
  /** Whether this node's journal holds that ledger, stably. */
  readonly isImported: (ledger: Ledger) => boolean;
  /** False when this node could not write down what it takes. */
  readonly mayTakeOver: () => boolean;
  readonly crashPoints: CrashPoints;
  readonly events: MembershipEvents;
}

export interface MembershipEvents {
  changed(change: DirectoryChange): void;
  /** The node may act until then; less than now when it may not. */
  leaseUntil(untilMs: number): void;
  paused(): void;
  resumed(): void;
  /** This process may not go on. */
  stopped(reason: string): void;
  /** The journal of a neighbour that is fenced with this node as its successor. */
  takenOver(member: Member, content: JournalContent): void;
  note(level: 'info' | 'warn' | 'error', message: string, details: Readonly<Record<string, unknown>>): void;
}

/** A successor of a successor of … a fenced ledger; the directory cannot hold a longer chain. */
const CHAIN_MAX = 1024;
/** How often the locks of all neighbours are tried, if nothing is suspicious; one try takes some 20 µs. */
const LOOK_MS = 50;
/** Others than the first in line wait so much longer for it. */
const SECOND_IN_LINE_MS = 250;

export class Membership {
  readonly #options: MembershipOptions;
  readonly #holder: Holder;
  readonly #observer: Observer;
  readonly #stopWatch: () => void;
  #members: readonly Member[] = [];
  readonly #suspects = new Set<NodeNumber>();
  readonly #deadSinceMs = new Map<number, number>();
  readonly #locks = new Map<Ledger, LedgerLock>();
  /** By folder; a node keeps its folder for life, so these are as few as nodes. */
  readonly #watches = new Map<string, LockWatch>();
  readonly #fencing = new Set<NodeNumber>();
  /** Fenced ledgers that fell to this node and whose files are marked. */
  readonly #marked = new Set<Ledger>();
  readonly #fenced = new Set<Ledger>();
  readonly #unreadable = new Set<Ledger>();
  /** When it was last seen that somebody was fenced. */
  #lastFenceMs = Number.NEGATIVE_INFINITY;
  #position = 0;
  #lookDueMs = 0;
  #isStopped = false;

  constructor(options: MembershipOptions) {
    const { directory, me, joinedMs, times } = options;
    this.#options = options;
    this.#holder = createHolder({ sentMs: joinedMs, times });
    this.#observer = createObserver({ me: me.node, times });
    options.events.leaseUntil(this.#holder.untilMs);
    this.#stopWatch = directory.watch((change) => this.#see(change), {
      onError: (error) => options.events.note('warn', 'the directory cannot be read for now', { error: error.message }),
    });
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Members that live, this one included. */
  get active(): readonly Member[] {
    return this.#members.filter(({ state }) => state === 'active' || state === 'draining');
  }

  nameOf(node: NodeNumber): string {
    return this.#members.find((member) => member.node === node && isLive(member))?.name ?? '';
  }

  /** The node that a ledger is or was of; 0 for a stranger's. */
  nodeOf(ledger: Ledger): NodeNumber {
    return this.#members.find((member) => member.ledger === ledger)?.node ?? 0;
  }

  isLive(incarnation: number): boolean {
    return this.#members.some((member) => member.incarnation === incarnation && isLive(member));
  }

  /** Nodes with a live lease but this one, also those that are starting. */
  others(): NodeNumber[] {
    return this.#members
      .filter((member) => isLive(member) && member.node !== this.#options.me.node)
      .map(({ node }) => node);
  }

  /** Other nodes that can be asked for a player. One that does not run may have it when it is back, until its journal is taken. */
  askable({ peerTable }: Store): { readonly nodes: readonly NodeNumber[]; readonly isSomebodyMissing: boolean } {
    const { me } = this.#options;
    const others = this.#members.filter(({ state, node }) => state !== 'fenced' && node !== me.node);
    const nodes = others.map(({ node }) => node).filter((node) => peerTable.state(node) === PEER_STATE.up);
    const isReplacing = this.#options.nowMs() - this.#lastFenceMs < FENCED_MS;
    return { nodes, isSomebodyMissing: isReplacing || nodes.length < others.length };
  }

  /** The node that stands for a ledger now: its own, or that of the last of its heirs. 0 when nobody does. */
  heirNodeOf(ledger: Ledger): NodeNumber {
    const member = this.#members.find((candidate) => candidate.ledger === ledger);
    if (member === undefined) return 0;
    const heir = member.state === 'fenced' ? this.#heirOf(member) : ledger;
    return this.#members.find((candidate) => candidate.ledger === heir)?.node ?? 0;
  }

  mayAct(): boolean {
    return !this.#isStopped && mayAct(this.#holder, this.#options.nowMs());
  }

  /** The position that the directory remembers, to notice a journal that came back older. */
  setPosition(position: number): void {
    this.#position = position;
  }

  /** To be called every few milliseconds. */
  time(nowMs: number): void {
    if (this.#isStopped) return;
    this.#obeyHolder({ kind: 'time', nowMs });
    this.#look(nowMs);
    this.#observe({ kind: 'time', nowMs });
  }

  /** A link went down: look at its process at once. */
  suspect(node: NodeNumber): void {
    this.#suspects.add(node);
    this.#look(this.#options.nowMs());
  }

  /** An import has become stable: its file needs no guard any more. */
  importStable(): void {
    this.#finish();
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopWatch();
    for (const lock of this.#locks.values()) lock.release();
    this.#locks.clear();
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#watches.clear();
  }

  #see(change: DirectoryChange): void {
    if (this.#isStopped) return;
    if (change.members !== undefined) {
      const wasFenced = new Set(this.#members.filter(isFenced).map(({ ledger }) => ledger));
      if (change.members.some((member) => isFenced(member) && !wasFenced.has(member.ledger)))
        this.#lastFenceMs = this.#options.nowMs();
      this.#members = change.members;
      this.#observe({
        kind: 'seen',
        leases: change.members.filter(isLive).map(leaseView),
        nowMs: this.#options.nowMs(),
      });
    }
    this.#options.events.changed(change);
    if (change.members !== undefined) this.#finish();
  }

  // The own lease.

  #obeyHolder(event: Parameters<typeof stepHolder>[1]): void {
    const effects: HolderEffect[] = [];
    const untilMs = this.#holder.untilMs;
    stepHolder(this.#holder, event, effects);
    const { events } = this.#options;
    if (this.#holder.untilMs !== untilMs) events.leaseUntil(this.#holder.untilMs);
    for (const effect of effects) {
      switch (effect.kind) {
        case 'renew':
          void this.#renew(effect.request);
          break;
        case 'pause':
          events.paused();
          break;
        case 'resume':
          events.resumed();
          break;
        case 'stop':
          events.leaseUntil(0);
          events.stopped(effect.reason);
          this.stop();
          break;
      }
    }
  }

  async #renew(request: number): Promise<void> {
    const { directory, me, nowMs } = this.#options;
    let answer: 'renewed' | 'fenced' | 'unreachable' = 'unreachable';
    try {
      const renewed = await directory.renew({ node: me.node, incarnation: me.incarnation, position: this.#position });
      answer = renewed === 'fenced' ? 'fenced' : 'renewed';
    } catch (error) {
      this.#options.events.note('warn', 'the lease could not be renewed', { error: String(error) });
    }
    if (!this.#isStopped) this.#obeyHolder({ kind: 'answered', request, answer, nowMs: nowMs() });
  }

  // The others' leases.

  #look(nowMs: number): void {
    const isDue = nowMs >= this.#lookDueMs;
    if (isDue) {
      this.#lookDueMs = nowMs + LOOK_MS;
      this.#finish();
    }
    for (const member of this.#members) {
      if (member.node === this.#options.me.node || !isLive(member)) continue;
      if (!isDue && !this.#suspects.has(member.node)) continue;
      this.#lookAt(member, nowMs);
    }
  }

  /** Fenced ledgers that fell to this node: those that it has to import, also where it died in the middle, and their files. */
  #finish(): void {
    const wanted = new Set(this.#options.ledgersToTake());
    for (const member of this.#members) {
      if (member.state !== 'fenced' || this.#fencing.has(member.node)) continue;
      if (wanted.has(member.ledger)) this.#import(member);
      else if (this.#heirOf(member) === this.#options.me.ledger) this.#mark(member);
      // Another was faster than we were with the lock in our hands; its heir and its own node need that now.
      else this.#letGo(member.ledger);
    }
  }

  #import(member: Member): void {
    if (this.#unreadable.has(member.ledger) || !this.#holds(member)) return;
    this.#takeOver(member);
  }

  /** What was imported stably, by this process or the one before it, is marked as taken. */
  #mark({ ledger, folder }: Member): void {
    if (this.#marked.has(ledger) || !this.#options.isImported(ledger) || !this.#holds({ ledger, folder })) return;
    this.#marked.add(ledger);
    if (!isTaken(folder, ledger)) takeFile(folder, { ledger, by: this.#options.me.ledger });
    this.#letGo(ledger);
  }

  /** True with its lock in our hands. */
  #holds({ ledger, folder }: Pick<Member, 'ledger' | 'folder'>): boolean {
    if (this.#locks.has(ledger)) return true;
    const lock = tryLock(folder);
    if (lock !== undefined) this.#locks.set(ledger, lock);
    return lock !== undefined;
  }

  /** The ledger that stands for a fenced one now. */
  #heirOf(fenced: Member): Ledger {
    let { successorLedger } = fenced;
    for (let hop = 0; hop < CHAIN_MAX; hop++) {
      const heir = this.#members.find(({ ledger, state }) => ledger === successorLedger && state === 'fenced');
      if (heir === undefined) return successorLedger;
      ({ successorLedger } = heir);
    }
    return successorLedger;
  }

  #lookAt(member: Member, nowMs: number): void {
    const { node, incarnation, folder } = member;
    if (this.#locks.has(member.ledger) || this.#fencing.has(node) || !this.#options.mayTakeOver()) return;
    if (this.#watchOf(member).isAlive()) {
      this.#deadSinceMs.delete(incarnation);
      this.#suspects.delete(node);
      return;
    }
    const sinceMs = this.#deadSinceMs.get(incarnation);
    if (sinceMs === undefined) {
      this.#deadSinceMs.set(incarnation, nowMs);
      this.#suspects.add(node);
      this.#options.events.note('warn', 'a neighbour has died', { node: member.name, incarnation });
      if (this.#waitMs(member) > 0) return;
    } else if (nowMs - sinceMs < this.#waitMs(member)) {
      return;
    }
    const lock = tryLock(folder);
    // Its supervisor, or another neighbour, was faster.
    if (lock === undefined) return;
    this.#locks.set(member.ledger, lock);
    this.#observe({ kind: 'died', node, incarnation, nowMs });
  }

  #watchOf({ folder }: Member): LockWatch {
    let watch = this.#watches.get(folder);
    if (watch === undefined) {
      watch = watchLock(folder);
      this.#watches.set(folder, watch);
    }
    return watch;
  }

  /** All agree on who takes the place of a node; the others wait a little longer, in case that one is gone, too. */
  #waitMs(member: Member): number {
    const { me, takeoverAfterMs } = this.#options;
    const candidates = this.active.filter(({ node }) => node !== member.node);
    const [first] = placeBlocks([member.node], candidates);
    return first === me.node ? takeoverAfterMs : takeoverAfterMs + SECOND_IN_LINE_MS;
  }

  #observe(event: ObserverEvent): void {
    const effects: ObserverEffect[] = [];
    stepObserver(this.#observer, event, effects);
    for (const effect of effects) void this.#fence(effect);
  }

  async #fence({ node, incarnation, seenVersion }: ObserverEffect): Promise<void> {
    const { directory, me, events, crashPoints } = this.#options;
    const member = this.#members.find((candidate) => candidate.node === node && candidate.incarnation === incarnation);
    if (member === undefined || this.#isStopped || this.#fencing.has(node) || !this.mayAct()) return;
    if (!this.#options.mayTakeOver()) return;
    // Fenced by us already, which the members do not show yet: a second attempt would fail, and let go of the lock.
    if (this.#fenced.has(member.ledger)) return;
    if (!this.#holdLock(member)) return;
    this.#fencing.add(node);
    try {
      crashPoints.pass('beforeFence');
      const isFenced = await directory.fence({ node, seenVersion, successor: me.node });
      crashPoints.pass('afterFence');
      // What follows, follows from the members that the directory shows then.
      if (isFenced) this.#fenced.add(member.ledger);
      else this.#letGo(member.ledger);
    } catch (error) {
      events.note('warn', 'a neighbour could not be fenced', { node: member.name, error: String(error) });
      this.#letGo(member.ledger);
    } finally {
      this.#fencing.delete(node);
    }
  }

  /** A process that hangs keeps its lock: it is ended first. */
  #holdLock(member: Member): boolean {
    if (this.#locks.has(member.ledger)) return true;
    const lock = tryLock(member.folder);
    if (lock !== undefined) {
      this.#locks.set(member.ledger, lock);
      return true;
    }
    const pid = lockHolder(member.folder)?.pid;
    if (pid === undefined || pid === process.pid || pid !== member.pid) return false;
    this.#options.events.note('warn', 'a neighbour hangs and is ended', { node: member.name, pid });
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      this.#options.events.note('error', 'a neighbour hangs and cannot be ended', { pid, error: String(error) });
    }
    // Its lock is free in a moment; the observer asks again.
    return false;
  }

  #takeOver(member: Member): void {
    const { events } = this.#options;
    try {
      const content = readJournal(member.folder);
      events.note('info', 'a neighbour is replaced', { node: member.name, entities: content.entities.length });
      events.takenOver(member, content);
    } catch (error) {
      const details = { node: member.name, error: String(error) };
      this.#unreadable.add(member.ledger);
      events.note(
        'error',
        'the journal of a dead neighbour cannot be read; repair it, then restart this node',
        details,
      );
    }
  }

  #letGo(ledger: Ledger): void {
    this.#locks.get(ledger)?.release();
    this.#locks.delete(ledger);
  }
}

function isLive({ state }: Member): boolean {
  return state === 'joining' || state === 'active' || state === 'draining';
}

function isFenced({ state }: Member): boolean {
  return state === 'fenced';
}

export function leaseView(member: Member): LeaseView {
  const { node, ledger, incarnation, version, successor, successorLedger, isProtected, buddy, state } = member;
  return {
    node,
    ledger,
    incarnation,
    version,
    state: state === 'fenced' ? 'fenced' : 'active',
    successor,
    successorLedger,
    isProtected,
    buddy,
  };
}
