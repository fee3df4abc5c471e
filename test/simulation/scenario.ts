/** A small cluster without faults of its own, for scripts: what happens, and when, is said by the script. */
import type { EntityId } from '../../src/base/brand.ts';
import { entityIdFrom } from '../../src/base/brand.ts';
import type { CoreEffect, Mutation, NodeNumber } from '../../src/peer/protocol.ts';
import { NO_MUTATIONS } from '../../src/peer/protocol.ts';
import type { Machine } from './machine.ts';
import type { Process } from './process.ts';
import type { Outcome } from './run-schedule.ts';
import { outcomeOf } from './run-schedule.ts';
import type { Settings } from './settings.ts';
import { World } from './world.ts';

/** Enough for links, and for protection by a buddy. */
const READY_MS = 700;

export interface Calm {
  readonly nodes?: number;
  readonly entities?: number;
  readonly clients?: number;
  readonly takeover?: Settings['takeover'];
  readonly restartMs?: number;
  readonly seed?: number;
  readonly settleMs?: number;
  readonly mutations?: ReadonlySet<Mutation>;
  readonly isTold?: boolean;
}

export class Scenario {
  readonly world: World;

  constructor(calm: Calm = {}) {
    const nodes = calm.nodes ?? 3;
    const settings: Settings = {
      nodes,
      entities: calm.entities ?? nodes,
      clients: calm.clients ?? 0,
      tickMs: 50,
      calmMs: 0,
      activeMs: 0,
      settleMs: calm.settleMs ?? 5000,
      takeover: calm.takeover ?? 'none',
      restartMs: calm.restartMs ?? 100,
      kinds: new Set(),
      faultEveryMs: Infinity,
      application: {
        cells: nodes,
        moveChance: 0,
        tradeChance: 0,
        birthChance: 0,
        despawnChance: 0,
        restChance: 0,
        dwellMs: 0,
        publishChance: 0,
        checkpointMs: 1000,
      },
    };
    const { mutations = NO_MUTATIONS, seed = 1, isTold = false } = calm;
    this.world = new World({ seed, settings, mutations, isTold });
    for (const machine of this.world.machines) machine.boot();
    this.run(READY_MS);
  }

  /** Node 1 is A. */
  machine(letter: string): Machine {
    return this.world.machine(letter.charCodeAt(0) - 64);
  }

  process(letter: string): Process {
    const { process } = this.machine(letter);
    if (process === undefined) throw new Error(`${letter} does not run`);
    return process;
  }

  /** The entity that began at that node. */
  entity(letter: string): EntityId {
    return entityIdFrom(0, letter.charCodeAt(0) - 64);
  }

  run(forMs: number): void {
    this.world.runUntil(this.world.queue.nowMs + forMs);
  }

  /** Runs until it is so. @throws when it is not within five seconds. */
  runUntil(isSo: () => boolean): void {
    const { world } = this;
    world.runUntil(world.queue.nowMs + 5000, isSo);
    if (!isSo()) throw new Error('the scenario did not come to its point');
  }

  /** The entity steps into a cell of that node, wherever it is. */
  move(id: EntityId, letter: string): void {
    const node: NodeNumber = letter.charCodeAt(0) - 64;
    for (const { process } of this.world.machines) {
      const entity = process?.application.owned.get(id);
      if (entity !== undefined) entity.state.cell = this.world.directory.cellOwners.indexOf(node);
    }
  }

  /** Who has it, as letters. */
  ownersOf(id: EntityId): string {
    const owners = this.world.machines.filter(({ process }) => process?.application.owned.has(id));
    return owners.map(({ node }) => String.fromCodePoint(64 + node)).join('');
  }

  /** That process ends just before it does the first of these; the script goes on then. */
  crashBefore(letter: string, isIt: (effect: CoreEffect) => boolean): void {
    const process = this.process(letter);
    process.crashesBefore = isIt;
    this.runUntil(() => !process.isAlive);
  }

  crashAfter(letter: string, isIt: (effect: CoreEffect) => boolean): void {
    let isDone = false;
    this.crashBefore(letter, (effect) => {
      if (isDone) return true;
      isDone = isIt(effect);
      return false;
    });
  }

  /** Ends what the script has done to the cluster, and requires that everything comes right. */
  finish(): Outcome {
    return outcomeOf(this.world, 0, 100, () => this.finishOrThrow());
  }

  finishOrThrow(): void {
    this.world.heal();
    this.world.settle();
  }
}
