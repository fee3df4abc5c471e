/**
 * The outside: takes publications, is down at times, refuses some. What a process has sent arrives also when the process dies
 * meanwhile; it hears of it only if it lives.
 */
import type { EntityId } from '../../src/base/brand.ts';
import type { PublicationRow } from '../../src/peer/protocol.ts';
import { fail } from './checkers.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

const BATCH_MAX = 8;
const RETRY_MS = 40;
const DOWN_CHANCE = 0.1;
/** One in so many is refused until the world is healed. */
const REFUSED_EVERY = 13;

interface Heard {
  /** The greatest number. */
  last: number;
  readonly bodies: Map<number, string>;
  readonly refused: Set<number>;
}

export class Sink {
  readonly #world: World;
  readonly #heard = new Map<EntityId, Heard>();
  readonly #offered = new Map<Process, PublicationRow[]>();
  readonly #busy = new Set<Process>();
  taken = 0;
  repeated = 0;

  constructor(world: World) {
    this.#world = world;
  }

  offer(process: Process, rows: readonly PublicationRow[]): void {
    const offered = this.#offered.get(process);
    if (offered === undefined) this.#offered.set(process, [...rows]);
    else offered.push(...rows);
    if (!this.#busy.has(process)) this.#pump(process);
  }

  /** A command of an operator, again and again: nothing stays parked. */
  replayAll(): void {
    for (const { process } of this.#world.machines) process?.tellCore({ kind: 'publicationsReplayed', ids: undefined });
  }

  /** One batch after the other, as the delivery thread does it. */
  #pump(process: Process): void {
    const { queue, random, isHealed } = this.#world;
    const offered = this.#offered.get(process) ?? [];
    if (!process.isAlive || offered.length === 0) {
      this.#busy.delete(process);
      if (!process.isAlive) this.#offered.delete(process);
      return;
    }
    this.#busy.add(process);
    if (process.isPaused || (!isHealed && random.next() < DOWN_CHANCE)) {
      queue.after(RETRY_MS, () => this.#pump(process));
      return;
    }
    const batch = offered.splice(0, BATCH_MAX);
    queue.after(random.between(0.2, 8), () => {
      const refused = batch.filter((row) => this.#isRefused(row));
      const taken = batch.filter((row) => !refused.includes(row));
      for (const row of batch) this.#take(process, row, refused.includes(row));
      queue.after(random.between(0.2, 3), () => {
        if (taken.length > 0) process.tellCore({ kind: 'publicationsTaken', ids: taken });
        if (refused.length > 0) process.tellCore({ kind: 'publicationsRefused', ids: refused });
        this.#pump(process);
      });
    });
  }

  #isRefused({ entity, number }: PublicationRow): boolean {
    return !this.#world.isHealed && (entity + number) % REFUSED_EVERY === 0;
  }

  #take(process: Process, { entity, number, body }: PublicationRow, isRefused: boolean): void {
    let heard = this.#heard.get(entity);
    if (heard === undefined) this.#heard.set(entity, (heard = { last: 0, bodies: new Map(), refused: new Set() }));
    if (isRefused) {
      heard.refused.add(number);
      return;
    }
    const before = heard.bodies.get(number);
    const { count } = JSON.parse(body) as { count: number };
    if (count !== number) fail('C13', `${process.name} delivers ${number}, whose state counts ${count}`, entity);
    if (before !== undefined) {
      this.repeated++;
      if (before !== body) fail('C13', `${process.name} delivers ${number} with another content`, entity);
      return;
    }
    for (let missing = heard.last + 1; missing < number; missing++) {
      if (!heard.refused.has(missing)) fail('C13', `${process.name} delivers ${number} before ${missing}`, entity);
    }
    if (number < heard.last && !heard.refused.has(number))
      fail('C13', `${process.name} delivers ${number} after ${heard.last}`, entity);
    this.taken++;
    heard.bodies.set(number, body);
    heard.last = Math.max(heard.last, number);
  }

  /** Everything that this entity ever published, stably, was delivered. */
  checkComplete(entity: EntityId, published: number): void {
    const bodies = this.#heard.get(entity)?.bodies;
    for (let number = 1; number <= published; number++) {
      if (bodies?.has(number) !== true) fail('C13', `publication ${number} of ${published} is lost`, entity);
    }
  }
}
