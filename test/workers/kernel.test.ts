import { readFileSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Random } from '../../src/base/random.ts';
import { Planner } from '../../src/memory/region.ts';
import { createSimdKernel, createTypescriptKernel } from '../../src/workers/kernel.ts';
import type { MoveColumns, MoveKernel, MoveKernelOptions, MoveOffsets } from '../../src/workers/kernel.ts';
import { buildKernel } from '../../scripts/build-kernels.ts';

const COLUMN_NAMES = ['x', 'z', 'vx', 'vz', 'homeX', 'homeZ', 'leavers'] as const;
const PAGE_BYTES = 65_536;

interface Fixture {
  readonly columns: MoveColumns;
  readonly memory: WebAssembly.Memory;
  readonly kernel: MoveKernel;
  readonly options: MoveKernelOptions;
}

type Implementation = 'typescript' | 'simd';
const IMPLEMENTATIONS: readonly Implementation[] = ['typescript', 'simd'];

function makeFixture(
  implementation: Implementation,
  changes: Partial<MoveKernelOptions> = {},
  pagesMax?: number,
): Fixture {
  const options: MoveKernelOptions = {
    entitiesMax: 1001,
    dt: 0.05,
    edge: 'bounce',
    minX: -70,
    insideX: 69.9999,
    minZ: -50,
    insideZ: 49.5,
    reach: 12,
    ...changes,
  };
  const planner = new Planner();
  planner.take(64);
  const offsets = Object.fromEntries(
    COLUMN_NAMES.map((name) => [name, planner.take(options.entitiesMax * 4)]),
  ) as MoveOffsets;
  const pages = Math.ceil(planner.sizeBytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pagesMax ?? pages, shared: true });
  const floats = (name: keyof MoveOffsets) => new Float32Array(memory.buffer, offsets[name], options.entitiesMax);
  const columns: MoveColumns = {
    x: floats('x'),
    z: floats('z'),
    vx: floats('vx'),
    vz: floats('vz'),
    homeX: floats('homeX'),
    homeZ: floats('homeZ'),
    leavers: new Uint32Array(memory.buffer, offsets.leavers, options.entitiesMax),
  };
  const kernel =
    implementation === 'simd' ? createSimdKernel(memory, offsets, options) : createTypescriptKernel(columns, options);
  return { columns, memory, kernel, options };
}

interface Row {
  readonly x?: number;
  readonly z?: number;
  readonly vx?: number;
  readonly vz?: number;
  readonly homeX?: number;
  readonly homeZ?: number;
}

function setRow({ columns }: Fixture, slot: number, row: Row): void {
  for (const name of ['x', 'z', 'vx', 'vz', 'homeX', 'homeZ'] as const) columns[name][slot] = row[name] ?? 0;
}

/** Bits of an f32, with every NaN as one: how a NaN is made differs between processors, that it is one does not. */
function bits(value: number): number {
  return Number.isNaN(value) ? 0x7fc0_0000 : new Int32Array(new Float32Array([value]).buffer)[0]!;
}

