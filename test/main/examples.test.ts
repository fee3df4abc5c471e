/** The examples, played in a real simulation: joins and leaves come through the input ring, as from a gateway. */
import test from 'ava';
import type { SessionIndex } from '../../src/base/brand.ts';
import { packFields } from '../../src/base/pack.ts';
import { Random } from '../../src/base/random.ts';
import { writeInput, writeJoin, writeLeave } from '../../src/memory/intake.ts';
import { Store } from '../../src/memory/store.ts';
import { defaultSettings } from '../../src/main/config/settings.ts';
import { phaseOptions, storeOptions } from '../../src/main/node-settings.ts';
import { Simulation } from '../../src/main/simulation.ts';
import { loadWorldModule } from '../../src/main/world-module.ts';

interface Game {
  readonly store: Store;
  readonly simulation: Simulation;
  readonly problems: readonly string[];
}

async function play(
  example: string,
  {
    workers = 1,
    params = {},
    worldSize,
  }: { workers?: number; params?: Record<string, number>; worldSize?: number } = {},
): Promise<Game> {
  const world = await loadWorldModule(new URL(`../../examples/${example}.ts`, import.meta.url).href);
  const settings = { ...defaultSettings(), workers, params, worldSize, sessionsMax: 64, entitiesMax: 4096 };
  const store = Store.create(storeOptions(settings, world), { incarnation: 1 });
  const problems: string[] = [];
  const simulation = await Simulation.start(
    {
      store,
      moduleUrl: world.url,
      phases: phaseOptions(settings, { world, pauseOnFailure: false }),
      snapshotHz: 10,
      catchUpTicksMax: 0,
      record: false,
      onEvent: (event) => problems.push(JSON.stringify(event)),
    },
    { populate: true },
  );
  return { store, simulation, problems };
}

function slotsOf(store: Store, kindName: string): number[] {
  const kind = store.schema.kinds.find((candidate) => candidate.name === kindName)?.index;
  const slots: number[] = [];
  for (let slot = 0; slot < store.slotsHigh; slot++) {
    if (store.columns.id[slot] !== 0 && store.columns.kind[slot] === kind) slots.push(slot);
  }
  return slots;
}

function column(store: Store, component: string, field: string): Uint32Array {
  const index = store.schema.components.findIndex(({ name }) => name === component);
  return store.columns.components[index]?.byName[field] as Uint32Array;
}

/** Clients that come, go, and stray about the middle of the world, where they meet. */
class Crowd {
  readonly #store: Store;
  readonly #random: Random;
  readonly #generations = new Map<number, number>();
  readonly #payload = new Uint8Array(64);
  #sequence = 0;

  constructor(store: Store, seed: number) {
    this.#store = store;
    this.#random = new Random(seed);
  }

  get size(): number {
    return this.#generations.size;
  }

