/**
 * What the machine can do at best with the same number of entities in the same run: the limit beside which the phases
 * of a world are judged. One thread, nothing else to do, no lists, no users' code.
 */
import { Random } from '../../base/random.ts';
import { createSimdKernel } from '../../workers/kernel.ts';
import type { MoveKernelOptions, MoveOffsets } from '../../workers/kernel.ts';

export interface RawLoops {
  /** ns per entity: plain typed arrays, `pos += vel·dt`, bounce, cell index, change of cell. */
  readonly typescriptNs: number;
  /** ns per entity: the WebAssembly SIMD movement-and-border kernel standing alone. */
  readonly simdNs: number;
}

export interface RawLoopOptions {
  readonly entities: number;
  /** Metres. */
  readonly worldSize: number;
  readonly cellSize: number;
  readonly tickHz: number;
  readonly seed: number;
}

const SPEED = 5;
const PAGE_BYTES = 65_536;
const COLUMNS = 7;
/** Each loop runs for about so long, after as many rounds of warming up as it takes to be optimised. */
const MEASURE_MS = 250;
const WARM_UP_MS = 60;
const ROUNDS_MIN = 7;

export function measureRawLoops(options: RawLoopOptions): RawLoops {
  return { typescriptNs: measureTypescript(options), simdNs: measureSimd(options) };
}

function measureTypescript({ entities, worldSize, cellSize, tickHz, seed }: RawLoopOptions): number {
  const random = new Random(seed);
  const half = worldSize / 2;
  const width = Math.ceil(worldSize / cellSize);
  const arrays = { x: new Float32Array(entities), z: new Float32Array(entities) };
  const velocities = { vx: new Float32Array(entities), vz: new Float32Array(entities) };
  const cells = new Uint32Array(entities);
  fill({ ...arrays, ...velocities }, { random, half });
  const bounds = { half, width, cellSize, dt: 1 / tickHz };
  return medianNs(entities, () => plainTick({ ...arrays, ...velocities, cells }, bounds));
}

/** Returns how many changed cell, so that no part of the loop can be left out. */
function plainTick(
  { x: xs, z: zs, vx: vxs, vz: vzs, cells }: Motion & { cells: Uint32Array },
  { half, width, cellSize, dt }: { half: number; width: number; cellSize: number; dt: number },
): number {
  const scale = 1 / cellSize;
  let changed = 0;
  for (let slot = 0; slot < xs.length; slot++) {
    let x = xs[slot]! + vxs[slot]! * dt;
    let z = zs[slot]! + vzs[slot]! * dt;
    if (x < -half || x >= half) {
      vxs[slot] = -vxs[slot]!;
      x = x < -half ? -half : half - 0.01;
    }
    if (z < -half || z >= half) {
      vzs[slot] = -vzs[slot]!;
      z = z < -half ? -half : half - 0.01;
    }
    xs[slot] = x;
    zs[slot] = z;
    const cell = (((z + half) * scale) | 0) * width + (((x + half) * scale) | 0);
    if (cells[slot] !== cell) {
      cells[slot] = cell;
      changed++;
    }
  }
  return changed;
}

function measureSimd({ entities, worldSize, cellSize, tickHz, seed }: RawLoopOptions): number {
  const random = new Random(seed);
  const half = worldSize / 2;
  const columnBytes = Math.ceil((entities * 4) / 64) * 64;
  const pages = Math.ceil((columnBytes * COLUMNS) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const names = ['x', 'z', 'vx', 'vz', 'homeX', 'homeZ', 'leavers'] as const;
  const offsets = Object.fromEntries(names.map((name, index) => [name, index * columnBytes])) as MoveOffsets;
  const column = (offset: number) => new Float32Array(memory.buffer, offset, entities);
  const motion = { x: column(offsets.x), z: column(offsets.z), vx: column(offsets.vx), vz: column(offsets.vz) };
  const homes = { homeX: column(offsets.homeX), homeZ: column(offsets.homeZ) };
  const leavers = new Uint32Array(memory.buffer, offsets.leavers, entities);
  fill(motion, { random, half });
  const settleAt = (slot: number): void => {
    homes.homeX[slot] = (Math.floor(motion.x[slot]! / cellSize) + 0.5) * cellSize;
    homes.homeZ[slot] = (Math.floor(motion.z[slot]! / cellSize) + 0.5) * cellSize;
  };
  for (let slot = 0; slot < entities; slot++) settleAt(slot);
  const options: MoveKernelOptions = {
    entitiesMax: entities,
    dt: 1 / tickHz,
    edge: 'bounce',
    minX: -half,
    insideX: half - 0.01,
    minZ: -half,
    insideZ: half - 0.01,
    reach: cellSize / 2 + 2,
  };
  const kernel = createSimdKernel(memory, offsets, options);
  let left = 0;
  const move = (): number => {
    left = kernel.move(0, entities);
    return left;
  };
  return medianNs(entities, move, () => {
    for (let index = 0; index < left; index++) settleAt(leavers[index]!);
  });
}

interface Motion {
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly vx: Float32Array;
  readonly vz: Float32Array;
}

function fill({ x, z, vx, vz }: Motion, { random, half }: { random: Random; half: number }): void {
  for (let slot = 0; slot < x.length; slot++) {
    const angle = random.next() * 2 * Math.PI;
    x[slot] = random.between(-half, half) * 0.999;
    z[slot] = random.between(-half, half) * 0.999;
    vx[slot] = Math.cos(angle) * SPEED;
    vz[slot] = Math.sin(angle) * SPEED;
  }
}

/** Median time of a round, per entity. `between` is not timed. */
function medianNs(entities: number, round: () => number, between: () => void = () => {}): number {
  const warmUntilMs = performance.now() + WARM_UP_MS;
  while (performance.now() < warmUntilMs) {
    round();
    between();
  }
  const roundsMs: number[] = [];
  const untilMs = performance.now() + MEASURE_MS;
  while (performance.now() < untilMs || roundsMs.length < ROUNDS_MIN) {
    const startMs = performance.now();
    round();
    roundsMs.push(performance.now() - startMs);
    between();
  }
  roundsMs.sort((first, second) => first - second);
  return (roundsMs[Math.floor(roundsMs.length / 2)]! * 1e6) / entities;
}
