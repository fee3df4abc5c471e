/**
 * What the conductor may know of other nodes, by NodeNumber 0 … 63, and the feature switches of handovers.
 *
 *   word 0  self              peer thread   conductor     the own NodeNumber, 0 before it is known
 *   word 1  handoverPercent   peer thread   conductor     1 + share of entities that may be handed over, 0 … 100; 0: never set, all
 *   word 2  closedVersion     peer thread   anybody       +1 with each change of `cellClosed`
 *   words 16 + 2 n            peer thread   conductor     state of node n: 0 unknown · 1 up · 2 down · 3 fenced · 4 breaker open
 *   words 17 + 2 n            both          both          credits of node n: entities that may be released to it now
 *   then u8 per cell          peer thread   conductor     1: nothing is handed over into this cell
 *
 * Credits: the peer thread adds what the core grants, the conductor takes one for each release; both by Atomics.
 */
export const PEER_NODES = 64;
export const PEER_STATE = { unknown: 0, up: 1, down: 2, fenced: 3, breakerOpen: 4 } as const;
export type PeerState = (typeof PEER_STATE)[keyof typeof PEER_STATE];

const SELF = 0;
const HANDOVER_PERCENT = 1;
const CLOSED_VERSION = 2;
const NODES = 16;
const NODE_WORDS = 2;
const TABLE_BYTES = (NODES + PEER_NODES * NODE_WORDS) * 4;

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
    return Atomics.load(this.#words, NODES + node * NODE_WORDS + 1);
  }

  /** Negative amounts take back what was granted and not used: never below zero. Returns by how much there are more now. */
  addCredits(node: number, amount: number): number {
    const word = NODES + node * NODE_WORDS + 1;
    for (;;) {
      const credits = Atomics.load(this.#words, word);
      const wanted = Math.max(0, credits + amount);
      if (Atomics.compareExchange(this.#words, word, credits, wanted) === credits) return wanted - credits;
    }
  }

  /** All there are from now on: the core says how many, not how many more. */
  setCredits(node: number, credits: number): void {
    Atomics.store(this.#words, NODES + node * NODE_WORDS + 1, credits);
  }

  /** Conductor: takes one credit, if there is one. */
  takeCredit(node: number): boolean {
    const word = NODES + node * NODE_WORDS + 1;
    for (;;) {
      const credits = Atomics.load(this.#words, word);
      if (credits <= 0) return false;
      if (Atomics.compareExchange(this.#words, word, credits, credits - 1) === credits) return true;
    }
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
