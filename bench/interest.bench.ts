/** 1,000 observers with radius 128 m over 256 m cells: building the index and all queries, as in one tick. */
import Flatbush from 'flatbush';
import KDBush from 'kdbush';
import { defineWorld } from '../src/index.ts';
import type { SessionIndex } from '../src/base/brand.ts';
import type { Found } from '../src/memory/spatial.ts';
import type { Store } from '../src/memory/store.ts';
import { Headless } from '../test/fixtures/headless.ts';
import type { Group, Result, Suite } from './measure.ts';
import { openStore } from './store.ts';

const OBSERVERS = 1000;
const RADIUS = 128;
const SIZE_METRES = 4096;
const BUCKET_METRES = 32;
const BUCKETS = SIZE_METRES / BUCKET_METRES;
const FOUND_MAX = 4096;

/** A uniform grid by counting sort over plain arrays: the limit of the kind of index that the store has. */
class PlainGrid {
  readonly #end = new Uint32Array(BUCKETS * BUCKETS);
  readonly #bucketOf: Uint32Array;
  readonly #slots: Uint32Array;
  readonly #x: Float32Array;
  readonly #z: Float32Array;

  constructor(count: number) {
    this.#bucketOf = new Uint32Array(count);
    this.#slots = new Uint32Array(count);
    this.#x = new Float32Array(count);
    this.#z = new Float32Array(count);
  }

