/** One schedule from one seed, with its outcome. */
import type { Mutation } from '../../src/peer/protocol.ts';
import { AssertionError } from '../../src/base/assert.ts';
import type { Checker } from './failure.ts';
import { SimulationFailure } from './failure.ts';
import type { Settings } from './settings.ts';
import { drawSettings } from './settings.ts';
import { World } from './world.ts';

export interface Outcome {
  readonly seed: number;
  readonly hash: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly activations: number;
  readonly takeovers: number;
  readonly stages: Partial<Record<string, number>>;
  readonly faults: ReadonlyMap<string, number>;
  readonly failure:
    | {
        readonly checker: Checker;
        readonly message: string;
        readonly entity: number;
        readonly story: readonly string[];
      }
    | undefined;
}

export interface ScheduleOptions {
  readonly mutations?: ReadonlySet<Mutation>;
  readonly isTold?: boolean;
  readonly settings?: Settings;
  /** Lines of the story that are told. */
  readonly lines?: number;
}

export function runSchedule(seed: number, options: ScheduleOptions = {}): Outcome {
  const settings = options.settings ?? drawSettings(seed);
  const world = new World({ ...options, seed, settings });
  return outcomeOf(world, seed, options.lines ?? 80, () => world.run());
}

/** Runs a world by a script of its own. */
export function outcomeOf(world: World, seed: number, lines: number, run: () => void): Outcome {
  let failure: Outcome['failure'];
  try {
    run();
  } catch (error) {
    if (error instanceof SimulationFailure) {
      const { checker, message, entity } = error;
      failure = { checker, message, entity, story: world.story?.last(lines, entity) ?? [] };
    } else if (error instanceof AssertionError || error instanceof TypeError || error instanceof RangeError) {
      const message = `assert: ${error.stack ?? error.message}`;
      failure = { checker: 'assert', message, entity: 0, story: world.story?.last(lines, 0) ?? [] };
    } else throw error;
  }
  return {
    seed,
    hash: world.hash,
    simulatedMs: world.queue.nowMs,
    events: world.events,
    activations: world.checkers.activations,
    takeovers: world.takeovers,
    stages: world.stages,
    faults: world.faultCounts,
    failure,
  };
}
