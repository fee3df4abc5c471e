/**
 * What the peer thread has for the conductor: straight into the arrivals ring, or, when that is full, in order behind what
 * waits already.
 *
 * An activation is never dropped: the entity is this node's. It waits here, bounded by the credits that were granted for it.
 * Ghosts are dropped when too much waits; `onGhostsDropped` then asks for them anew.
 */
import type {
  Activation,
  ArrivedEvent,
  ArrivedInput,
  ArrivedJoin,
  ArrivedRebind,
  ArrivedSessionState,
} from '../memory/arrivals.ts';
import {
  writeActivate,
  writeArrivedInput,
  writeArrivedJoin,
  writeDurable,
  writeEvent,
  writeGhosts,
  writeOwnership,
  writePopulate,
  writeRebind,
  writeSchema,
  writeSessionLeave,
  writeSessionState,
  writeSubscribe,
} from '../memory/arrivals.ts';
import type { Ring } from '../memory/ring.ts';

const GHOSTS_WAITING_MAX = 256;
/** Inputs and states beyond it are dropped, as from a full input ring. */
const WAITING_MAX = 65_536;

export class ArrivalQueue {
  readonly #ring: Ring;
  readonly #waiting: (() => boolean)[] = [];
  readonly #onGhostsDropped: (node: number) => void;
  #first = 0;

  constructor(ring: Ring, onGhostsDropped: (node: number) => void) {
    this.#ring = ring;
    this.#onGhostsDropped = onGhostsDropped;
  }

  get waiting(): number {
    return this.#waiting.length - this.#first;
  }

  /** Writes what fits now. */
  flush(): void {
    while (this.#first < this.#waiting.length && this.#waiting[this.#first]?.() === true) this.#first++;
    if (this.#first === this.#waiting.length || this.#first > WAITING_MAX) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
  }

  activate(activation: Activation): void {
    this.#put(() => writeActivate(this.#ring, activation));
  }

  ghosts(node: number, bytes: Uint8Array): void {
    if (this.waiting === 0 && writeGhosts(this.#ring, { node, bytes })) return;
    if (this.waiting >= GHOSTS_WAITING_MAX) {
      this.#onGhostsDropped(node);
      return;
    }
    const kept = bytes.slice();
    this.#waiting.push(() => writeGhosts(this.#ring, { node, bytes: kept }));
  }

  subscribe(node: number, cells: Uint32Array): void {
    this.#put(() => writeSubscribe(this.#ring, { node, cells }));
  }

  ownership(owners: Uint8Array): void {
    this.#put(() => writeOwnership(this.#ring, { owners }));
  }

  schema(text: string): void {
    this.#put(() => writeSchema(this.#ring, { text }));
  }

  populate(cells: Uint32Array): void {
    this.#put(() => writePopulate(this.#ring, { cells }));
  }

  join(player: ArrivedJoin): void {
    this.#put(() => writeArrivedJoin(this.#ring, player));
  }

  input(input: ArrivedInput): void {
    if (this.waiting < WAITING_MAX) this.#put(() => writeArrivedInput(this.#ring, input));
  }

  sessionState(state: ArrivedSessionState): void {
    if (this.waiting < WAITING_MAX) this.#put(() => writeSessionState(this.#ring, state));
  }

  rebind(rebind: ArrivedRebind): void {
    this.#put(() => writeRebind(this.#ring, rebind));
  }

  sessionLeave(session: number): void {
    this.#put(() => writeSessionLeave(this.#ring, { session }));
  }

  /** Sent again by its sender until it has acted. */
  event(event: ArrivedEvent): void {
    if (this.waiting < WAITING_MAX) this.#put(() => writeEvent(this.#ring, event));
  }

  durable(number: number): void {
    this.#put(() => writeDurable(this.#ring, { number }));
  }

  #put(write: () => boolean): void {
    if (this.waiting === 0 && write()) return;
    this.#waiting.push(write);
  }
}
