/**
 * The network between processes: per pair of nodes at most one session, like TCP. Frames of a session arrive in order or
 * not at all; loss delays them, and in the end resets the session. Each end notices a reset in its own time. A session
 * belongs to a pair of incarnations: what arrives of another is dropped, unless that rule is removed.
 */
import type { Random } from '../../src/base/random.ts';
import type { Mutation, NodeNumber, PeerIdentity } from '../../src/peer/protocol.ts';
import type { EventQueue } from './event-queue.ts';

/** Silence after which an end takes its link for dead. */
export const LINK_DEAD_MS = 300;

/** One process, as the network sees it. */
export interface Endpoint<Frame> {
  readonly identity: PeerIdentity;
  readonly isAlive: boolean;
  readonly isPaused: boolean;
  /** Paused by its lease: it neither dials nor answers. */
  readonly mayConnect: boolean;
  knowsFenced(incarnation: number): boolean;
  receive(from: PeerIdentity, frame: Frame): void;
  linkUp(peer: PeerIdentity): void;
  linkDown(peer: PeerIdentity): void;
}

interface End<Frame> {
  readonly endpoint: Endpoint<Frame>;
  isOpen: boolean;
  /** When the last frame towards this end arrives: none overtakes it. */
  arrivalMs: number;
}

interface Session<Frame> {
  readonly low: End<Frame>;
  readonly high: End<Frame>;
}

interface Pair<Frame> {
  readonly low: NodeNumber;
  readonly high: NodeNumber;
  session: Session<Frame> | undefined;
  /** Cut until then, by the direction towards the low and towards the high node. */
  cutToLowMs: number;
  cutToHighMs: number;
  isDialing: boolean;
}

export interface NetworkFaults {
  minimumMs: number;
  maximumMs: number;
  /** Chance per frame to be late by up to `spikeMs`, and with it all behind it. */
  spikeChance: number;
  spikeMs: number;
  resetChance: number;
  /** Chance per frame to come a second time, later in the same session. */
  repeatChance: number;
}

export class Network<Frame> {
  readonly faults: NetworkFaults = {
    minimumMs: 0.1,
    maximumMs: 1,
    spikeChance: 0,
    spikeMs: 0,
    resetChance: 0,
    repeatChance: 0,
  };
  onFault: (kind: string) => void = () => {};
  /** What must come exactly once on a link says so here. */
  mayRepeat: (frame: Frame) => boolean = () => true;
  framesSent = 0;
  framesDropped = 0;
  readonly #pairs: Pair<Frame>[] = [];
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #mutations: ReadonlySet<Mutation>;
  readonly #processAt: (node: NodeNumber) => Endpoint<Frame> | undefined;

  constructor(options: {
    queue: EventQueue;
    random: Random;
    mutations: ReadonlySet<Mutation>;
    nodes: number;
    processAt: (node: NodeNumber) => Endpoint<Frame> | undefined;
  }) {
    this.#queue = options.queue;
    this.#random = options.random;
    this.#mutations = options.mutations;
    this.#processAt = options.processAt;
    for (let high = 2; high <= options.nodes; high++) {
      for (let low = 1; low < high; low++) {
        this.#pairs.push({ low, high, session: undefined, cutToLowMs: 0, cutToHighMs: 0, isDialing: false });
      }
    }
  }

