/** What a process asks of the directory besides its own renewal: to fence the silent, and its own protection. */
import type { Observer, ObserverEffect, ObserverEvent } from '../../src/peer/lease.core.ts';
import { createObserver, stepObserver } from '../../src/peer/lease.core.ts';
import type { LeaseView, NodeNumber } from '../../src/peer/protocol.ts';
import type { Process } from './process.ts';

export class TakeoverWatch {
  leases: readonly LeaseView[] = [];
  readonly #process: Process;
  readonly #observer: Observer;
  #wantedBuddy: NodeNumber = 0;
  #isProtecting = false;

  constructor(process: Process) {
    this.#process = process;
    this.#observer = createObserver({ me: process.node, mutations: process.world.mutations });
  }

  observe(event: ObserverEvent): void {
    const effects: ObserverEffect[] = [];
    stepObserver(this.#observer, event, effects);
    for (const effect of effects) this.#fence(effect);
  }

  #fence({ node, incarnation, seenVersion }: ObserverEffect): void {
    const process = this.#process;
    const lease = this.leases.find((other) => other.node === node && other.incarnation === incarnation);
    if (lease === undefined || !process.machine.canTake(lease)) return;
    const { directory } = process.world;
    const { ledger } = lease;
    const successorLedger = process.identity.ledger;
    directory.request(
      process.node,
      () => directory.fence({ ledger, incarnation, seenVersion, successor: process.node, successorLedger }),
      () => {},
    );
  }

  isSuccessorOf(ledger: string): boolean {
    const mine = this.#process.identity.ledger;
    return this.leases.some((lease) => lease.ledger === ledger && lease.successorLedger === mine);
  }

  /** One request at a time, the last wish wins: a late one would undo a newer. 0 ends the protection. */
  protect(buddy: NodeNumber): void {
    this.#wantedBuddy = buddy;
    if (this.#isProtecting) return;
    this.#isProtecting = true;
    const process = this.#process;
    const { directory } = process.world;
    const { ledger, incarnation } = process.identity;
    directory.request(
      process.node,
      // What a lost machine had asked for is lost with it: else it would lose its protection after its death.
      () => process.machine.disk.ledger === ledger && directory.setProtection(ledger, incarnation, buddy),
      (isDone) =>
        process.whileRunning(() => {
          this.#isProtecting = false;
          if (isDone === undefined || this.#wantedBuddy !== buddy) this.protect(this.#wantedBuddy);
          else if (!isDone && buddy !== 0) process.tellCore({ kind: 'protectRefused' });
        }),
    );
  }
}
