/**
 * Leases: for how long a node may act, and when another may end that.
 *
 *   holder    every renewMs ──renew──▶ directory ──answered──▶ may act until sent + leaseMs
 *             no answer in time: paused; answered again: resumed with the same incarnation; fenced: stopped for ever
 *   observer  version changed: seen now. Unchanged for fenceMs ──fence IF version == seen──▶ directory
 *
 * Invariant: a holder counts from when it *sent* the renewal, an observer from when it *saw* the change, which is later than
 * the directory's commit, which is later than the sending. So fenceMs > leaseMs, by more than the drift of two clocks over
 * leaseMs, is enough: nobody compares two clocks. The directory compares the version, so that an observer that slept, or
 * reads an old copy, fences nobody who has renewed since.
 *
 * The directory grants a renewal iff the lease is active and of this incarnation, and every change of a lease raises its version.
 */
import type { LeaseView, Mutation, NodeNumber } from './protocol.ts';
import { NO_MUTATIONS } from './protocol.ts';
import { assert } from '../base/assert.ts';

export interface LeaseTimes {
  readonly renewMs: number;
  readonly leaseMs: number;
  /** At least leaseMs · 1.1. */
  readonly fenceMs: number;
}

export const LEASE_TIMES_DEFAULT: LeaseTimes = { renewMs: 250, leaseMs: 1000, fenceMs: 1100 };
/** Renewals without an answer that are remembered; an answer to an older one is as good as none. */
export const RENEWALS_PENDING_MAX = 16;

export interface Holder {
  readonly times: LeaseTimes;
  readonly mutations: ReadonlySet<Mutation>;
  /** Monotonic: before it, the node may act. */
  untilMs: number;
  state: 'acting' | 'paused' | 'fenced';
  nextRenewalMs: number;
  lastRequest: number;
  /** By request, when it was sent. */
  readonly pending: Map<number, number>;
}

export type HolderEvent =
  | { readonly kind: 'time'; readonly nowMs: number }
  | {
      readonly kind: 'answered';
      readonly request: number;
      readonly answer: 'renewed' | 'fenced' | 'unreachable';
      readonly nowMs: number;
    };

export type HolderEffect =
  /** Ask the directory to renew, and bring its answer as `answered` with this number. */
  | { readonly kind: 'renew'; readonly request: number }
  /** The lease ended without an answer: nothing may act or be sent until `resume`. */
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** Fenced: this process ends. */
  | { readonly kind: 'stop'; readonly reason: string };

/** `sentMs`: when the request was sent that the directory answered with this incarnation. */
export function createHolder(options: {
  readonly sentMs: number;
  readonly times?: LeaseTimes;
  readonly mutations?: ReadonlySet<Mutation>;
}): Holder {
  const times = options.times ?? LEASE_TIMES_DEFAULT;
  assert(times.renewMs > 0 && times.renewMs < times.leaseMs, 'a lease is renewed before it ends');
  assert(times.fenceMs >= times.leaseMs * 1.1, 'an observer waits for 1.1 leases at least');
  return {
    times,
    mutations: options.mutations ?? NO_MUTATIONS,
    untilMs: options.sentMs + times.leaseMs,
    state: 'acting',
    nextRenewalMs: options.sentMs + times.renewMs,
    lastRequest: 0,
    pending: new Map(),
  };
}

/** Asked before every tick and before every frame leaves. */
export function mayAct(holder: Holder, nowMs: number): boolean {
  return holder.state !== 'fenced' && nowMs < holder.untilMs;
}

export function stepHolder(holder: Holder, event: HolderEvent, effects: HolderEffect[]): void {
  if (holder.state === 'fenced') return;
  switch (event.kind) {
    case 'time':
      if (event.nowMs >= holder.nextRenewalMs) renew(holder, event.nowMs, effects);
      settle(holder, event.nowMs, effects);
      return;
    case 'answered':
      answered(holder, event, effects);
      return;
  }
}

function answered(holder: Holder, event: Extract<HolderEvent, { kind: 'answered' }>, effects: HolderEffect[]): void {
  const sentMs = holder.pending.get(event.request);
  holder.pending.delete(event.request);
  if (event.answer === 'fenced') {
    holder.state = 'fenced';
    holder.pending.clear();
    effects.push({ kind: 'stop', reason: 'another node was given what this one owned' });
    return;
  }
  // Unreachable: the next renewal is due by time. Forgotten: so late that it would grant nothing.
  if (event.answer === 'unreachable' || sentMs === undefined) return;
  const fromMs = holder.mutations.has('leaseFromReceipt') ? event.nowMs : sentMs;
  holder.untilMs = Math.max(holder.untilMs, fromMs + holder.times.leaseMs);
  settle(holder, event.nowMs, effects);
}

function renew(holder: Holder, nowMs: number, effects: HolderEffect[]): void {
  holder.lastRequest += 1;
  holder.nextRenewalMs = nowMs + holder.times.renewMs;
  holder.pending.set(holder.lastRequest, nowMs);
  holder.pending.delete(holder.lastRequest - RENEWALS_PENDING_MAX);
  effects.push({ kind: 'renew', request: holder.lastRequest });
}

