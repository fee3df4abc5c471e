/**
 * The spatial index: where everybody stood at the end of a tick, by a uniform grid of buckets and counting sort.
 *
 *   A cell has ROWS × COLUMNS buckets, numbered row by row; an entity that overhangs its cell counts to the nearest.
 *   A row costs a query one run of memory, a column nothing: so there are few rows and many columns.
 *   cellFirst u32 × C          where a cell's entities start in the sorted arrays
 *   cellTick u32 × C           1 + the tick for which the cell was built
 *   bucketEnd u32 × C × BUCKETS  end of each bucket, relative to cellFirst; a bucket starts where the one before it ends
 *   slots u32 × N, x f32 × N, z f32 × N    sorted by cell, bucket, then list order
 *
 * So a query reads contiguous memory: for each row of buckets that the circle touches, one run of entities.
 *
 * Writers: the conductor places the cells (`layOut`), then in the index phase the worker that has the cell builds it.
 * Readers: all, in later phases.
 */
import { assert } from '../base/assert.ts';
import type { ColumnSet } from './columns.ts';
import type { Grid } from './grid.ts';
import type { Lists } from './lists.ts';

const ROWS = 4;
const COLUMNS = 16;
const BUCKETS = ROWS * COLUMNS;
/** A cell with so few is read whole: a run costs about as much as looking at a dozen entities. */
const WHOLE_CELL_MAX = 32;
/** Metres added to a row's half width against rounding; the exact test follows anyway. */
const ROUNDING_METRES = 0.01;

export interface SpatialOptions {
  readonly grid: Grid;
  readonly entitiesMax: number;
  /** Metres that an entity may stand outside its cell. */
  readonly hysteresis: number;
}

/** A circle, in metres, as of the end of a tick. */
export interface Query {
  readonly x: number;
  readonly z: number;
  readonly radius: number;
  readonly tick: number;
}

/** Where a query puts what it finds. */
export interface Found {
  readonly slots: Uint32Array;
  readonly x: Float32Array;
  readonly z: Float32Array;
}

export class SpatialIndex {
  readonly #grid: Grid;
  readonly #hysteresis: number;
  readonly #rowSize: number;
  readonly #rowsPerMetre: number;
  readonly #columnsPerMetre: number;
  readonly #cellFirst: Uint32Array<SharedArrayBuffer>;
  readonly #cellTick: Uint32Array<SharedArrayBuffer>;
  readonly #bucketEnd: Uint32Array<SharedArrayBuffer>;
  readonly #slots: Uint32Array<SharedArrayBuffer>;
  readonly #x: Float32Array<SharedArrayBuffer>;
  readonly #z: Float32Array<SharedArrayBuffer>;
  readonly #bucketOf: Uint8Array<ArrayBuffer>;
  // The query in work, as fields: a call per cell with ten arguments would cost more.
  #centreX = 0;
  #centreZ = 0;
  #localX = 0;
  #localZ = 0;
  #radius = 0;

  static sizeBytes({ grid, entitiesMax }: { grid: Grid; entitiesMax: number }): number {
    return grid.cellCount * (8 + BUCKETS * 4) + entitiesMax * 12;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, { grid, entitiesMax, hysteresis }: SpatialOptions) {
    this.#grid = grid;
    this.#hysteresis = hysteresis;
    this.#rowSize = grid.cellSize / ROWS;
    this.#rowsPerMetre = ROWS / grid.cellSize;
    this.#columnsPerMetre = COLUMNS / grid.cellSize;
    const cells = grid.cellCount;
    let at = offsetBytes;
    this.#cellFirst = new Uint32Array(buffer, at, cells);
    this.#cellTick = new Uint32Array(buffer, (at += cells * 4), cells);
    this.#bucketEnd = new Uint32Array(buffer, (at += cells * 4), cells * BUCKETS);
    this.#slots = new Uint32Array(buffer, (at += cells * BUCKETS * 4), entitiesMax);
    this.#x = new Float32Array(buffer, (at += entitiesMax * 4), entitiesMax);
    this.#z = new Float32Array(buffer, (at += entitiesMax * 4), entitiesMax);
    this.#bucketOf = new Uint8Array(entitiesMax);
  }

