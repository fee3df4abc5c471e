/** Holds the lease of one simulated process: renews it, and says for how long it may act. */
import type { Holder, HolderEffect, HolderEvent } from '../../src/peer/lease.core.ts';
import { createHolder, mayAct, stepHolder } from '../../src/peer/lease.core.ts';
import type { Process } from './process.ts';

export class LeaseKeeper {
  readonly #process: Process;
  readonly #holder: Holder;

  constructor(process: Process, sentMs: number) {
    this.#process = process;
    this.#holder = createHolder({ sentMs, mutations: process.world.mutations });
  }

  mayAct(nowMs: number): boolean {
    return mayAct(this.#holder, nowMs);
  }

  hear(event: HolderEvent): void {
    const effects: HolderEffect[] = [];
    stepHolder(this.#holder, event, effects);
    for (const effect of effects) this.#obey(effect);
  }

  #obey(effect: HolderEffect): void {
    const process = this.#process;
    switch (effect.kind) {
      case 'renew':
        this.#renew(effect.request);
        return;
      case 'pause':
        process.world.fault('lease over');
        process.world.network.closeAll(process);
        return;
      case 'resume':
        process.drain();
        process.world.network.dial(process.node);
        return;
      case 'stop':
        process.machine.crash('fenced', { keptShare: 1, isSilent: false });
        return;
    }
  }

  #renew(request: number): void {
    const process = this.#process;
    const { directory } = process.world;
    const { ledger, incarnation } = process.identity;
    directory.request(
      process.node,
      () => directory.renew(ledger, incarnation),
      (granted) =>
        process.whileRunning(() => {
          const answer = granted ?? 'unreachable';
          const nowMs = process.nowMs();
          const wasOver = !this.mayAct(nowMs);
          this.hear({ kind: 'answered', request, answer, nowMs });
          // Over and valid again between two ticks is no pause to the holder; but who dialled meanwhile was turned away.
          if (wasOver && this.mayAct(nowMs)) process.world.network.dial(process.node);
        }),
    );
  }
}