function settle(holder: Holder, nowMs: number, effects: HolderEffect[]): void {
  const state = nowMs < holder.untilMs ? 'acting' : 'paused';
  if (state === holder.state) return;
  holder.state = state;
  effects.push({ kind: state === 'acting' ? 'resume' : 'pause' });
}

/** What one node has seen of one other's lease. */
interface Sighting {
  incarnation: number;
  version: number;
  seenMs: number;
  /** Not before: the last attempt, by this node, was refused or is on its way. */
  retryMs: number;
  /** Its process is known to be dead: this node holds the lock on its ledger. */
  isDead: boolean;
}

export interface Observer {
  readonly me: NodeNumber;
  readonly times: LeaseTimes;
  readonly mutations: ReadonlySet<Mutation>;
  readonly sightings: Map<NodeNumber, Sighting>;
}

export type ObserverEvent =
  /** All leases, as just read. */
  | { readonly kind: 'seen'; readonly leases: readonly LeaseView[]; readonly nowMs: number }
  /** The lock on the ledger of this process is in our hands: nothing of it runs any more. */
  | { readonly kind: 'died'; readonly node: NodeNumber; readonly incarnation: number; readonly nowMs: number }
  /** Its link went down: proves nothing. */
  | { readonly kind: 'suspected'; readonly node: NodeNumber; readonly nowMs: number }
  | { readonly kind: 'time'; readonly nowMs: number };

export type ObserverEffect =
  /** Fence by compare-and-swap on the version; 0 compares nothing. The caller knows whether it can be the successor. */
  { readonly kind: 'fence'; readonly node: NodeNumber; readonly incarnation: number; readonly seenVersion: number };

export function createObserver(options: {
  readonly me: NodeNumber;
  readonly times?: LeaseTimes;
  readonly mutations?: ReadonlySet<Mutation>;
}): Observer {
  const times = options.times ?? LEASE_TIMES_DEFAULT;
  assert(times.fenceMs >= times.leaseMs * 1.1, 'an observer waits for 1.1 leases at least');
  return { me: options.me, times, mutations: options.mutations ?? NO_MUTATIONS, sightings: new Map() };
}

export function stepObserver(observer: Observer, event: ObserverEvent, effects: ObserverEffect[]): void {
  switch (event.kind) {
    case 'seen':
      for (const lease of event.leases) see(observer, lease, event.nowMs);
      break;
    case 'died': {
      const sighting = observer.sightings.get(event.node);
      // A newer incarnation runs under that name: the death of an older one says nothing about it.
      if (sighting?.incarnation === event.incarnation) sighting.isDead = true;
      break;
    }
    case 'suspected': {
      const sighting = observer.sightings.get(event.node);
      if (sighting && observer.mutations.has('takeoverBeforeLeaseEnd')) sighting.isDead = true;
      break;
    }
    case 'time':
      break;
  }
  fenceSilent(observer, event.nowMs, effects);
}

/** How long ago this node saw a change of that lease, in milliseconds. */
export function silentMs(observer: Observer, node: NodeNumber, nowMs: number): number {
  const sighting = observer.sightings.get(node);
  return sighting ? nowMs - sighting.seenMs : 0;
}

function see(observer: Observer, lease: LeaseView, nowMs: number): void {
  if (lease.node === observer.me) return;
  const sighting = observer.sightings.get(lease.node);
  if (lease.state === 'fenced') {
    // The node may be back with a new ledger: the end of its old one says nothing about that.
    if (sighting !== undefined && sighting.incarnation <= lease.incarnation) observer.sightings.delete(lease.node);
    return;
  }
  if (sighting === undefined || sighting.incarnation < lease.incarnation) {
    const { incarnation, version } = lease;
    observer.sightings.set(lease.node, { incarnation, version, seenMs: nowMs, retryMs: 0, isDead: false });
    return;
  }
  // Reads may overtake each other: an older version, or incarnation, is no news.
  if (sighting.incarnation > lease.incarnation || sighting.version >= lease.version) return;
  sighting.version = lease.version;
  sighting.seenMs = nowMs;
}

function fenceSilent(observer: Observer, nowMs: number, effects: ObserverEffect[]): void {
  const { times, mutations } = observer;
  const waitMs = mutations.has('observerTooEarly') ? times.leaseMs / 2 : times.fenceMs;
  for (const [node, sighting] of observer.sightings) {
    if (nowMs < sighting.retryMs) continue;
    if (!sighting.isDead && nowMs - sighting.seenMs < waitMs) continue;
    sighting.retryMs = nowMs + times.renewMs;
    const seenVersion = mutations.has('fenceWithoutVersion') ? 0 : sighting.version;
    effects.push({ kind: 'fence', node, incarnation: sighting.incarnation, seenVersion });
  }
}
