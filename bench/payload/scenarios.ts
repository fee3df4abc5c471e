/**
 * What clients are sent in typical scenes: worlds that run headless, tick by tick, so that each byte is the same on every machine.
 * Payload of SNAPSHOT messages only: no WebSocket, TCP or TLS heads, no other messages.
 */
import { component, defineWorld, f32, text, u16, u8 } from '../../src/index.ts';
import type { World } from '../../src/index.ts';
import { mixSeed, Random } from '../../src/base/random.ts';
import { Headless } from '../../test/fixtures/headless.ts';
import { OUTBOUND_HEAD_BYTES } from '../../src/memory/outbound.ts';
import { Walk, startOf, worldSizeFor } from '../peers/scene.ts';

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly clients: number;
  readonly snapshotHz: number;
  /** Ticks at 20 Hz: before the bytes are counted, and while they are. */
  readonly warmUpTicks: number;
  readonly ticks: number;
  /** Metres of the world's side. */
  readonly size: number;
  readonly world: World;
  /** Before each tick: who joins, and what they do. */
  readonly act?: ((scene: Scene, tick: number) => void) | undefined;
  readonly joinsAtOnce: boolean;
}

/** A running scenario. */
export interface Scene {
  readonly headless: Headless;
  readonly sessions: ReturnType<Headless['join']>[];
}

const TICK_HZ = 20;
const CLIENTS = 60;
const SPEED_METRES = 6;
const SEED = 5;

interface Place {
  readonly x: number;
  readonly z: number;
}

/** People with a name, a health and an owner's bag; everybody else may hit them. */
function people(name: string, size: number, placeOf: (index: number) => Place, systems: 'none' | 'fight' = 'none') {
  return defineWorld({
    name,
    version: 1,
    size,
    components: {
      look: { name: text(32), colour: u16() },
      health: { points: f32({ min: 0, max: 100, precision: 0.5 }), shield: u8(), hitBy: u16() },
      bag: component({ gold: u16(), arrows: u16() }, { visible: 'owner' }),
    },
    kinds: { person: { components: ['look', 'health', 'bag'], speedMax: SPEED_METRES * 1.01 } },
    input: {
      fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
      apply(self, { moveX, moveZ }) {
        self.vx = moveX * SPEED_METRES;
        self.vz = moveZ * SPEED_METRES;
      },
    },
    events: { hit: { force: u8() } },
    systems: {
      fight: {
        kinds: ['person'],
        run(cell) {
          if (systems === 'none') return;
          const { points } = cell.columns.health;
          for (let index = cell.first; index < cell.end; index++) {
            const slot = cell.slots[index]!;
            if (cell.random() >= 0.1) continue;
            points[slot] = points[slot]! <= 5 ? 100 : points[slot]! - 5;
            cell.announce(slot, 'hit', { force: 5 });
          }
        },
      },
    },
    join: ({ name: who }) => ({ kind: 'person', ...placeOf(Number(who)), look: { name: `person ${who}` } }),
  });
}

/** As in bench/peers: straight on for 1 to 4 seconds, about 30 others in view. */
function walking(snapshotHz: number): Scenario {
  const worldSize = worldSizeFor(CLIENTS);
  const crowd = { people: CLIENTS, worldSize };
  const walks = Array.from({ length: CLIENTS }, (_, index) => new Walk(index, crowd, TICK_HZ));
  return {
    ...PLAIN,
    name: `walking, ${snapshotHz} Hz`,
    about: 'all walk, straight on for 1 to 4 s, as in the peers bench',
    snapshotHz,
    size: worldSize,
    world: people('walking', worldSize, (index) => startOf(index, crowd)),
    act: ({ headless, sessions }, tick) => {
      sessions.forEach((session, index) => {
        const walk = walks[index]!;
        walk.step();
        const { x, z } = walk.direction;
        headless.input(session, tick, { moveX: x / 100, moveZ: z / 100 });
      });
    },
  };
}

const PLAIN = { clients: CLIENTS, warmUpTicks: 40, ticks: 400, joinsAtOnce: true } as const;
const AROUND = 150;

