/** What simulating each cell costs, for viewers: microseconds of a tick, the snapshots for its players included. */
import type { SessionIndex } from '../base/brand.ts';
import type { Store } from '../memory/store.ts';

/** Weight of the newest look in the mean; it looks four times a second, and cells are measured in one tick of seven. */
const SMOOTHING = 0.1;

export class CellLoads {
  readonly #store: Store;
  readonly #costsBefore: Float64Array;
  readonly #sessionsBefore: Float64Array;
  readonly #meanUs: Float64Array;
  readonly #newUs: Float64Array;
  #tickBefore: number;

  constructor(store: Store) {
    this.#store = store;
    this.#costsBefore = new Float64Array(store.costs.cells);
    this.#sessionsBefore = new Float64Array(store.costs.sessions);
    this.#meanUs = new Float64Array(store.grid.cellCount);
    this.#newUs = new Float64Array(store.grid.cellCount);
    this.#tickBefore = store.control.tick;
  }

  /** By cell, whole microseconds; the means of the last seconds. */
  read(): number[] {
    const { control } = this.#store;
    const ticks = control.tick - this.#tickBefore;
    if (ticks > 0) this.#look(ticks);
    return Array.from(this.#meanUs, Math.round);
  }

  #look(ticks: number): void {
    const { costs, sessions, columns, control } = this.#store;
    this.#tickBefore = control.tick;
    for (let cell = 0; cell < this.#newUs.length; cell++) {
      const total = costs.cells[cell]!;
      this.#newUs[cell] = total - this.#costsBefore[cell]!;
      this.#costsBefore[cell] = total;
    }
    for (let session = 0; session < sessions.capacity; session++) {
      const total = costs.sessions[session]!;
      const slot = sessions.slotPlusOne(session as SessionIndex) - 1;
      if (slot >= 0) this.#newUs[columns.cell[slot]!]! += total - this.#sessionsBefore[session]!;
      this.#sessionsBefore[session] = total;
    }
    for (let cell = 0; cell < this.#newUs.length; cell++) {
      this.#meanUs[cell]! += SMOOTHING * (this.#newUs[cell]! / ticks - this.#meanUs[cell]!);
    }
  }
}
