/** Scripts that more than one test plays: numbered as in FAULTS.md. */
import type { Mutation } from '../../src/peer/protocol.ts';
import type { Outcome } from './run-schedule.ts';
import { outcomeOf } from './run-schedule.ts';
import { Scenario } from './scenario.ts';

/**
 * 16: B accepts, and its buddy has it; B's own disk loses it with the power. B comes back, refuses, the source takes the
 * entity back; then B's machine is lost. Without the barrier (R9) the buddy revives what B had forgotten: two copies.
 */
export function loseMachineBehindRestart(mutations: ReadonlySet<Mutation>): Outcome {
  const scenario = new Scenario({ nodes: 3, takeover: 'stream', mutations, settleMs: 8000 });
  return outcomeOf(scenario.world, 0, 100, () => {
    scenario.run(1500);
    const machine = scenario.machine('B');
    const id = scenario.entity('A');
    Object.assign(machine.diskFaults, { minimumMs: 300, maximumMs: 400 });
    scenario.move(id, 'B');
    scenario.runUntil(() => scenario.ownersOf(id) === 'B');
    scenario.run(8);
    machine.crash('power loss', { keptShare: 0, isSilent: false });
    machine.healDisk();
    machine.refusingUntilMs = scenario.world.queue.nowMs + 3000;
    scenario.runUntil(() => scenario.ownersOf(id) === 'A');
    if (machine.process !== undefined) machine.lose();
    scenario.run(3000);
    scenario.finishOrThrow();
  });
}