/** Somewhere in a square, the same in each run. */
function scattered(index: number, half: number): Place {
  const random = new Random(mixSeed(SEED, index));
  return { x: random.between(-half, half), z: random.between(-half, half) };
}

/** Everybody always steers a little: the worst for reckoning. */
function circling({ headless, sessions }: Scene, tick: number): void {
  sessions.forEach((session, index) => {
    const angle = tick / TICK_HZ + index;
    headless.input(session, tick, { moveX: Math.cos(angle), moveZ: Math.sin(angle) });
  });
}

/** To and fro over the border of two cells, all in step. */
function crossing({ headless, sessions }: Scene, tick: number): void {
  const moveX = Math.floor(tick / 60) % 2 === 0 ? 1 : -1;
  for (const session of sessions) headless.input(session, tick, { moveX, moveZ: 0 });
}

export function scenarios(): Scenario[] {
  const around = (index: number): Place => scattered(index, AROUND / 2);
  return [
    {
      ...PLAIN,
      name: 'still',
      about: 'nobody moves',
      snapshotHz: 20,
      size: 1024,
      world: people('still', 1024, around),
    },
    walking(20),
    walking(10),
    {
      ...PLAIN,
      name: 'circling',
      about: 'all steer in every tick',
      snapshotHz: 20,
      size: 1024,
      world: people('circling', 1024, around),
      act: circling,
    },
    {
      ...PLAIN,
      name: 'crowd',
      about: '400 clients on 150 m, all steer in every tick',
      clients: 400,
      ticks: 100,
      snapshotHz: 20,
      size: 1024,
      world: people('crowd', 1024, around),
      act: circling,
    },
    {
      ...PLAIN,
      name: 'fight',
      about: 'in each tick a tenth of all lose health, and are seen to be hit',
      snapshotHz: 20,
      size: 1024,
      world: people('fight', 1024, around, 'fight'),
    },
    {
      ...PLAIN,
      name: 'border',
      about: 'all walk over the border of two cells and back, 3 s each way',
      snapshotHz: 20,
      size: 1024,
      world: people('border', 1024, around),
      act: crossing,
    },
    {
      ...PLAIN,
      name: 'join storm',
      about: '200 clients join within 2 s; bytes of each in its first 3 s, on the average',
      clients: 200,
      warmUpTicks: 0,
      ticks: 60,
      joinsAtOnce: false,
      snapshotHz: 20,
      size: 1024,
      world: people('storm', 1024, around),
    },
  ];
}

export interface Measured {
  readonly bytesPerClientAndSecond: number;
  readonly inView: number;
}

/** Runs a scenario. The same bytes come out on every machine and in every run. */
export function measure(scenario: Scenario): Measured {
  const { clients, snapshotHz, warmUpTicks, ticks, size, world, act, joinsAtOnce } = scenario;
  const half = size / 2;
  const grid = { cellSize: 256, minX: -half, minZ: -half, maxX: half, maxZ: half };
  const headless = new Headless(world, {
    snapshotHz,
    store: { sessionsMax: clients, outboundRingBytes: 1 << 23, inputRingBytes: 1 << 18, grid },
  });
  const scene: Scene = { headless, sessions: [] };
  let sizeBytes = 0;
  let viewSum = 0;
  const perTick = joinsAtOnce ? clients : Math.ceil(clients / (2 * TICK_HZ));
  for (let tick = 1; tick <= warmUpTicks + ticks; tick++) {
    for (let count = 0; count < perTick && scene.sessions.length < clients; count++) {
      scene.sessions.push(headless.join(String(scene.sessions.length)));
    }
    act?.(scene, tick);
    headless.tick();
    // A slow machine would shed load, and send less.
    headless.store.control.setShedLevel(0);
    const isCounted = tick > warmUpTicks;
    for (const ring of headless.store.outboundRings) {
      ring.drain((_at, frameBytes) => {
        if (isCounted) sizeBytes += frameBytes - OUTBOUND_HEAD_BYTES;
      });
    }
  }
  for (const session of scene.sessions) viewSum += headless.store.sessions.viewCount(session);
  const seconds = ticks / TICK_HZ;
  return { bytesPerClientAndSecond: Math.round(sizeBytes / clients / seconds), inView: viewSum / clients };
}
