/**
 * Movement and border test of all entities, one tick an operation and entity: NUMBERS of the kernel beside the same
 * loop standing alone, and beside bitECS. Each run is a tick forward and a tick back, so that nobody wanders off.
 */
import { addComponent, addEntity, createWorld, query } from 'bitecs';
import { Random } from '../src/base/random.ts';
import { Planner } from '../src/memory/region.ts';
import { createSimdKernel, createTypescriptKernel } from '../src/workers/kernel.ts';
import type { MoveColumns, MoveKernel, MoveKernelOptions, MoveOffsets } from '../src/workers/kernel.ts';
import type { Suite } from './measure.ts';

const BLOCK_SLOTS = 4096;
const WORLD_METRES = 16_384;
const PAGE_BYTES = 65_536;

const options = (entitiesMax: number, dt: number): MoveKernelOptions => ({
  entitiesMax,
  dt,
  edge: 'bounce',
  minX: -WORLD_METRES / 2,
  insideX: WORLD_METRES / 2 - 0.001,
  minZ: -WORLD_METRES / 2,
  insideZ: WORLD_METRES / 2 - 0.001,
  reach: 128 + 2,
});

type FloatColumns = { readonly [Name in Exclude<keyof MoveColumns, 'leavers'>]: Float32Array } & {
  readonly leavers: Uint32Array;
};

function fill({ x, z, vx, vz, homeX, homeZ }: FloatColumns): void {
  const random = new Random(1);
  for (let slot = 0; slot < x.length; slot++) {
    x[slot] = random.between(-8000, 8000);
    z[slot] = random.between(-8000, 8000);
    vx[slot] = random.between(-3, 3);
    vz[slot] = random.between(-3, 3);
    homeX[slot] = Math.floor(x[slot]! / 256) * 256 + 128;
    homeZ[slot] = Math.floor(z[slot]! / 256) * 256 + 128;
  }
}

function sharedColumns(count: number): { memory: WebAssembly.Memory; offsets: MoveOffsets; columns: MoveColumns } {
  const planner = new Planner();
  const take = (): number => planner.take(count * 4);
  const offsets = { x: take(), z: take(), vx: take(), vz: take(), homeX: take(), homeZ: take(), leavers: take() };
  const pages = Math.ceil(planner.sizeBytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const floats = (offset: number) => new Float32Array(memory.buffer, offset, count);
  const columns: MoveColumns = {
    x: floats(offsets.x),
    z: floats(offsets.z),
    vx: floats(offsets.vx),
    vz: floats(offsets.vz),
    homeX: floats(offsets.homeX),
    homeZ: floats(offsets.homeZ),
    leavers: new Uint32Array(memory.buffer, offsets.leavers, count),
  };
  fill(columns);
  return { memory, offsets, columns };
}

/** The same loop over plain arrays, without store, blocks or kernel: what the TypeScript kernel is measured against. */
function rawTick(columns: FloatColumns, count: number, dt: number): number {
  const { x, z, vx, vz, homeX, homeZ, leavers } = columns;
  const { fround, abs } = Math;
  const step = fround(dt);
  const max = fround(WORLD_METRES / 2);
  const min = fround(-max);
  const reach = fround(130);
  let left = 0;
  for (let slot = 0; slot < count; slot++) {
    let newX = fround(x[slot]! + fround(vx[slot]! * step));
    let newZ = fround(z[slot]! + fround(vz[slot]! * step));
    if (newX < min || newX > max) {
      newX = newX < min ? min : max;
      vx[slot] = -vx[slot]!;
    }
    if (newZ < min || newZ > max) {
      newZ = newZ < min ? min : max;
      vz[slot] = -vz[slot]!;
    }
    x[slot] = newX;
    z[slot] = newZ;
    const stays = abs(fround(newX - homeX[slot]!)) <= reach && abs(fround(newZ - homeZ[slot]!)) <= reach;
    if (!stays) leavers[left++] = slot;
  }
  return left;
}

function bitecsTick(world: object, columns: FloatColumns, dt: number): number {
  const { x, z, vx, vz, homeX, homeZ, leavers } = columns;
  const max = WORLD_METRES / 2;
  let left = 0;
  for (const slot of query(world, [columns])) {
    let newX = x[slot]! + vx[slot]! * dt;
    let newZ = z[slot]! + vz[slot]! * dt;
    if (newX < -max || newX > max) {
      newX = newX < -max ? -max : max;
      vx[slot] = -vx[slot]!;
    }
    if (newZ < -max || newZ > max) {
      newZ = newZ < -max ? -max : max;
      vz[slot] = -vz[slot]!;
    }
    x[slot] = newX;
    z[slot] = newZ;
    if (Math.abs(newX - homeX[slot]!) > 130 || Math.abs(newZ - homeZ[slot]!) > 130) leavers[left++] = slot;
  }
  return left;
}

function plainColumns(length: number): FloatColumns {
  const floats = () => new Float32Array(length);
  const columns = {
    x: floats(),
    z: floats(),
    vx: floats(),
    vz: floats(),
    homeX: floats(),
    homeZ: floats(),
    leavers: new Uint32Array(length),
  };
  fill(columns);
  return columns;
}

/** A tick forward and a tick back of the SIMD kernel, over columns of its own. */
export function simdTicks(count: number): () => void {
  const { memory, offsets } = sharedColumns(count);
  const kernels = [0.05, -0.05].map((dt) => createSimdKernel(memory, offsets, options(count, dt)));
  return () => kernels.forEach((kernel) => inBlocks(kernel, count));
}

function inBlocks(kernel: MoveKernel, count: number): void {
  for (let first = 0; first < count; first += BLOCK_SLOTS) kernel.move(first, Math.min(first + BLOCK_SLOTS, count));
}

export const kernelSuite: Suite = {
  name: 'kernel',
  async run({ quick, sizes, report }) {
    for (const count of sizes ?? (quick ? [10_000] : [10_000, 100_000, 1_000_000])) {
      const { memory, offsets, columns } = sharedColumns(count);
      const plain = plainColumns(count);
      const ofBitecs = plainColumns(count + 1);
      const world = createWorld();
      for (let entity = 0; entity < count; entity++) addComponent(world, addEntity(world), ofBitecs);
      const typescript = [0.05, -0.05].map((dt) => createTypescriptKernel(columns, options(count, dt)));
      const simd = [0.05, -0.05].map((dt) => createSimdKernel(memory, offsets, options(count, dt)));
      const both = (tick: (dt: number) => unknown) => () => {
        tick(0.05);
        tick(-0.05);
      };
      const operations = 2 * count;
      await report({
        title: `kernel: ${count.toLocaleString('en')} entities`,
        unit: 'entity and tick',
        cases: [
          { name: 'raw loop, plain arrays', operations, isLimit: true, run: both((dt) => rawTick(plain, count, dt)) },
          {
            name: 'TypeScript kernel in blocks',
            operations,
            run: () => typescript.forEach((kernel) => inBlocks(kernel, count)),
          },
          { name: 'SIMD kernel in blocks', operations, run: () => simd.forEach((kernel) => inBlocks(kernel, count)) },
          { name: 'SIMD kernel in one call', operations, run: () => simd.forEach((kernel) => kernel.move(0, count)) },
          { name: 'bitECS 0.4, for-of over the query', operations, run: both((dt) => bitecsTick(world, ofBitecs, dt)) },
        ],
      });
    }
  },
};