  /** A process has started or may connect again. */
  dial(node: NodeNumber): void {
    for (const pair of this.#pairs) if (pair.low === node || pair.high === node) this.#dialSoon(pair);
  }

  isUp(from: PeerIdentity, to: NodeNumber): boolean {
    const pair = this.#pair(from.node, to);
    const session = pair?.session;
    if (pair === undefined || session === undefined) return false;
    const end = from.node === pair.low ? session.low : session.high;
    return end.isOpen && end.endpoint.identity.incarnation === from.incarnation;
  }

  /** @returns false when there is no link to that incarnation: the frame is gone. */
  send(from: Endpoint<Frame>, to: { node: NodeNumber; incarnation?: number }, frame: Frame): boolean {
    const pair = this.#pair(from.identity.node, to.node);
    const session = pair?.session;
    if (pair === undefined || session === undefined) return false;
    const isLow = from.identity.node === pair.low;
    const near = isLow ? session.low : session.high;
    const far = isLow ? session.high : session.low;
    if (!near.isOpen || near.endpoint !== from) return false;
    if (to.incarnation !== undefined && far.endpoint.identity.incarnation !== to.incarnation) {
      if (!this.#mutations.has('unboundMessages')) return false;
    }
    this.framesSent++;
    const cutMs = isLow ? pair.cutToHighMs : pair.cutToLowMs;
    far.arrivalMs = Math.max(far.arrivalMs, Math.max(cutMs, this.#queue.nowMs) + this.#delay());
    this.#queue.at(far.arrivalMs, () => this.#arrive(pair, session, far, from.identity, frame));
    if (this.faults.repeatChance > 0 && this.mayRepeat(frame) && this.#random.next() < this.faults.repeatChance) {
      this.onFault('repeated frame');
      const laterMs = far.arrivalMs + this.#random.next() ** 2 * 1000;
      this.#queue.at(laterMs, () => {
        if (pair.session === session && far.isOpen) this.#arrive(pair, session, far, from.identity, frame);
      });
    }
    if (this.faults.resetChance > 0 && this.#random.next() < this.faults.resetChance) {
      this.onFault('session reset');
      this.reset(pair.low, pair.high);
    }
    return true;
  }

  #delay(): number {
    const { minimumMs, maximumMs, spikeChance, spikeMs } = this.faults;
    let delayMs = this.#random.between(minimumMs, maximumMs);
    if (spikeChance > 0 && this.#random.next() < spikeChance) {
      this.onFault('delay');
      delayMs += this.#random.next() ** 3 * spikeMs;
    }
    return delayMs;
  }

  #arrive(pair: Pair<Frame>, session: Session<Frame>, far: End<Frame>, from: PeerIdentity, frame: Frame): void {
    const isBound = far.isOpen && far.endpoint.isAlive && (pair.session === session || pair.session === undefined);
    let target: Endpoint<Frame> | undefined = far.endpoint;
    if (!isBound) {
      if (this.#mutations.has('unboundMessages')) target = this.#processAt(far.endpoint.identity.node);
      else target = undefined;
      this.onFault('late frame');
    }
    if (!target?.isAlive) {
      this.framesDropped++;
      return;
    }
    target.receive(from, frame);
  }

  /** Ends the session of two nodes; each end hears of it soon. */
  reset(first: NodeNumber, second: NodeNumber): void {
    const pair = this.#pair(first, second);
    if (pair?.session === undefined) return;
    const { session } = pair;
    this.#closeLater(pair, session, session.low, this.#random.between(0, 5));
    this.#closeLater(pair, session, session.high, this.#random.between(0, 5));
  }

  /** One end closes at once, the other hears of it by the network. */
  closeAt(endpoint: Endpoint<Frame>, other: NodeNumber): void {
    const pair = this.#pair(endpoint.identity.node, other);
    const session = pair?.session;
    if (pair === undefined || session === undefined) return;
    const near = endpoint.identity.node === pair.low ? session.low : session.high;
    if (near.endpoint !== endpoint) return;
    this.#close(pair, session, near);
  }

  closeAll(endpoint: Endpoint<Frame>): void {
    for (const pair of this.#pairs) {
      if (pair.low === endpoint.identity.node) this.closeAt(endpoint, pair.high);
      if (pair.high === endpoint.identity.node) this.closeAt(endpoint, pair.low);
    }
  }

  /**
   * A process has ended. What it had sent still arrives; the end of the session comes behind it, or after the silence of
   * a dead machine.
   */
  died(endpoint: Endpoint<Frame>, isSilent: boolean): void {
    for (const pair of this.#pairs) {
      const { session } = pair;
      if (session === undefined) continue;
      for (const [near, far] of [
        [session.low, session.high],
        [session.high, session.low],
      ] as const) {
        if (near.endpoint !== endpoint) continue;
        near.isOpen = false;
        const waitMs = isSilent ? LINK_DEAD_MS : this.#delay();
        this.#closeLater(pair, session, far, Math.max(far.arrivalMs - this.#queue.nowMs, 0) + waitMs);
      }
    }
  }

  /** A process says nothing for a while: the others take their links for dead. */
  silent(endpoint: Endpoint<Frame>): void {
    for (const pair of this.#pairs) {
      const { session } = pair;
      if (session?.low.endpoint === endpoint) this.#closeLater(pair, session, session.high, LINK_DEAD_MS);
      if (session?.high.endpoint === endpoint) this.#closeLater(pair, session, session.low, LINK_DEAD_MS);
    }
  }

  /** Nothing passes from `source` to `target` for that long. */
  cut(source: NodeNumber, target: NodeNumber, forMs: number): void {
    const pair = this.#pair(source, target);
    if (pair === undefined) return;
    const untilMs = this.#queue.nowMs + forMs;
    if (target === pair.high) pair.cutToHighMs = Math.max(pair.cutToHighMs, untilMs);
    else pair.cutToLowMs = Math.max(pair.cutToLowMs, untilMs);
    const { session } = pair;
    if (session === undefined || forMs <= LINK_DEAD_MS) return;
    this.#closeLater(pair, session, target === pair.high ? session.high : session.low, LINK_DEAD_MS);
  }

  healAll(): void {
    for (const pair of this.#pairs) {
      pair.cutToHighMs = 0;
      pair.cutToLowMs = 0;
      if (pair.session === undefined) this.#dialSoon(pair);
    }
  }

  #closeLater(pair: Pair<Frame>, session: Session<Frame>, end: End<Frame>, delayMs: number): void {
    this.#queue.after(delayMs, () => this.#close(pair, session, end));
  }