for (const implementation of IMPLEMENTATIONS) {
  const make = (changes?: Partial<MoveKernelOptions>) => makeFixture(implementation, changes);

  test(`${implementation}: moves by velocity times dt in f32`, (t) => {
    const fixture = make();
    setRow(fixture, 0, { x: 1, z: 2, vx: 3, vz: -4 });
    t.is(fixture.kernel.move(0, 1), 0);
    const { fround } = Math;
    const dt = fround(0.05);
    t.is(fixture.columns.x[0], fround(1 + fround(3 * dt)));
    t.is(fixture.columns.z[0], fround(2 + fround(-4 * dt)));
    t.is(fixture.columns.vx[0], 3);
  });

  test(`${implementation}: bounces at each border`, (t) => {
    const fixture = make({ reach: 1000 });
    setRow(fixture, 0, { x: -69.9, vx: -40 });
    setRow(fixture, 1, { x: 69.9, vx: 40 });
    setRow(fixture, 2, { z: -49.9, vz: -40 });
    setRow(fixture, 3, { z: 49.4, vz: 40 });
    t.is(fixture.kernel.move(0, 4), 0);
    const { x, z, vx, vz } = fixture.columns;
    t.deepEqual([x[0], x[1], z[2], z[3]], [-70, Math.fround(69.9999), -50, 49.5]);
    t.deepEqual([vx[0], vx[1], vz[2], vz[3]], [40, -40, 40, -40]);
  });

  test(`${implementation}: stops at the border with velocity +0`, (t) => {
    const fixture = make({ edge: 'stop', reach: 1000 });
    setRow(fixture, 0, { x: -69.9, vx: -40, vz: 1 });
    setRow(fixture, 1, { x: 69.9, vx: Infinity, vz: 1 });
    fixture.kernel.move(0, 2);
    t.is(fixture.columns.vx[0], 0);
    t.is(fixture.columns.vx[1], 0);
    t.is(fixture.columns.vz[0], 1);
    t.is(fixture.columns.x[1], Math.fround(69.9999));
  });

  test(`${implementation}: exactly on a bound is inside`, (t) => {
    const fixture = make({ reach: 1000 });
    setRow(fixture, 0, { x: -70, z: -50, vx: -0, vz: 0 });
    setRow(fixture, 1, { x: Math.fround(69.9999), z: 49.5 });
    fixture.kernel.move(0, 2);
    t.is(fixture.columns.vx[0], -0);
    t.is(fixture.columns.x[1], Math.fround(69.9999));
    t.is(fixture.columns.vz[1], 0);
  });

  test(`${implementation}: reach is inclusive`, (t) => {
    const fixture = make();
    const slots = [12, Math.fround(12.000001), -12, Math.fround(-12.000001)];
    slots.forEach((x, slot) => setRow(fixture, slot, { x }));
    slots.forEach((z, slot) => setRow(fixture, 4 + slot, { z }));
    t.is(fixture.kernel.move(0, 8), 4);
    t.deepEqual([...fixture.columns.leavers.subarray(0, 4)], [1, 3, 5, 7]);
  });

  test(`${implementation}: not-a-number stays so and leaves`, (t) => {
    const fixture = make();
    setRow(fixture, 0, { x: NaN, vx: 5 });
    setRow(fixture, 2, { z: 1, vz: NaN });
    setRow(fixture, 3, { x: Infinity, vx: -Infinity });
    setRow(fixture, 4, { x: -Infinity });
    t.is(fixture.kernel.move(0, 5), 4);
    t.deepEqual([...fixture.columns.leavers.subarray(0, 4)], [0, 2, 3, 4]);
    t.true(Number.isNaN(fixture.columns.x[0]));
    t.is(fixture.columns.vx[0], 5);
    t.true(Number.isNaN(fixture.columns.z[2]));
    t.true(Number.isNaN(fixture.columns.x[3]));
    t.is(fixture.columns.x[4], -70);
  });

  test(`${implementation}: touches only its block, and its leavers begin at it`, (t) => {
    const fixture = make();
    for (let slot = 0; slot < 40; slot++) setRow(fixture, slot, { vx: 1, homeX: 100 });
    fixture.columns.leavers.fill(77);
    t.is(fixture.kernel.move(5, 19), 14);
    for (let slot = 0; slot < 40; slot++) {
      const inside = slot >= 5 && slot < 19;
      t.is(fixture.columns.x[slot], inside ? Math.fround(0.05) : 0);
      t.is(fixture.columns.leavers[slot], inside ? slot : 77);
    }
    t.is(fixture.kernel.move(9, 9), 0);
  });

  test(`${implementation}: refuses a block outside the columns`, (t) => {
    const fixture = make();
    t.throws(() => fixture.kernel.move(0, 1002), { message: /inside the columns/ });
    t.throws(() => fixture.kernel.move(-1, 5), { message: /inside the columns/ });
    t.throws(() => fixture.kernel.move(6, 5), { message: /inside the columns/ });
  });
}

/** Ordinary values and, one in sixteen, one of those that break kernels. */
function randomFloat(random: Random, range: number): number {
  const specials = [NaN, Infinity, -Infinity, -0, 0, 3.4e38, -3.4e38, 1e-45, -1e-45, 69.9999, -70, 49.5, -50];
  if (random.below(16) === 0) return specials[random.below(specials.length)]!;
  return random.between(-range, range);
}

