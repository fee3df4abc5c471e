/**
 * What the conductor may know of other nodes, by NodeNumber 0 … 63, and the feature switches of handovers.
 *
 *   word 0  self              peer thread   conductor     the own NodeNumber, 0 before it is known
 *   word 1  handoverPercent   peer thread   conductor     1 + share of entities that may be handed over, 0 … 100; 0: never set, all
 *   word 2  closedVersion     peer thread   anybody       +1 with each change of `cellClosed`
 *   words 16 + 5 n            peer thread   conductor     state of node n: 0 unknown · 1 up · 2 down · 3 fenced · 4 breaker open
 *   words 17 + 5 n            both          both          credits of node n: entities that may be released to it now
 *   words 18 + 5 n            peer thread   gateway       1 + round trip of the link to node n in µs; 0: not measured, or no link
 *   words 19 + 5 n            peer thread   gateway       bytes that wait to be sent to node n
 *   words 20 + 5 n            peer thread   gateway       breaker of node n: 0 closed · 1 half open · 2 open
 *   then u8 per cell          peer thread   conductor     1: nothing is handed over into this cell
 *
 * Credits: the peer thread adds what the core grants, the conductor takes one for each release; both by Atomics.
 */
export const PEER_NODES = 64;
export const PEER_STATE = { unknown: 0, up: 1, down: 2, fenced: 3, breakerOpen: 4 } as const;
export type PeerState = (typeof PEER_STATE)[keyof typeof PEER_STATE];
/** Handovers to a node go on · one is tried · none is. */
export const BREAKER_STATE = { closed: 0, halfOpen: 1, open: 2 } as const;
export type BreakerState = keyof typeof BREAKER_STATE;

const SELF = 0;
const HANDOVER_PERCENT = 1;
const CLOSED_VERSION = 2;
const NODES = 16;
const NODE_WORDS = 5;
const CREDITS = 1;
const ROUND_TRIP = 2;
const QUEUE = 3;
const BREAKER = 4;
const WORD_MAX = 2 ** 31 - 1;
const TABLE_BYTES = (NODES + PEER_NODES * NODE_WORDS) * 4;

const BREAKER_NAMES = Object.keys(BREAKER_STATE) as readonly BreakerState[];

export class PeerTable {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #cellClosed: Uint8Array<SharedArrayBuffer>;

  static sizeBytes(cellCount: number): number {
    return TABLE_BYTES + cellCount;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, cellCount: number) {
    this.#words = new Int32Array(buffer, offsetBytes, TABLE_BYTES / 4);
    this.#cellClosed = new Uint8Array(buffer, offsetBytes + TABLE_BYTES, cellCount);
  }

  /** The own NodeNumber; 0 before it is known. */
  get self(): number {
    return Atomics.load(this.#words, SELF);
  }

  setSelf(node: number): void {
    Atomics.store(this.#words, SELF, node);
  }

  state(node: number): PeerState {
    return Atomics.load(this.#words, NODES + node * NODE_WORDS) as PeerState;
  }

  setState(node: number, state: PeerState): void {
    Atomics.store(this.#words, NODES + node * NODE_WORDS, state);
  }

  credits(node: number): number {
    return Atomics.load(this.#words, NODES + node * NODE_WORDS + CREDITS);
  }

  /** Negative amounts take back what was granted and not used: never below zero. Returns by how much there are more now. */
  addCredits(node: number, amount: number): number {
    const word = NODES + node * NODE_WORDS + CREDITS;
    for (;;) {
      const credits = Atomics.load(this.#words, word);
      const wanted = Math.max(0, credits + amount);
      if (Atomics.compareExchange(this.#words, word, credits, wanted) === credits) return wanted - credits;
    }
  }

  /** All there are from now on: the core says how many, not how many more. */
  setCredits(node: number, credits: number): void {
    Atomics.store(this.#words, NODES + node * NODE_WORDS + CREDITS, credits);
  }

  /** Conductor: takes one credit, if there is one. */
  takeCredit(node: number): boolean {
    const word = NODES + node * NODE_WORDS + CREDITS;
    for (;;) {
      const credits = Atomics.load(this.#words, word);
      if (credits <= 0) return false;
      if (Atomics.compareExchange(this.#words, word, credits, credits - 1) === credits) return true;
    }
  }

  /** Of the link, in microseconds; undefined before it is measured, and without a link. */
  roundTripMicros(node: number): number | undefined {
    const stored = Atomics.load(this.#words, NODES + node * NODE_WORDS + ROUND_TRIP);
    return stored === 0 ? undefined : stored - 1;
  }

  /** Bytes that wait to be sent to that node. */
  queueBytes(node: number): number {
    return Atomics.load(this.#words, NODES + node * NODE_WORDS + QUEUE);
  }

  /** Without a link: `undefined` and 0. */
  setLink(
    node: number,
    { roundTripMicros, queueBytes }: { roundTripMicros: number | undefined; queueBytes: number },
  ): void {
    const word = NODES + node * NODE_WORDS;
    const stored = roundTripMicros === undefined ? 0 : 1 + Math.round(Math.max(0, roundTripMicros));
    Atomics.store(this.#words, word + ROUND_TRIP, Math.min(WORD_MAX, stored));
    Atomics.store(this.#words, word + QUEUE, Math.min(WORD_MAX, queueBytes));
  }

  breaker(node: number): BreakerState {
    return BREAKER_NAMES[Atomics.load(this.#words, NODES + node * NODE_WORDS + BREAKER)] ?? 'closed';
  }

  setBreaker(node: number, breaker: BreakerState): void {
    Atomics.store(this.#words, NODES + node * NODE_WORDS + BREAKER, BREAKER_STATE[breaker]);
  }

  /** Share of entities that may be handed over, 0 … 100. */
  get handoverPercent(): number {
    const stored = Atomics.load(this.#words, HANDOVER_PERCENT);
    return stored === 0 ? 100 : stored - 1;
  }

  setHandoverPercent(percent: number): void {
    Atomics.store(this.#words, HANDOVER_PERCENT, 1 + percent);
  }

  isCellClosed(cell: number): boolean {
    return Atomics.load(this.#cellClosed, cell) === 1;
  }

  setCellClosed(cell: number, closed: boolean): void {
    Atomics.store(this.#cellClosed, cell, closed ? 1 : 0);
  }

  get closedVersion(): number {
    return Atomics.load(this.#words, CLOSED_VERSION);
  }

  /** After all changes of `setCellClosed` that belong together. */
  raiseClosedVersion(): void {
    Atomics.add(this.#words, CLOSED_VERSION, 1);
  }
}
