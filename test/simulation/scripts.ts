/** Scripts that more than one test plays: numbered as in FAULTS.md. */
import type { CoreEffect, Mutation } from '../../src/peer/protocol.ts';
import { HandIn } from './hand-in.ts';
import type { HandInStep } from './hand-in.ts';
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

export interface Leaving {
  readonly seed?: number;
  readonly mutations?: ReadonlySet<Mutation>;
  /** Where the process that leaves is killed. */
  readonly crashAt?: HandInStep;
  /** Where its successor is: when it does the first of these after the fence. */
  readonly successorCrashesBefore?: (effect: CoreEffect) => boolean;
}

/**
 * A node leaves for good while entities are on their way from and to it: one goes from A to B, one from C to A, and A keeps its own. It
 * stops in the middle of that, at another moment for each seed, and hands its journal in.
 */
export function leaveForGood({ seed = 1, mutations, crashAt, successorCrashesBefore }: Leaving = {}): Outcome {
  const scenario = new Scenario({
    nodes: 3,
    entities: 9,
    takeover: 'file',
    seed,
    ...(mutations !== undefined && { mutations }),
    settleMs: 8000,
  });
  return outcomeOf(scenario.world, seed, 100, () => {
    const process = scenario.process('A');
    scenario.move(scenario.entity('A'), 'B');
    scenario.move(scenario.entity('C'), 'A');
    scenario.run(scenario.world.random.between(1, 120));
    if (successorCrashesBefore !== undefined) scenario.process('B').crashesBefore = successorCrashesBefore;
    new HandIn(process, { successor: 2, crashAt }).begin();
    const lease = () => scenario.world.directory.leaseOf(process.identity.ledger);
    // Killed before it has asked, it may as well be back before anybody takes its place.
    scenario.runUntil(() => (crashAt === 'stopped' ? !process.isAlive : lease()?.state === 'fenced'));
    scenario.run(3000);
    scenario.finishOrThrow();
  });
}
