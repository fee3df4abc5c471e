/**
 * Which land is whose, from this node's point of view: which cells are foreign, and how far a position is from the cells
 * of a node. Distances are looked for in the cells around a position only, as far as anybody asks.
 */
import type { Grid } from '../memory/grid.ts';

/** Cells of nobody: not simulated, and nothing is handed over to them. */
export const NOBODY = 255;

/** Where the nearest point of a node's land is; reused. */
export interface Nearest {
  /** Metres; Infinity when there is none within reach. */
  distance: number;
  /** The nearest point of that land. */
  x: number;
  z: number;
}

export class Territory {
  readonly #grid: Grid;
  readonly #owners: Uint8Array;
  /** Cells looked at on each side of a position's own. */
  readonly #ring: number;
  foreignCells: Uint32Array = new Uint32Array();
  readonly nearest: Nearest = { distance: 0, x: 0, z: 0 };

  /** @param reach The greatest distance that anybody asks for, in metres. */
  constructor({ grid, owners, reach }: { grid: Grid; owners: Uint8Array; reach: number }) {
    this.#grid = grid;
    this.#owners = owners;
    this.#ring = Math.ceil(reach / grid.cellSize);
    this.ownersChanged();
  }

  /** After a change of `owners`. */
  ownersChanged(): void {
    const foreign: number[] = [];
    for (let cell = 0; cell < this.#owners.length; cell++) if (this.#owners[cell] !== 0) foreign.push(cell);
    this.foreignCells = Uint32Array.from(foreign);
  }

  /** Finds the land of `node` (0: this one) that is nearest to a position, and leaves it in `nearest`. */
  findNearest(x: number, z: number, node: number): number {
    const grid = this.#grid;
    const { cellSize, width, depth, firstCellX, firstCellZ } = grid;
    const column = Math.floor(x / cellSize) - firstCellX;
    const row = Math.floor(z / cellSize) - firstCellZ;
    const ring = this.#ring;
    let best = Infinity;
    const nearest = this.nearest;
    for (let r = Math.max(0, row - ring); r <= Math.min(depth - 1, row + ring); r++) {
      for (let c = Math.max(0, column - ring); c <= Math.min(width - 1, column + ring); c++) {
        if (this.#owners[r * width + c] !== node) continue;
        const minX = (c + firstCellX) * cellSize;
        const minZ = (r + firstCellZ) * cellSize;
        const nearX = Math.min(Math.max(x, minX), minX + cellSize);
        const nearZ = Math.min(Math.max(z, minZ), minZ + cellSize);
        const squared = (x - nearX) ** 2 + (z - nearZ) ** 2;
        if (squared >= best) continue;
        best = squared;
        nearest.x = nearX;
        nearest.z = nearZ;
      }
    }
    nearest.distance = Math.sqrt(best);
    return nearest.distance;
  }
}
