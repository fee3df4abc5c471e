/**
 * The arithmetic of cells. A cell is a square; `cellX = floor(x / cellSize)`, its lower bound inclusive. The grid
 * covers the world's bounds, which need not be a multiple of the cell size.
 */
import { assert } from '../base/assert.ts';
import type { CellIndex } from '../base/brand.ts';

export interface GridOptions {
  /** Metres. */
  readonly cellSize: number;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
}

export class Grid {
  readonly cellSize: number;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  /** Cells from the lower corner: column and row 0 hold the cell with these coordinates. */
  readonly firstCellX: number;
  readonly firstCellZ: number;
  readonly width: number;
  readonly depth: number;
  readonly cellCount: number;
  /** The greatest f32 below maxX and maxZ: positions are kept at or below them, so that each has a cell. */
  readonly insideX: number;
  readonly insideZ: number;

  constructor({ cellSize, minX, minZ, maxX, maxZ }: GridOptions) {
    assert(cellSize > 0 && maxX > minX && maxZ > minZ, 'a grid has an area');
    this.cellSize = cellSize;
    this.minX = Math.fround(minX);
    this.minZ = Math.fround(minZ);
    this.maxX = Math.fround(maxX);
    this.maxZ = Math.fround(maxZ);
    this.firstCellX = Math.floor(this.minX / cellSize);
    this.firstCellZ = Math.floor(this.minZ / cellSize);
    this.insideX = below(this.maxX);
    this.insideZ = below(this.maxZ);
    this.width = Math.floor(this.insideX / cellSize) - this.firstCellX + 1;
    this.depth = Math.floor(this.insideZ / cellSize) - this.firstCellZ + 1;
    this.cellCount = this.width * this.depth;
  }

  /** The cell of a position inside the bounds. */
  cellAt(x: number, z: number): CellIndex {
    const column = Math.floor(x / this.cellSize) - this.firstCellX;
    const row = Math.floor(z / this.cellSize) - this.firstCellZ;
    return (row * this.width + column) as CellIndex;
  }

  columnOf(cell: CellIndex): number {
    return cell % this.width;
  }

  rowOf(cell: CellIndex): number {
    return Math.floor(cell / this.width);
  }

  /** The lower corner of a cell, in metres. */
  cellMinX(cell: CellIndex): number {
    return (this.columnOf(cell) + this.firstCellX) * this.cellSize;
  }

  cellMinZ(cell: CellIndex): number {
    return (this.rowOf(cell) + this.firstCellZ) * this.cellSize;
  }

  centreX(cell: CellIndex): number {
    return this.cellMinX(cell) + this.cellSize / 2;
  }

  centreZ(cell: CellIndex): number {
    return this.cellMinZ(cell) + this.cellSize / 2;
  }

  /** The nearest position inside the bounds; a position that is not a number becomes the lower corner. */
  clampX(x: number): number {
    return x >= this.minX ? Math.min(Math.fround(x), this.insideX) : this.minX;
  }

  clampZ(z: number): number {
    return z >= this.minZ ? Math.min(Math.fround(z), this.insideZ) : this.minZ;
  }
}

/** The f32 next below a value: one step of its bit pattern, towards zero or away from it by sign. */
function below(value: number): number {
  const float = new Float32Array([value]);
  const bits = new Int32Array(float.buffer);
  if (value === 0) return -1.401298464324817e-45;
  bits[0]! += value > 0 ? -1 : 1;
  return float[0]!;
}