  #close(pair: Pair<Frame>, session: Session<Frame>, end: End<Frame>): void {
    if (!end.isOpen) return;
    end.isOpen = false;
    const other = end === session.low ? session.high : session.low;
    if (end.endpoint.isAlive) end.endpoint.linkDown(other.endpoint.identity);
    if (other.isOpen) {
      const cutMs = end === session.low ? pair.cutToHighMs : pair.cutToLowMs;
      const waitMs = Math.max(cutMs - this.#queue.nowMs, 0) + this.#delay();
      this.#closeLater(pair, session, other, Math.min(waitMs, LINK_DEAD_MS));
      return;
    }
    if (pair.session === session) {
      pair.session = undefined;
      this.#dialSoon(pair);
    }
  }

  #dialSoon(pair: Pair<Frame>): void {
    if (pair.isDialing) return;
    pair.isDialing = true;
    this.#queue.after(this.#random.between(2, 40), () => {
      pair.isDialing = false;
      this.#connect(pair);
    });
  }

  #connect(pair: Pair<Frame>): void {
    const { nowMs } = this.#queue;
    const low = this.#processAt(pair.low);
    const high = this.#processAt(pair.high);
    const old = pair.session;
    if (old !== undefined) {
      // The end of a process that has died since is noticed in its own time; until then there is no room for another.
      if (old.low.isOpen || old.high.isOpen) return;
      pair.session = undefined;
    }
    // Who starts, or may connect again, dials: nobody needs to try in vain.
    if (!low?.isAlive || !high?.isAlive || low.isPaused || high.isPaused) return;
    if (!low.mayConnect || !high.mayConnect) return;
    if (nowMs < pair.cutToLowMs || nowMs < pair.cutToHighMs) {
      this.#queue.at(Math.max(pair.cutToLowMs, pair.cutToHighMs), () => this.#dialSoon(pair));
      return;
    }
    if (low.knowsFenced(high.identity.incarnation) || high.knowsFenced(low.identity.incarnation)) return;
    const lowUpMs = nowMs + this.#random.between(0.1, 2);
    const highUpMs = nowMs + this.#random.between(0.1, 2);
    const floorMs = Math.max(lowUpMs, highUpMs);
    const session: Session<Frame> = {
      low: { endpoint: low, isOpen: true, arrivalMs: floorMs },
      high: { endpoint: high, isOpen: true, arrivalMs: floorMs },
    };
    pair.session = session;
    this.#queue.at(lowUpMs, () => {
      if (session.low.isOpen && low.isAlive) low.linkUp(high.identity);
    });
    this.#queue.at(highUpMs, () => {
      if (session.high.isOpen && high.isAlive) high.linkUp(low.identity);
    });
  }

  #pair(first: NodeNumber, second: NodeNumber): Pair<Frame> | undefined {
    const low = Math.min(first, second);
    const high = Math.max(first, second);
    // Row by row: all lows of 2, then of 3, …
    return this.#pairs[((high - 1) * (high - 2)) / 2 + low - 1];
  }
}
