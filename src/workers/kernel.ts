/**
 * The movement-and-border kernel: advances positions by one tick, keeps them inside the world, and lists the slots
 * that have left their cell. Runs over blocks of slots, free ones included. For each slot, all in f32:
 *
 *   x = x + vx · dt                                         the same for z
 *   x < minX or x > insideX:  x = the bound, vx = −vx (bounce) or +0 (stop)
 *   NOT (|x − homeX| ≤ reach AND |z − homeZ| ≤ reach):      the slot is a leaver
 *
 * A position that is not a number passes the border test unchanged and is always a leaver: whoever takes the leavers
 * deals with it. There are two implementations with one test suite, equal bit for bit except for the payload of NaN.
 *
 * Writers: the thread that took the block; leavers of the block [first, end) lie at leavers[first …], so blocks share
 * nothing.
 */
import { readFileSync } from 'node:fs';
import { assert } from '../base/assert.ts';

/** A slot has left its cell once it is further than `reach` metres from the centre: half a cell and the hysteresis. */
export interface MoveKernelOptions {
  readonly entitiesMax: number;
  /** Seconds in one tick. */
  readonly dt: number;
  readonly edge: 'bounce' | 'stop';
  readonly minX: number;
  readonly insideX: number;
  readonly minZ: number;
  readonly insideZ: number;
  readonly reach: number;
}

export interface MoveKernel {
  /** Advances slots [first, end); writes those that left to leavers[first …], in slot order; returns how many. */
  move(first: number, end: number): number;
}

export interface MoveColumns {
  readonly x: Float32Array<SharedArrayBuffer>;
  readonly z: Float32Array<SharedArrayBuffer>;
  readonly vx: Float32Array<SharedArrayBuffer>;
  readonly vz: Float32Array<SharedArrayBuffer>;
  readonly homeX: Float32Array<SharedArrayBuffer>;
  readonly homeZ: Float32Array<SharedArrayBuffer>;
  readonly leavers: Uint32Array<SharedArrayBuffer>;
}

/** Where the columns' slot 0 lies in the memory, in bytes; each a multiple of 4, `entitiesMax` words long. */
export type MoveOffsets = { readonly [Name in keyof MoveColumns]: number };

export function createTypescriptKernel(columns: MoveColumns, options: MoveKernelOptions): MoveKernel {
  for (const column of Object.values(columns))
    assert(column.length >= options.entitiesMax, 'a column holds every slot');
  return new TypescriptKernel(columns, options);
}

/** Works in place on the memory; takes as long to make as compiling 1 kB of WebAssembly. */
export function createSimdKernel(
  memory: WebAssembly.Memory,
  offsets: MoveOffsets,
  options: MoveKernelOptions,
): MoveKernel {
  const module = new WebAssembly.Module(readFileSync(new URL('kernel.wasm', import.meta.url)));
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  // The kernel itself checks no address.
  for (const offset of Object.values(offsets)) {
    assert(offset % 4 === 0 && offset >= 0, 'a column is aligned');
    assert(offset + options.entitiesMax * 4 <= memory.buffer.byteLength, 'a column lies inside the memory');
  }
  return new SimdKernel(instance.exports['move'] as SimdMove, { offsets, options });
}

class TypescriptKernel implements MoveKernel {
  readonly #columns: MoveColumns;
  readonly #options: MoveKernelOptions;

  constructor(columns: MoveColumns, options: MoveKernelOptions) {
    this.#columns = columns;
    this.#options = roundOptions(options);
  }

  move(first: number, end: number): number {
    const { x: xs, z: zs, vx: vxs, vz: vzs, homeX, homeZ, leavers } = this.#columns;
    const options = this.#options;
    assert(first >= 0 && first <= end && end <= options.entitiesMax, 'a block lies inside the columns');
    const bounces = options.edge === 'bounce';
    const { fround, abs } = Math;
    // Rounded here as well: only so does the compiler know that these are f32, and compute in f32.
    const dt = fround(options.dt);
    const minX = fround(options.minX);
    const insideX = fround(options.insideX);
    const minZ = fround(options.minZ);
    const insideZ = fround(options.insideZ);
    const reach = fround(options.reach);
    let leaverAt = first;
    for (let slot = first; slot < end; slot++) {
      const vx = vxs[slot]!;
      const vz = vzs[slot]!;
      let x = fround(xs[slot]! + fround(vx * dt));
      let z = fround(zs[slot]! + fround(vz * dt));
      if (x < minX || x > insideX) {
        x = x < minX ? minX : insideX;
        vxs[slot] = bounces ? -vx : 0;
      }
      if (z < minZ || z > insideZ) {
        z = z < minZ ? minZ : insideZ;
        vzs[slot] = bounces ? -vz : 0;
      }
      xs[slot] = x;
      zs[slot] = z;
      const stays = abs(fround(x - homeX[slot]!)) <= reach && abs(fround(z - homeZ[slot]!)) <= reach;
      if (!stays) leavers[leaverAt++] = slot;
    }
    return leaverAt - first;
  }
}

type SimdMove = (
  ...numbers: [
    x: number,
    z: number,
    vx: number,
    vz: number,
    homeX: number,
    homeZ: number,
    leavers: number,
    first: number,
    end: number,
    dt: number,
    minX: number,
    insideX: number,
    minZ: number,
    insideZ: number,
    reach: number,
    keepBits: number,
    flipBits: number,
  ]
) => number;

class SimdKernel implements MoveKernel {
  readonly #move: SimdMove;
  readonly #offsets: MoveOffsets;
  readonly #options: MoveKernelOptions;

  constructor(move: SimdMove, { offsets, options }: { offsets: MoveOffsets; options: MoveKernelOptions }) {
    this.#move = move;
    this.#offsets = offsets;
    this.#options = roundOptions(options);
  }

  move(first: number, end: number): number {
    const { x, z, vx, vz, homeX, homeZ, leavers } = this.#offsets;
    const { entitiesMax, dt, edge, minX, insideX, minZ, insideZ, reach } = this.#options;
    assert(first >= 0 && first <= end && end <= entitiesMax, 'a block lies inside the columns');
    const keepBits = edge === 'bounce' ? -1 : 0;
    const flipBits = edge === 'bounce' ? SIGN_BIT : 0;
    // prettier-ignore
    return this.#move(
      x, z, vx, vz, homeX, homeZ, leavers, first, end, dt, minX, insideX, minZ, insideZ, reach, keepBits, flipBits,
    );
  }
}

/** Of an f32, as an i32. */
const SIGN_BIT = -0x8000_0000;

function roundOptions(options: MoveKernelOptions): MoveKernelOptions {
  assert(options.minX <= options.insideX && options.minZ <= options.insideZ, 'the world has an inside');
  const { fround } = Math;
  return {
    ...options,
    dt: fround(options.dt),
    minX: fround(options.minX),
    insideX: fround(options.insideX),
    minZ: fround(options.minZ),
    insideZ: fround(options.insideZ),
    reach: fround(options.reach),
  };
}
