/**
 * The directory: leases by ledger, owners of cells with epochs. Each request is one atomic transaction at some moment between
 * asking and answering; whoever cannot reach it hears so, and does not know whether the transaction took place.
 */
import type { Random } from '../../src/base/random.ts';
import type { LeaseView, Ledger, NodeNumber } from '../../src/peer/protocol.ts';
import type { EventQueue } from './event-queue.ts';

export type Lease = { -readonly [Key in keyof LeaseView]: LeaseView[Key] };

export interface DirectoryFaults {
  minimumMs: number;
  maximumMs: number;
  /** Nobody reaches it until then. */
  downUntilMs: number;
  /** Chance that an answer is lost though the transaction took place. */
  lostAnswerChance: number;
}

const NO_ANSWER_MS = 300;

export class Directory {
  readonly faults: DirectoryFaults = { minimumMs: 0.3, maximumMs: 3, downUntilMs: 0, lostAnswerChance: 0 };
  onFault: (kind: string) => void = () => {};
  /** Told after each change. */
  onChange: () => void = () => {};
  onFenced: (lease: Lease) => void = () => {};
  readonly leases: Lease[] = [];
  readonly cellOwners: NodeNumber[];
  readonly cellEpochs: number[];
  /** Node by node: cut off until then. */
  readonly #cutUntilMs: number[] = [];
  #incarnation = 0;
  readonly #queue: EventQueue;
  readonly #random: Random;

  constructor(options: { queue: EventQueue; random: Random; cells: number; nodes: number }) {
    this.#queue = options.queue;
    this.#random = options.random;
    this.cellOwners = Array.from({ length: options.cells }, (_, cell) => 1 + (cell % options.nodes));
    this.cellEpochs = Array.from({ length: options.cells }, () => 1);
    this.#cutUntilMs = Array.from({ length: options.nodes + 1 }, () => 0);
  }

  cut(node: NodeNumber, forMs: number): void {
    this.#cutUntilMs[node] = this.#queue.nowMs + forMs;
  }

  heal(): void {
    this.faults.downUntilMs = 0;
    this.faults.lostAnswerChance = 0;
    this.#cutUntilMs.fill(0);
  }

  isReachable(node: NodeNumber): boolean {
    const { nowMs } = this.#queue;
    return nowMs >= this.faults.downUntilMs && nowMs >= this.#cutUntilMs[node]!;
  }

  /** Runs `transaction` at the directory and brings its result back; undefined when there was no answer. */
  request<Result>(node: NodeNumber, transaction: () => Result, answer: (result: Result | undefined) => void): void {
    if (!this.isReachable(node)) {
      this.#queue.after(NO_ANSWER_MS, () => answer(undefined));
      return;
    }
    this.#queue.after(this.#delay(), () => {
      if (!this.isReachable(node)) {
        this.#queue.after(NO_ANSWER_MS, () => answer(undefined));
        return;
      }
      const result = transaction();
      const { lostAnswerChance } = this.faults;
      const isLost = lostAnswerChance > 0 && this.#random.next() < lostAnswerChance;
      if (isLost) this.onFault('lost answer of the directory');
      this.#queue.after(isLost ? NO_ANSWER_MS : this.#delay(), () => answer(isLost ? undefined : result));
    });
  }

  #delay(): number {
    return this.#random.between(this.faults.minimumMs, this.faults.maximumMs);
  }

  /** The lease that a node number has now, active or fenced. */
  leaseOf(ledger: Ledger): Lease | undefined {
    return this.leases.find((lease) => lease.ledger === ledger);
  }

  activeAt(node: NodeNumber): Lease | undefined {
    return this.leases.find((lease) => lease.node === node && lease.state === 'active');
  }

  view(): LeaseView[] {
    return this.leases.map((lease) => ({ ...lease }));
  }

  /** A process starts. Occupied: another ledger has this number, and is not fenced yet. */
  join(node: NodeNumber, ledger: Ledger): number | 'fenced' | 'occupied' {
    let lease = this.leaseOf(ledger);
    if (lease?.state === 'fenced') return 'fenced';
    const active = this.activeAt(node);
    if (active !== undefined && active !== lease) return 'occupied';
    const incarnation = ++this.#incarnation;
    if (lease === undefined) {
      const none = { successor: 0, successorLedger: '', isProtected: false, buddy: 0 };
      lease = { node, ledger, incarnation, version: 0, state: 'active', ...none };
      this.leases.push(lease);
    }
    lease.incarnation = incarnation;
    this.#changed(lease);
    return incarnation;
  }

  renew(ledger: Ledger, incarnation: number): 'renewed' | 'fenced' {
    const lease = this.leaseOf(ledger);
    if (lease === undefined || lease.state === 'fenced' || lease.incarnation !== incarnation) return 'fenced';
    this.#changed(lease);
    return 'renewed';
  }

  /** @param seenVersion 0 compares nothing. */
  fence(options: {
    ledger: Ledger;
    incarnation: number;
    seenVersion: number;
    successor: NodeNumber;
    successorLedger: Ledger;
  }): boolean {
    const lease = this.leaseOf(options.ledger);
    const successor = this.leaseOf(options.successorLedger);
    if (lease === undefined || lease.state === 'fenced' || successor?.state !== 'active') return false;
    const isSeen = lease.incarnation === options.incarnation && lease.version === options.seenVersion;
    if (!isSeen && options.seenVersion !== 0) return false;
    lease.state = 'fenced';
    lease.successor = options.successor;
    lease.successorLedger = options.successorLedger;
    for (const [cell, owner] of this.cellOwners.entries()) {
      if (owner === lease.node) this.moveCell(cell, options.successor);
    }
    this.onFenced(lease);
    this.#changed(lease);
    return true;
  }

  /** Protection is a fact here, and changed only by the incarnation it is about. */
  setProtection(ledger: Ledger, incarnation: number, buddy: NodeNumber): boolean {
    const lease = this.leaseOf(ledger);
    if (lease === undefined || lease.state === 'fenced' || lease.incarnation !== incarnation) return false;
    lease.isProtected = buddy !== 0;
    lease.buddy = buddy;
    this.#changed(lease);
    return true;
  }

  moveCell(cell: number, to: NodeNumber): void {
    this.cellOwners[cell] = to;
    this.cellEpochs[cell]!++;
    this.onChange();
  }

  #changed(lease: Lease): void {
    lease.version++;
    this.onChange();
  }
}