  build(x: Float32Array, z: Float32Array, count: number): void {
    const end = this.#end.fill(0);
    for (let slot = 0; slot < count; slot++) {
      const bucket = rank(z[slot]!) * BUCKETS + rank(x[slot]!);
      this.#bucketOf[slot] = bucket;
      end[bucket]!++;
    }
    let start = 0;
    for (let bucket = 0; bucket < end.length; bucket++) {
      const size = end[bucket]!;
      end[bucket] = start;
      start += size;
    }
    for (let slot = 0; slot < count; slot++) {
      const at = end[this.#bucketOf[slot]!]!++;
      this.#slots[at] = slot;
      this.#x[at] = x[slot]!;
      this.#z[at] = z[slot]!;
    }
  }

  query(x: number, z: number, found: Found): number {
    const column0 = rank(x - RADIUS);
    const column1 = rank(x + RADIUS);
    let count = 0;
    for (let row = rank(z - RADIUS); row <= rank(z + RADIUS); row++) {
      const first = row * BUCKETS + column0;
      const end = this.#end[row * BUCKETS + column1]!;
      for (let at = first === 0 ? 0 : this.#end[first - 1]!; at < end; at++) {
        const dx = this.#x[at]! - x;
        const dz = this.#z[at]! - z;
        if (dx * dx + dz * dz > RADIUS * RADIUS) continue;
        found.slots[count] = this.#slots[at]!;
        found.x[count] = this.#x[at]!;
        found.z[count] = this.#z[at]!;
        count++;
      }
    }
    return count;
  }
}

function rank(position: number): number {
  const bucket = Math.floor((position + SIZE_METRES / 2) / BUCKET_METRES);
  return bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket;
}

function storeTick(store: Store, tick: number): number {
  const { spatial, lists, columns, grid } = store;
  spatial.layOut(lists);
  for (let cell = 0; cell < grid.cellCount; cell++) spatial.build(cell, { tick, lists, columns });
  let total = 0;
  for (let observer = 0; observer < OBSERVERS; observer++) {
    total += spatial.query({ x: columns.x[observer]!, z: columns.z[observer]!, radius: RADIUS, tick }, found);
  }
  return total;
}

const found: Found = {
  slots: new Uint32Array(FOUND_MAX),
  x: new Float32Array(FOUND_MAX),
  z: new Float32Array(FOUND_MAX),
};

function kdbushTick(x: Float32Array, z: Float32Array): number {
  const index = new KDBush(x.length, 64, Float32Array);
  for (let slot = 0; slot < x.length; slot++) index.add(x[slot]!, z[slot]!);
  index.finish();
  let total = 0;
  for (let observer = 0; observer < OBSERVERS; observer++)
    total += index.within(x[observer]!, z[observer]!, RADIUS).length;
  return total;
}

function flatbushTick(x: Float32Array, z: Float32Array): number {
  const index = new Flatbush(x.length, 16, Float32Array);
  for (let slot = 0; slot < x.length; slot++) index.add(x[slot]!, z[slot]!, x[slot]!, z[slot]!);
  index.finish();
  let total = 0;
  for (let observer = 0; observer < OBSERVERS; observer++) {
    const [atX, atZ] = [x[observer]!, z[observer]!];
    total += index.search(atX - RADIUS, atZ - RADIUS, atX + RADIUS, atZ + RADIUS, (slot) => {
      return (x[slot]! - atX) ** 2 + (z[slot]! - atZ) ** 2 <= RADIUS * RADIUS;
    }).length;
  }
  return total;
}

/** The walkers of the snapshots below: straight on, and another direction every 2.5 s on the average. */
const walkers = defineWorld({
  name: 'walkers',
  version: 1,
  size: SIZE_METRES,
  components: {},
  kinds: { player: { components: [] }, walker: { components: [] } },
  systems: {
    walk: {
      run(cell) {
        for (let index = cell.first; index < cell.end; index++) {
          if (cell.random() >= 0.02) continue;
          const angle = cell.random() * 2 * Math.PI;
          cell.vx[cell.slots[index]!] = Math.cos(angle) * 6;
          cell.vz[cell.slots[index]!] = Math.sin(angle) * 6;
        }
      },
    },
  },
  start(cell) {
    for (let count = 0; count < 35; count++) {
      cell.spawn('walker', { x: cell.minX + cell.random() * 256, z: cell.minZ + cell.random() * 256, vx: 6 });
    }
  },
  join: ({ random }) => ({
    kind: 'player',
    x: (random() - 0.5) * SIZE_METRES,
    z: (random() - 0.5) * SIZE_METRES,
    vx: 6,
  }),
});

/** A world with OBSERVERS clients, some 10,000 entities and about 30 in each view. */
function openWalkers(): Headless {
  const half = SIZE_METRES / 2;
  const headless = new Headless(walkers, {
    phases: { aoiRadius: RADIUS },
    store: {
      grid: { cellSize: 256, minX: -half, minZ: -half, maxX: half, maxZ: half },
      entitiesMax: 16_384,
      sessionsMax: OBSERVERS,
      inputRingBytes: 1 << 20,
      outboundRingBytes: 1 << 23,
    },
  });
  for (let observer = 0; observer < OBSERVERS; observer++) headless.join(String(observer));
  headless.tick(5);
  return headless;
}

/** What a server without any memory of its clients would do: find who is near, and write three bytes of each. */
function plainSnapshots(grid: PlainGrid, { x, z, count }: { x: Float32Array; z: Float32Array; count: number }): number {
  grid.build(x, z, count);
  let at = 0;
  for (let observer = 0; observer < OBSERVERS; observer++) {
    const seen = grid.query(x[observer]!, z[observer]!, found);
    at = 0;
    for (let index = 0; index < seen; index++) {
      plainBytes[at++] = found.slots[index]!;
      plainBytes[at++] = found.x[index]! * 100;
      plainBytes[at++] = found.z[index]! * 100;
    }
  }
  return at;
}

const plainBytes = new Uint8Array(FOUND_MAX * 3);

async function reportSnapshots(report: (group: Group) => Promise<readonly Result[]>): Promise<void> {
  const headless = openWalkers();
  const { columns, slotsHigh, outboundRings, sessions, control } = headless.store;
  const grid = new PlainGrid(slotsHigh);
  const x = Float32Array.from(columns.x.subarray(0, slotsHigh));
  const z = Float32Array.from(columns.z.subarray(0, slotsHigh));
  let inView = 0;
  for (let session = 0; session < OBSERVERS; session++) inView += sessions.viewCount(session as SessionIndex);
  await report({
    title: `snapshots: ${slotsHigh.toLocaleString('en')} entities walk, ${OBSERVERS.toLocaleString('en')} clients, ${(inView / OBSERVERS).toFixed(0)} in view of each`,
    unit: 'entity in a view and tick',
    cases: [
      {
        name: 'grid and three bytes of each, without memory',
        operations: inView,
        isLimit: true,
        run: () => void plainSnapshots(grid, { x, z, count: slotsHigh }),
      },
      {
        name: 'a whole tick: systems, movement, index, snapshots',
        operations: inView,
        run: () => {
          headless.tick();
          control.setShedLevel(0);
          for (const ring of outboundRings) ring.drain(() => undefined);
        },
      },
    ],
  });
}

export const interestSuite: Suite = {
  name: 'interest',
  async run({ quick, sizes, report }) {
    for (const count of sizes ?? (quick ? [1000] : [1000, 10_000, 50_000])) {
      const store = openStore(count, { size: SIZE_METRES });
      const x = Float32Array.from(store.columns.x);
      const z = Float32Array.from(store.columns.z);
      const grid = new PlainGrid(count);
      const gridTick = (): number => {
        grid.build(x, z, count);
        let total = 0;
        for (let observer = 0; observer < OBSERVERS; observer++) total += grid.query(x[observer]!, z[observer]!, found);
        return total;
      };
      const totals = [gridTick(), storeTick(store, 1), kdbushTick(x, z), flatbushTick(x, z)];
      if (new Set(totals).size > 1) throw new Error(`the indexes disagree: ${totals.join(', ')}`);
      let tick = 2;
      await report({
        title: `interest: ${count.toLocaleString('en')} entities, 1,000 observers, ${totals[0]} seen`,
        unit: 'tick (build and queries)',
        cases: [
          { name: 'stand-alone grid, plain arrays', operations: 1, isLimit: true, run: () => void gridTick() },
          { name: "the store's index", operations: 1, run: () => void storeTick(store, tick++) },
          { name: 'kdbush', operations: 1, run: () => void kdbushTick(x, z) },
          { name: 'flatbush', operations: 1, run: () => void flatbushTick(x, z) },
        ],
      });
    }
    await reportSnapshots(report);
  },
};
