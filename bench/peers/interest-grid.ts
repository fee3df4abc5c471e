/**
 * Who sees whom among people numbered from 0, for the side whose framework leaves that to the game: a grid of cells as wide as the
 * radius, made anew in each tick by a counting sort, and a list for each person of who was in view before.
 */
export interface InterestChanges {
  enter(observer: number, other: number): void;
  leave(observer: number, other: number): void;
}

export class InterestGrid {
  readonly #radius: number;
  readonly #leavingRadius: number;
  readonly #half: number;
  readonly #width: number;
  readonly #starts: Uint32Array;
  readonly #cursors: Uint32Array;
  readonly #order: Uint32Array;
  readonly #cells: Uint32Array;
  /** For each pair, whether the second is in view of the first. */
  readonly #isInView: Uint8Array;
  readonly #inView: number[][];
  readonly #people: number;

  constructor({ people, worldSize, radius, hysteresis }: InterestOptions) {
    this.#people = people;
    this.#radius = radius;
    this.#leavingRadius = radius + hysteresis;
    this.#half = worldSize / 2;
    this.#width = Math.max(1, Math.floor(worldSize / this.#leavingRadius));
    this.#starts = new Uint32Array(this.#width ** 2 + 1);
    this.#cursors = new Uint32Array(this.#starts.length);
    this.#order = new Uint32Array(people);
    this.#cells = new Uint32Array(people);
    this.#isInView = new Uint8Array(people * people);
    this.#inView = Array.from({ length: people }, () => []);
  }

  /** Compares who is in view now with who was. `isPresent` says who takes part. */
  update(x: Float64Array, z: Float64Array, isPresent: Uint8Array, changes: InterestChanges): void {
    this.#sort(x, z, isPresent);
    for (let observer = 0; observer < this.#people; observer++) {
      if (isPresent[observer] === 0) continue;
      this.#dropFar(observer, { x, z, isPresent, changes });
      this.#addNear(observer, { x, z, changes });
    }
  }

  /** Forgets whom this person saw; others lose sight of them in the next update. */
  forget(observer: number): void {
    for (const other of this.#inView[observer]!) this.#isInView[observer * this.#people + other] = 0;
    this.#inView[observer] = [];
  }

  #sort(x: Float64Array, z: Float64Array, isPresent: Uint8Array): void {
    const starts = this.#starts.fill(0);
    for (let person = 0; person < this.#people; person++) {
      if (isPresent[person] === 0) continue;
      const cell = this.#column(z[person]!) * this.#width + this.#column(x[person]!);
      this.#cells[person] = cell;
      starts[cell + 1]!++;
    }
    for (let cell = 1; cell < starts.length; cell++) starts[cell]! += starts[cell - 1]!;
    this.#cursors.set(starts);
    for (let person = 0; person < this.#people; person++) {
      if (isPresent[person] !== 0) this.#order[this.#cursors[this.#cells[person]!]!++] = person;
    }
  }

  #dropFar(observer: number, { x, z, isPresent, changes }: Positions & { isPresent: Uint8Array }): void {
    const limit = this.#leavingRadius ** 2;
    const list = this.#inView[observer]!;
    let kept = 0;
    for (const other of list) {
      const distance = (x[other]! - x[observer]!) ** 2 + (z[other]! - z[observer]!) ** 2;
      if (isPresent[other] !== 0 && distance <= limit) {
        list[kept++] = other;
        continue;
      }
      this.#isInView[observer * this.#people + other] = 0;
      changes.leave(observer, other);
    }
    list.length = kept;
  }

  #addNear(observer: number, { x, z, changes }: Positions): void {
    const limit = this.#radius ** 2;
    const ownX = x[observer]!;
    const ownZ = z[observer]!;
    const left = this.#column(ownX - this.#radius);
    const right = this.#column(ownX + this.#radius);
    const last = this.#column(ownZ + this.#radius);
    for (let row = this.#column(ownZ - this.#radius); row <= last; row++) {
      // The cells of a row lie side by side.
      const first = this.#starts[row * this.#width + left]!;
      const end = this.#starts[row * this.#width + right + 1]!;
      for (let at = first; at < end; at++) {
        const other = this.#order[at]!;
        if ((x[other]! - ownX) ** 2 + (z[other]! - ownZ) ** 2 > limit) continue;
        if (this.#isInView[observer * this.#people + other] === 1) continue;
        this.#isInView[observer * this.#people + other] = 1;
        this.#inView[observer]!.push(other);
        changes.enter(observer, other);
      }
    }
  }

  /** Or row: the square is as wide as it is deep. */
  #column(position: number): number {
    const column = Math.floor(((position + this.#half) / (2 * this.#half)) * this.#width);
    return Math.min(this.#width - 1, Math.max(0, column));
  }
}

interface InterestOptions {
  readonly people: number;
  readonly worldSize: number;
  readonly radius: number;
  readonly hysteresis: number;
}

interface Positions {
  readonly x: Float64Array;
  readonly z: Float64Array;
  readonly changes: InterestChanges;
}
