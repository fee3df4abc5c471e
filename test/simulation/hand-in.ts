/**
 * A process that leaves for good, as peer/drain.ts does it: it stops, waits until what it has written is stable, closes its links, and fences
 * itself with a successor; then it ends. Until then it holds the lock of its ledger, so nobody reads the file before.
 */
import type { NodeNumber } from '../../src/peer/protocol.ts';
import type { Process } from './process.ts';

const LOOK_MS = 1;
const AGAIN_MS = 50;

export type HandInStep = 'stopped' | 'fenced';

export class HandIn {
  readonly #process: Process;
  readonly #successor: NodeNumber;
  readonly #crashAt: HandInStep | undefined;

  /** @param options.crashAt where the process is killed, for scripts. */
  constructor(process: Process, { successor, crashAt }: { successor: NodeNumber; crashAt?: HandInStep | undefined }) {
    this.#process = process;
    this.#successor = successor;
    this.#crashAt = crashAt;
  }

  begin(): void {
    const { world } = this.#process;
    world.note(this.#process.name, `leaves for good, for ${this.#successor}`);
    // The mutation: it is fenced at its own wish, and neither stops nor lets go.
    if (world.mutations.has('goesOnAfterHandIn')) return this.#fence();
    this.#process.stopForGood();
    this.#awaitStable();
  }

  #awaitStable(): void {
    const process = this.#process;
    if (!process.isAlive) return;
    if (!process.isAllStable) {
      process.world.queue.after(LOOK_MS, () => this.#awaitStable());
      return;
    }
    if (this.#crashAt === 'stopped') this.#crash();
    else this.#fence();
  }

  #fence(): void {
    const process = this.#process;
    const { directory, queue } = process.world;
    const { ledger, incarnation } = process.identity;
    directory.request(
      process.node,
      () => {
        const own = directory.leaseOf(ledger);
        const successorLedger = directory.activeAt(this.#successor)?.ledger;
        if (!process.isAlive || own === undefined || successorLedger === undefined) return false;
        if (own.state === 'fenced') return true;
        return directory.fence({
          ledger,
          incarnation,
          seenVersion: own.version,
          successor: this.#successor,
          successorLedger,
        });
      },
      (isFenced) => {
        if (!process.isAlive) return;
        // Refused, or its answer was lost: once more.
        if (isFenced !== true) queue.after(AGAIN_MS, () => this.#fence());
        else if (this.#crashAt === 'fenced') this.#crash();
        else if (!process.world.mutations.has('goesOnAfterHandIn'))
          process.machine.crash('handed in', { keptShare: 1, isSilent: false });
      },
    );
  }

  #crash(): void {
    this.#process.machine.crash('killed while it leaves', { keptShare: 0, isSilent: false });
  }
}
