/**
 * A world for tests: the store, the phases and the conductor of a node, in the caller's thread and ticked by hand. No time passes but by
 * `run`, and the same module, seed and inputs give the same world to the bit.
 */
import type { EntityId, SessionIndex } from '../base/brand.ts';
import type { CapacityError, SystemError } from '../base/errors.ts';
import type { ComponentsOf, KindNamesOf, Self, World } from '../base/world.ts';
import { RUN_STATE } from '../memory/control.ts';
import { writeJoin } from '../memory/intake.ts';
import { OUTBOUND_HEAD_BYTES } from '../memory/outbound.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import { Store } from '../memory/store.ts';
import { decodeSnapshot } from '../wire/snapshot.wire.ts';
import { Conductor } from '../workers/conductor.ts';
import { Intake } from '../workers/intake.ts';
import { PhaseRunner } from '../workers/phases.ts';
import type { PhaseOptions } from '../workers/phases.ts';
import { createSelf } from '../workers/self.ts';
import { StateHasher } from '../workers/state-hasher.ts';
import { TestPlayer } from './test-player.ts';

export interface TestWorldOptions {
  /** Of all randomness; default 1. */
  readonly seed?: number;
  /** As an operator sets them; those left out have the module's values. */
  readonly params?: Readonly<Record<string, number>>;
  /** Metres; default is the module's. */
  readonly size?: number;
  /** Metres; default 256, as a server's. */
  readonly cellSize?: number;
  /** Default 20, as a server's. */
  readonly tickHz?: number;
  /** False leaves `start` out: an empty world. Default true. */
  readonly populate?: boolean;
  readonly entitiesMax?: number;
  readonly playersMax?: number;
}

/**
 * One entity, read and written in place: what a test sets is there in the next tick. Has the components of its kind; those of other kinds
 * read as zero. Valid while `isGone` is false.
 */
export type TestEntity<W> = Self<ComponentsOf<W>> & {
  readonly kind: KindNamesOf<W>;
  readonly isGone: boolean;
};

const MIB = 1024 * 1024;
/** Any; ids of entities begin with it. */
const INCARNATION = 1;
const VIEW: Pick<
  PhaseOptions,
  'aoiRadius' | 'aoiHysteresis' | 'viewEntitiesMax' | 'backlogBytesSkip' | 'snapshotBytesPerSecond'
> = {
  aoiRadius: 128,
  aoiHysteresis: 4,
  viewEntitiesMax: 255,
  backlogBytesSkip: 64 * 1024,
  // A test hears everything at once.
  snapshotBytesPerSecond: MIB,
};

/** @throws what the world's `start` throws, and CapacityError when it spawns more than `entitiesMax`. */
export function runWorld<W extends World>(world: W, options: TestWorldOptions = {}): TestWorld<W> {
  return new TestWorld<W>(world, options);
}

export class TestWorld<W> {
  readonly #store: Store;
  readonly #conductor: Conductor;
  readonly #players: TestPlayer<W>[] = [];
  readonly #kinds: readonly string[];
  #failure: unknown;

  /** @internal Made by `runWorld`. */
  constructor(world: World, options: TestWorldOptions) {
    this.#store = createStore(world, options);
    this.#kinds = this.#store.schema.kinds.map(({ name }) => name);
    this.#conductor = this.#conduct(world, options);
    this.#conductor.start(options.populate === false ? new Uint32Array() : undefined);
    this.#store.control.setState(RUN_STATE.running);
    this.#throwFailure();
  }

  /** The number of ticks that have run. */
  get tick(): number {
    return this.#store.control.tick;
  }

