/** Hashes of the whole world's state between ticks: what a recording holds, and what tests of determinism compare. */
import { columnNames, hashCell } from '../memory/state-hash.ts';
import type { Store } from '../memory/store.ts';

export interface StateHashes {
  /** Of everything. */
  readonly totalHash: number;
  /** By cell index. */
  readonly cellHashes: Uint32Array;
  /** By column, in the order of `columnNames(schema)`. */
  readonly columnHashes: Uint32Array;
  /** By slot, up to the highest ever used; 0 where free. */
  readonly entityHashes: Uint32Array;
}

export class StateHasher {
  readonly #store: Store;
  readonly #columnCount: number;

  constructor(store: Store) {
    this.#store = store;
    this.#columnCount = columnNames(store.schema).length;
  }

  hash(): StateHashes {
    const store = this.#store;
    const cells = store.grid.cellCount;
    const cellHashes = new Uint32Array(cells);
    const columnHashes = new Uint32Array(this.#columnCount);
    store.entityHashes.fill(0, 0, store.slotsHigh);
    let totalHash = 0;
    for (let cell = 0; cell < cells; cell++) {
      cellHashes[cell] = hashCell(store, cell, { entityHashes: store.entityHashes, columnHashes });
      totalHash = (Math.imul(totalHash, 31) + cellHashes[cell]!) >>> 0;
    }
    const entityHashes = store.entityHashes.slice(0, store.slotsHigh);
    return { totalHash, cellHashes, columnHashes, entityHashes };
  }
}