function fillRandom(fixtures: readonly Fixture[], random: Random, wild: boolean): void {
  for (let slot = 0; slot < fixtures[0]!.options.entitiesMax; slot++) {
    const x = wild ? randomFloat(random, 80) : random.between(-69, 69);
    const z = wild ? randomFloat(random, 60) : random.between(-49, 49);
    const row = {
      x,
      z,
      vx: wild ? randomFloat(random, 100) : random.between(-9, 9),
      vz: wild ? randomFloat(random, 100) : random.between(-9, 9),
      homeX: wild ? randomFloat(random, 80) : Math.floor(x / 20) * 20 + 10,
      homeZ: wild ? randomFloat(random, 60) : Math.floor(z / 20) * 20 + 10,
    };
    for (const fixture of fixtures) setRow(fixture, slot, row);
  }
}

function assertEqualFixtures(t: ExecutionContext, left: Fixture, right: Fixture): void {
  for (const name of ['x', 'z', 'vx', 'vz'] as const) {
    const differs = left.columns[name].findIndex((value, slot) => bits(value) !== bits(right.columns[name][slot]!));
    t.is(differs, -1, `column ${name} differs at slot ${differs}`);
  }
}

for (const edge of ['bounce', 'stop'] as const) {
  for (const wild of [false, true]) {
    test(`both are equal bit for bit: ${edge}, ${wild ? 'wild' : 'tame'} values`, (t) => {
      const random = new Random(wild ? 7 : 8);
      const [left, right] = IMPLEMENTATIONS.map((name) => makeFixture(name, { edge })) as [Fixture, Fixture];
      for (let round = 0; round < 60; round++) {
        fillRandom([left, right], random, wild);
        for (let tick = 0; tick < 8; tick++) {
          const first = random.below(500);
          const end = first + random.below(1001 - first + 1);
          const count = left.kernel.move(first, end);
          t.is(right.kernel.move(first, end), count);
          t.deepEqual(
            left.columns.leavers.subarray(first, first + count),
            right.columns.leavers.subarray(first, first + count),
          );
        }
        assertEqualFixtures(t, left, right);
      }
    });
  }
}

test('the module fits a memory of any size', (t) => {
  for (const pagesMax of [1, 2, 1000, 16_384]) {
    const { kernel } = makeFixture('simd', {}, pagesMax);
    t.is(kernel.move(0, 1001), 0);
  }
});

test('the module asks for nothing but the memory and holds no data', (t) => {
  const bytes = readFileSync(new URL('../../src/workers/kernel.wasm', import.meta.url));
  const module = new WebAssembly.Module(bytes);
  t.deepEqual(WebAssembly.Module.imports(module), [{ module: 'env', name: 'memory', kind: 'memory' }]);
  t.deepEqual(WebAssembly.Module.exports(module), [{ name: 'move', kind: 'function' }]);
  const START_SECTION = 8;
  const DATA_SECTION = 11;
  const sections = sectionIds(bytes);
  t.false(sections.includes(START_SECTION));
  t.false(sections.includes(DATA_SECTION));
});

/** The ids of a WebAssembly module's sections: after the 8-byte header, each is an id, a LEB128 size, and its bytes. */
function sectionIds(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8;
  while (at < bytes.length) {
    ids.push(bytes[at++]!);
    let sizeBytes = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at++]!;
      sizeBytes |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) break;
    }
    at += sizeBytes;
  }
  return ids;
}

test('the checked-in module is what its source gives', async (t) => {
  const built = await buildKernel(new URL('../..', import.meta.url).pathname);
  const checkedIn = readFileSync(new URL('../../src/workers/kernel.wasm', import.meta.url));
  t.true(checkedIn.equals(built), 'run "npm run build:kernels"');
});

test('columns outside the memory are refused', (t) => {
  const { memory, options } = makeFixture('simd');
  const offsets = { x: 0, z: 4096, vx: 8192, vz: 12_288, homeX: 16_384, homeZ: 20_480, leavers: 65_536 - 4000 };
  t.throws(() => createSimdKernel(memory, offsets, options), { message: /inside the memory/ });
  t.throws(() => createSimdKernel(memory, { ...offsets, leavers: 2 }, options), { message: /aligned/ });
});
