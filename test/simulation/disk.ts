/**
 * One journal on a disk: groups of batches are appended, become stable by group commits that take time, and a crash loses
 * a part of what is not stable. A group is one transaction: the checksum finds a torn one, and it is cut off whole.
 */
import type { Random } from '../../src/base/random.ts';
import type { JournalContent, JournalWrite, Ledger, PeerIdentity, PeerMessage } from '../../src/peer/protocol.ts';
import { fail } from './checkers.ts';
import type { EventQueue } from './event-queue.ts';
import { StableJournal } from './stable-journal.ts';

export interface Batch {
  readonly position: number;
  readonly writes: readonly JournalWrite[];
}

/** What can stand in a group: one transaction. */
export type DiskItem =
  | Batch
  /** What the journal contains after the batches before it is wanted. */
  | { readonly answer: (content: JournalContent) => void }
  /** Of a copy: which process of its ledger this comes from; with a content, that replaces everything. */
  | { readonly incarnation: number; readonly content?: JournalContent };

/** What a disk tells the process that has it open. */
export interface DiskListener {
  fsynced(position: number): void;
  /** The write or the fsync failed: the process ends. */
  failed(): void;
}

export interface DiskFaults {
  /** Group commits take between these. */
  minimumMs: number;
  maximumMs: number;
  isFull: boolean;
}

export class Disk {
  readonly ledger: Ledger;
  readonly stable: StableJournal;
  readonly faults: DiskFaults;
  /** Of a copy: the process that the last group came from. */
  copiedFrom = 0;
  /** Written and not stable, oldest first. */
  #tail: (readonly DiskItem[])[] = [];
  #isCommitting = false;
  /** Grows at each crash: a commit that began before it is void. */
  #life = 0;
  readonly #queue: EventQueue;
  readonly #random: Random;
  #listener: DiskListener | undefined;

  constructor(options: { ledger: Ledger; queue: EventQueue; random: Random; faults: DiskFaults }) {
    this.ledger = options.ledger;
    this.stable = new StableJournal(options.ledger);
    this.#queue = options.queue;
    this.#random = options.random;
    this.faults = options.faults;
  }

  open(listener: DiskListener): void {
    this.#listener = listener;
  }

  append(group: readonly DiskItem[]): void {
    this.#tail.push(group);
    if (!this.#isCommitting) this.#commit();
  }

  #commit(): void {
    this.#isCommitting = true;
    const { minimumMs, maximumMs } = this.faults;
    const count = this.#tail.length;
    const life = this.#life;
    this.#queue.after(this.#random.between(minimumMs, maximumMs), () => {
      if (life !== this.#life) return;
      this.#isCommitting = false;
      if (this.faults.isFull) {
        this.#listener?.failed();
        return;
      }
      for (const entry of this.#tail.splice(0, count)) this.#apply(entry);
      if (this.#tail.length > 0) this.#commit();
      this.#listener?.fsynced(this.stable.position);
    });
  }

  #apply(group: readonly DiskItem[]): void {
    for (const item of group) {
      if ('answer' in item) {
        const content = this.stable.content();
        this.#queue.after(0, () => item.answer(content));
      } else if ('position' in item) this.stable.apply(item.position, item.writes);
      else {
        this.copiedFrom = item.incarnation;
        if (item.content !== undefined) this.stable.reset(item.content);
      }
    }
  }

  /** The process is gone. @param keptShare of the unsynced groups, oldest first, that survive. */
  crash(keptShare: number): void {
    this.#life++;
    this.#isCommitting = false;
    this.#listener = undefined;
    const kept = Math.floor(this.#tail.length * keptShare);
    for (const entry of this.#tail.slice(0, kept)) this.#apply(entry);
    this.#tail = [];
  }
}

export function copyBatches(from: number, batches: readonly (readonly JournalWrite[])[]): Batch[] {
  return batches.map((writes, index): Batch => ({ position: from + index, writes }));
}

/** R0. A CANCEL too early does harm only where frames outlive their sessions, which the network does not allow. */
export function checkNamed(
  disk: Disk,
  { name, to, cancel }: { name: string; to: PeerIdentity; cancel: Extract<PeerMessage, { kind: 'cancel' }> },
): void {
  const last = disk.stable.lastTransfer(cancel.ledger, to.ledger);
  const early = cancel.transferSeqs.find((transferSeq) => transferSeq > last);
  if (early !== undefined) fail('C2', `${name} names transfer ${early} before its record is stable (R0)`);
}