  join(): void {
    const session = this.#store.sessions.open();
    if (session < 0) return;
    const generation = this.#store.sessions.generation(session as SessionIndex);
    this.#generations.set(session, generation);
    writeJoin(this.#store.inputRing, { session, generation, name: `player ${session}`, account: '' });
  }

  leave(session: number): void {
    const generation = this.#generations.get(session);
    if (generation === undefined) return;
    this.#generations.delete(session);
    writeLeave(this.#store.inputRing, { session, generation });
    this.#store.sessions.setState(session as SessionIndex, 0);
  }

  leaveAtRandom(): void {
    const sessions = [...this.#generations.keys()];
    const session = sessions[this.#random.below(sessions.length)];
    if (session !== undefined) this.leave(session);
  }

  walk(): void {
    this.#sequence++;
    const { sessions, columns, schema } = this.#store;
    const inwards = (position: number): number => {
      return Math.max(-1, Math.min(1, this.#random.between(-1, 1) - position / 10));
    };
    for (const [session, generation] of this.#generations) {
      const slot = sessions.slotPlusOne(session as SessionIndex) - 1;
      const values = { moveX: inwards(columns.x[slot] ?? 0), moveZ: inwards(columns.z[slot] ?? 0) };
      const sizeBytes = packFields(schema.input, values, this.#payload);
      const payload = this.#payload.slice(0, sizeBytes);
      writeInput(this.#store.inputRing, { session, generation, sequence: this.#sequence, back: 0, payload });
    }
  }
}

test.serial('tag: never two are it, and exactly one whenever the game has come to rest', async (t) => {
  const { store, simulation, problems } = await play('tag', { workers: 2 });
  const crowd = new Crowd(store, 5);
  const random = new Random(11);
  const it = column(store, 'tag', 'it');
  const tags = column(store, 'score', 'tags');
  const itPlayers = (): number[] => slotsOf(store, 'player').filter((slot) => it[slot] === 1);
  let tagged = 0;
  try {
    for (let round = 0; round < 60; round++) {
      // Some rounds empty the arena, or take away exactly the one who is it.
      if (round % 13 === 12) while (crowd.size > 0) crowd.leaveAtRandom();
      const joins = random.below(8);
      for (let index = 0; index < joins; index++) crowd.join();
      if (random.below(2) === 0) crowd.leaveAtRandom();
      const [leader] = itPlayers();
      if (leader !== undefined && random.below(2) === 0) crowd.leave((store.columns.session[leader] ?? 0) - 1);
      for (let tick = 0; tick < 12; tick++) {
        crowd.walk();
        await simulation.runTicks(1);
        t.true(itPlayers().length <= 1, `round ${round}`);
      }
      tagged += slotsOf(store, 'player').reduce((sum, slot) => sum + (tags[slot] ?? 0), 0);
      if (crowd.size === 0) crowd.join();
      // Nobody joins or leaves for longer than the role can be vacant; then the role may only be under way for a tick.
      await simulation.runTicks(30);
      const seen = new Set<number>();
      for (let tick = 0; tick < 3; tick++) {
        await simulation.runTicks(1);
        seen.add(itPlayers().length);
      }
      t.true(seen.has(1) && ![...seen].some((count) => count > 1), `round ${round}: ${[...seen].join()}`);
    }
    t.true(tagged > 20, `${tagged}`);
    t.deepEqual(problems, []);
  } finally {
    await simulation.stop();
  }
});

test.serial('meadow: each cell holds its bots within 20 % of the target while they wander', async (t) => {
  const { store, simulation, problems } = await play('meadow', { worldSize: 1024, params: { botsPerCell: 40 } });
  try {
    for (let round = 0; round < 20; round++) {
      await simulation.runTicks(50);
      const bot = store.schema.kinds.find(({ name }) => name === 'bot')?.index ?? 0;
      for (let cell = 0; cell < store.grid.cellCount; cell++) {
        const count = store.lists.count[store.lists.groupOf(cell, bot)] ?? 0;
        t.true(count >= 32 && count <= 48, `cell ${cell} holds ${count} after ${round * 50} ticks`);
      }
    }
    t.deepEqual(problems, []);
  } finally {
    await simulation.stop();
  }
});

test.serial('meadow: bots steer apart, and turn every 3 to 7 seconds', async (t) => {
  const { store, simulation } = await play('meadow', { worldSize: 512, params: { botsPerCell: 10 } });
  try {
    await simulation.runTicks(20);
    const turnTick = column(store, 'wander', 'turnTick');
    for (const slot of slotsOf(store, 'bot')) {
      const leftTicks = (turnTick[slot] ?? 0) - store.control.tick;
      t.true(leftTicks <= 7 * 20, `${leftTicks}`);
      const speed = Math.hypot(store.columns.vx[slot] ?? 0, store.columns.vz[slot] ?? 0);
      t.true(speed > 0.99 && speed < 2.51, `${speed}`);
    }
    const [first = 0, second = 0] = slotsOf(store, 'bot');
    store.columns.x[second] = (store.columns.x[first] ?? 0) + 1;
    store.columns.z[second] = store.columns.z[first] ?? 0;
    await simulation.runTicks(40);
    const apart = Math.hypot(
      (store.columns.x[second] ?? 0) - (store.columns.x[first] ?? 0),
      (store.columns.z[second] ?? 0) - (store.columns.z[first] ?? 0),
    );
    t.true(apart > 2, `${apart} m`);
  } finally {
    await simulation.stop();
  }
});

test.serial('hello: who walks onto a coin has one more, and the coin is elsewhere', async (t) => {
  const { store, simulation, problems } = await play('hello');
  const crowd = new Crowd(store, 3);
  try {
    crowd.join();
    await simulation.runTicks(2);
    const [player = 0] = slotsOf(store, 'player');
    const [coin = 0] = slotsOf(store, 'coin').filter((slot) => store.columns.cell[slot] === store.columns.cell[player]);
    const place = [store.columns.x[coin], store.columns.z[coin]];
    store.columns.x[player] = place[0] ?? 0;
    store.columns.z[player] = place[1] ?? 0;
    await simulation.runTicks(4);
    t.is(column(store, 'purse', 'coins')[player], 1);
    t.notDeepEqual([store.columns.x[coin], store.columns.z[coin]], place);
    t.deepEqual(problems, []);
  } finally {
    await simulation.stop();
  }
});