  /** Of every value of every entity: two worlds with one hash are the same. */
  get hash(): number {
    return new StateHasher(this.#store).hash().totalHash;
  }

  /** Runs ticks. @throws what world code threw (SystemError, with the place), and CapacityError. */
  run(ticks = 1): void {
    for (let count = 0; count < ticks; count++) {
      this.#conductor.runTicks(1);
      this.#deliver();
      this.#throwFailure();
    }
  }

  /** Runs until the condition holds, and returns how many ticks it took. @throws when it does not within `ticksMax`. */
  runUntil(condition: () => boolean, { ticksMax = 1000 }: { ticksMax?: number } = {}): number {
    for (let ticks = 0; ticks <= ticksMax; ticks++) {
      if (condition()) return ticks;
      this.run();
    }
    throw new Error(`the condition did not hold within ${ticksMax} ticks: ${String(condition)}`);
  }

  /** A player, whose entity is there after the next tick. */
  join(name = 'player', { account = '' }: { account?: string } = {}): TestPlayer<W> {
    const session = this.#store.sessions.open();
    if (session < 0) throw new Error('no room for another player: raise the option playersMax');
    const row = session as SessionIndex;
    const generation = this.#store.sessions.generation(row);
    writeJoin(this.#store.inputRing, { session, generation, name, account });
    this.#store.sessions.setState(row, SESSION_STATE.attached);
    const player = new TestPlayer<W>(this, { store: this.#store, session: row, generation, name });
    this.#players.push(player);
    return player;
  }

  /** All entities, or those of one kind. */
  entities(kind?: KindNamesOf<W>): TestEntity<W>[] {
    const found: TestEntity<W>[] = [];
    for (let slot = 0; slot < this.#store.slotsHigh; slot++) {
      const entity = this.entityAt(slot);
      if (entity !== undefined && (kind === undefined || entity.kind === kind)) found.push(entity);
    }
    return found;
  }

  /** Undefined when it is gone. */
  entity(id: EntityId): TestEntity<W> | undefined {
    return this.entities().find((entity) => entity.id === id);
  }

  /** @internal Undefined when the slot is free. */
  entityAt(slot: number): TestEntity<W> | undefined {
    const { columns, schema } = this.#store;
    const id = columns.id[slot] ?? 0;
    if (id === 0) return undefined;
    const { self, moveTo } = createSelf(schema, columns);
    moveTo(slot);
    return Object.create(self, {
      kind: { enumerable: true, value: this.#kinds[columns.kind[slot] ?? -1] },
      isGone: { get: () => columns.id[slot] !== id },
    }) as TestEntity<W>;
  }

  #conduct(world: World, { seed = 1, tickHz = 20, params = {} }: TestWorldOptions): Conductor {
    const store = this.#store;
    const phases: PhaseOptions = {
      ...VIEW,
      seed,
      tickHz,
      params: { ...(world.declaration.params as Record<string, number> | undefined), ...params },
      kernel: 'simd',
      pauseOnFailure: false,
    };
    const fail = (error: SystemError | CapacityError): void => this.#fail(error);
    const reports = { failed: fail, capacity: fail };
    return new Conductor({
      ...phases,
      store,
      world,
      runner: new PhaseRunner({ world, store, worker: 0, phases, reports }),
      intake: new Intake({
        ...phases,
        store,
        world,
        onRefused: (error) => this.#fail(error),
        keepsFrames: false,
      }),
      snapshotHz: tickHz,
      catchUpTicksMax: 0,
      onCapacity: fail,
      afterTick: undefined,
    });
  }

  #deliver(): void {
    const { schema, outboundRings } = this.#store;
    for (const ring of outboundRings) {
      ring.drain((at, sizeBytes) => {
        const [session, generation] = [ring.view.getUint32(at, true), ring.view.getUint32(at + 4, true)];
        const player = this.#players.find((candidate) => candidate.isSession(session, generation));
        player?.hear(decodeSnapshot(ring.bytes.slice(at + OUTBOUND_HEAD_BYTES, at + sizeBytes), schema));
      });
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Once: the test may go on from it. */
  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

function createStore(world: World, options: TestWorldOptions): Store {
  const half = (options.size ?? world.declaration.size) / 2;
  return Store.create(
    {
      schema: world.schema,
      grid: { cellSize: options.cellSize ?? 256, minX: -half, minZ: -half, maxX: half, maxZ: half },
      entitiesMax: options.entitiesMax ?? 16_384,
      sessionsMax: options.playersMax ?? 64,
      workers: 1,
      hysteresis: 2,
      heapBytes: MIB,
      commandBytes: MIB,
      inputRingBytes: MIB / 4,
      outboundRingBytes: 4 * MIB,
    },
    { incarnation: INCARNATION },
  );
}