  /** Conductor: gives each cell its place in the sorted arrays. */
  layOut(lists: Lists): void {
    const cells = this.#grid.cellCount;
    const groups = lists.groupsPerCell;
    let first = 0;
    for (let cell = 0, group = 0; cell < cells; cell++) {
      this.#cellFirst[cell] = first;
      for (let index = 0; index < groups; index++) first += lists.count[group++]!;
    }
  }

  /** Worker: sorts the entities of one cell into its buckets. */
  build(cell: number, { tick, lists, columns }: { tick: number; lists: Lists; columns: ColumnSet }): void {
    const { x, z } = columns;
    const poolSlots = lists.slots;
    const bucketOf = this.#bucketOf;
    const counts = this.#bucketEnd;
    const countsFirst = cell * BUCKETS;
    counts.fill(0, countsFirst, countsFirst + BUCKETS);
    const minX = this.#grid.cellMinX(cell as never);
    const minZ = this.#grid.cellMinZ(cell as never);
    const rowsPerMetre = this.#rowsPerMetre;
    const columnsPerMetre = this.#columnsPerMetre;
    const firstGroup = cell * lists.groupsPerCell;
    const endGroup = firstGroup + lists.groupsPerCell;
    let total = 0;
    for (let group = firstGroup; group < endGroup; group++) {
      const first = lists.first[group]!;
      const end = first + lists.count[group]!;
      for (let index = first; index < end; index++) {
        const slot = poolSlots[index]!;
        const row = rank((z[slot]! - minZ) * rowsPerMetre, ROWS);
        const bucket = row * COLUMNS + rank((x[slot]! - minX) * columnsPerMetre, COLUMNS);
        bucketOf[total++] = bucket;
        counts[countsFirst + bucket]!++;
      }
    }
    this.#startBuckets(countsFirst);
    const base = this.#cellFirst[cell]!;
    let position = 0;
    for (let group = firstGroup; group < endGroup; group++) {
      const first = lists.first[group]!;
      const end = first + lists.count[group]!;
      for (let index = first; index < end; index++) {
        const slot = poolSlots[index]!;
        // The cursor of a bucket starts at its start and, once all are placed, stands at its end.
        const at = base + counts[countsFirst + bucketOf[position++]!]!++;
        this.#slots[at] = slot;
        this.#x[at] = x[slot]!;
        this.#z[at] = z[slot]!;
      }
    }
    this.#cellTick[cell] = tick + 1;
  }

  isBuilt(cell: number, tick: number): boolean {
    return this.#cellTick[cell] === tick + 1;
  }

