import test from 'ava';
import * as fc from 'fast-check';
import type { CellIndex } from '../../src/base/brand.ts';
import { Grid } from '../../src/memory/grid.ts';

/** 7 × 5 cells of 30 m; the outermost are cut off by the bounds. */
const make = (): Grid => new Grid({ cellSize: 30, minX: -100, minZ: -70, maxX: 85, maxZ: 55 });

test('a grid that is no multiple of its cells, around the origin', (t) => {
  const grid = make();
  t.deepEqual([grid.firstCellX, grid.firstCellZ, grid.width, grid.depth, grid.cellCount], [-4, -3, 7, 5, 35]);
  const corners = [grid.cellAt(-100, -70), grid.cellAt(grid.insideX, grid.insideZ), grid.cellAt(-100, grid.insideZ)];
  t.deepEqual(corners as number[], [0, 34, 28]);
});

test('a lower border belongs to its cell, just below it to the one before', (t) => {
  const grid = make();
  t.is(grid.cellAt(0, 0) - grid.cellAt(-1e-30, 0), 1);
  t.is(grid.cellAt(0, 0) - grid.cellAt(0, -1e-30), 7);
  t.is(grid.cellAt(-30, 30), grid.cellAt(-0.001, 54));
  t.is(grid.cellAt(-0, -0), grid.cellAt(0, 0));
});

test('a maximum on a border of cells adds none', (t) => {
  const grid = new Grid({ cellSize: 64, minX: -128, minZ: 0, maxX: 128, maxZ: 192 });
  t.deepEqual([grid.width, grid.depth], [4, 3]);
  t.true(grid.insideX < 128 && Math.fround(grid.insideX) === grid.insideX);
});

test('inside is the greatest f32 below the maximum, also at and below zero', (t) => {
  const next = (maxX: number) => new Grid({ cellSize: 4, minX: -1000, minZ: -1, maxX, maxZ: 1 }).insideX;
  t.is(next(0), -1.401298464324817e-45);
  t.is(next(1), 1 - 2 ** -24);
  t.is(next(-8), Math.fround(-8 - 2 ** -20));
});

test('clamping brings every number inside', (t) => {
  const grid = make();
  t.is(grid.clampX(NaN), -100);
  t.is(grid.clampX(Infinity), grid.insideX);
  t.is(grid.clampZ(-Infinity), -70);
  t.is(grid.clampZ(55), grid.insideZ);
  fc.assert(
    fc.property(fc.double(), fc.double(), (x, z) => {
      const [insideX, insideZ] = [grid.clampX(x), grid.clampZ(z)];
      t.is(Math.fround(insideX), insideX);
      const cell = grid.cellAt(insideX, insideZ);
      t.true(Number.isInteger(cell) && cell >= 0 && cell < grid.cellCount);
    }),
  );
});

test('property: any grid puts each position in a cell whose corner and centre agree', (t) => {
  const float = (min: number, max: number) => fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });
  fc.assert(
    fc.property(
      float(1, 300),
      float(-5000, 5000),
      float(1, 900),
      float(0, 1),
      float(0, 1),
      (cellSize, min, size, u, v) => {
        const grid = new Grid({ cellSize, minX: min, minZ: -min, maxX: min + size, maxZ: size * 1.5 - min });
        const x = grid.clampX(min + u * size);
        const z = grid.clampZ(-min + v * size);
        const cell: CellIndex = grid.cellAt(x, z);
        t.true(cell >= 0 && cell < grid.cellCount);
        t.is(grid.rowOf(cell) * grid.width + grid.columnOf(cell), cell);
        const slack = Math.abs(min) * 1e-12;
        t.true(x >= grid.cellMinX(cell) - slack && x < grid.cellMinX(cell) + cellSize + slack);
        t.true(z >= grid.cellMinZ(cell) - slack && z < grid.cellMinZ(cell) + cellSize + slack);
        t.true(Math.abs(grid.centreX(cell) - x) <= cellSize / 2 + slack);
        t.true(Math.abs(grid.centreZ(cell) - z) <= cellSize / 2 + slack);
      },
    ),
    { numRuns: 500 },
  );
});

test('a grid without area is refused', (t) => {
  t.throws(() => new Grid({ cellSize: 1, minX: 0, minZ: 0, maxX: 0, maxZ: 1 }), { message: /area/ });
});