  /**
   * Finds everybody within `radius` metres (inclusive) as of `tick`, in a fixed order, up to the length of `found`.
   * Returns how many. Every cell that the circle touches must have been built for that tick.
   */
  query({ x, z, radius, tick }: Query, found: Found): number {
    const grid = this.#grid;
    const { cellSize, width, firstCellX, firstCellZ } = grid;
    const reach = radius + this.#hysteresis;
    const column0 = clamp(Math.floor((x - reach) / cellSize) - firstCellX, width - 1);
    const column1 = clamp(Math.floor((x + reach) / cellSize) - firstCellX, width - 1);
    const row0 = clamp(Math.floor((z - reach) / cellSize) - firstCellZ, grid.depth - 1);
    const row1 = clamp(Math.floor((z + reach) / cellSize) - firstCellZ, grid.depth - 1);
    // A corner may be overhung on both sides.
    const cornerReach = radius + this.#hysteresis * Math.SQRT2;
    this.#centreX = x;
    this.#centreZ = z;
    this.#radius = radius;
    let count = 0;
    for (let row = row0; row <= row1; row++) {
      for (let column = column0; column <= column1; column++) {
        const cell = row * width + column;
        assert(this.#cellTick[cell] === tick + 1, 'a query touches only cells that were built');
        const localX = x - (column + firstCellX) * cellSize;
        const localZ = z - (row + firstCellZ) * cellSize;
        const awayX = Math.max(0, -localX, localX - cellSize);
        const awayZ = Math.max(0, -localZ, localZ - cellSize);
        if (awayX * awayX + awayZ * awayZ > cornerReach * cornerReach) continue;
        this.#localX = localX;
        this.#localZ = localZ;
        count = this.#queryCell(cell, count, found);
      }
    }
    return count;
  }

  /** Adds what one cell holds to `found`, from index `before`; the circle stands in the fields above. */
  #queryCell(cell: number, before: number, found: Found): number {
    const radius = this.#radius;
    const rowSize = this.#rowSize;
    const rowsPerMetre = this.#rowsPerMetre;
    const columnsPerMetre = this.#columnsPerMetre;
    const localX = this.#localX;
    const localZ = this.#localZ;
    const radiusSquared = radius * radius;
    const bucketEnd = this.#bucketEnd;
    const bucketsFirst = cell * BUCKETS;
    const cellEnd = bucketEnd[bucketsFirst + BUCKETS - 1]!;
    const base = this.#cellFirst[cell]!;
    if (cellEnd <= WHOLE_CELL_MAX) return this.#queryRun(base, base + cellEnd, before, found);
    const lastRow = rank((localZ + radius) * rowsPerMetre, ROWS);
    let count = before;
    for (let row = rank((localZ - radius) * rowsPerMetre, ROWS); row <= lastRow; row++) {
      // The outermost rows also hold what overhangs, so only inner edges bound the circle's width.
      const rowNear = row === 0 ? -Infinity : row * rowSize - localZ;
      const rowFar = row === ROWS - 1 ? Infinity : (row + 1) * rowSize - localZ;
      const away = rowNear > 0 ? rowNear : rowFar < 0 ? -rowFar : 0;
      const halfWidth = Math.sqrt(Math.max(0, radiusSquared - away * away)) + ROUNDING_METRES;
      const firstBucket = bucketsFirst + row * COLUMNS + rank((localX - halfWidth) * columnsPerMetre, COLUMNS);
      const lastBucket = bucketsFirst + row * COLUMNS + rank((localX + halfWidth) * columnsPerMetre, COLUMNS);
      const first = firstBucket === bucketsFirst ? 0 : bucketEnd[firstBucket - 1]!;
      count = this.#queryRun(base + first, base + bucketEnd[lastBucket]!, count, found);
    }
    return count;
  }

  /** Adds those of sorted[first … end) that are within the circle. */
  #queryRun(first: number, end: number, before: number, found: Found): number {
    const { slots, x, z } = found;
    const sortedSlots = this.#slots;
    const sortedX = this.#x;
    const sortedZ = this.#z;
    const centreX = this.#centreX;
    const centreZ = this.#centreZ;
    const radiusSquared = this.#radius * this.#radius;
    const countMax = slots.length;
    let count = before;
    for (let at = first; at < end; at++) {
      const dx = sortedX[at]! - centreX;
      const dz = sortedZ[at]! - centreZ;
      if (dx * dx + dz * dz > radiusSquared || count === countMax) continue;
      slots[count] = sortedSlots[at]!;
      x[count] = sortedX[at]!;
      z[count] = sortedZ[at]!;
      count++;
    }
    return count;
  }

  #startBuckets(countsFirst: number): void {
    let start = 0;
    for (let bucket = countsFirst; bucket < countsFirst + BUCKETS; bucket++) {
      const count = this.#bucketEnd[bucket]!;
      this.#bucketEnd[bucket] = start;
      start += count;
    }
  }
}

/** The bucket row or column of a distance from the cell's corner, in buckets; beyond the cell, the outermost. */
function rank(buckets: number, count: number): number {
  return buckets >= count ? count - 1 : buckets > 0 ? buckets | 0 : 0;
}

function clamp(value: number, max: number): number {
  return value < 0 ? 0 : value > max ? max : value;
}
