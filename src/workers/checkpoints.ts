/**
 * What the journal is told of owned entities: births and what must be on disk soon at once, everything else in turn, so that
 * each entity is told within `checkpointMs`. Who did not change since is left out.
 *
 * Entities take their turns in the order of their ids, which is the order of the journal's pages: what one tick writes then lies on
 * few pages, and a commit writes few.
 *
 * When the ring is full, or a tick has spent CHECKPOINT_MS_MAX on it, the rest waits for the next tick.
 */
import type { EntityId, SessionIndex, Slot } from '../base/brand.ts';
import { performance } from 'node:perf_hooks';
import { writeCheckpoint, writeDurableWish } from '../memory/departures.ts';
import type { PublicationDraft } from '../memory/departures.ts';
import type { Store } from '../memory/store.ts';
import type { Passengers } from './passengers.ts';
import type { RecordBuffer } from './record-buffer.ts';

const CONDUCTOR = 0;
const CHECKPOINT_MS_MAX = 2;
const CLOCK_EVERY = 32;
const CRC_BYTES = 4;
const NO_PUBLICATIONS: readonly PublicationDraft[] = [];

export interface CheckpointParts {
  readonly store: Store;
  readonly passengers: Passengers;
  readonly records: RecordBuffer;
}

interface Wish {
  readonly number: number;
  readonly slot: number;
  readonly id: number;
  readonly seq: number;
}

export class Checkpointer {
  readonly #parts: CheckpointParts;
  readonly #share: number;
  /** By slot: a hash of what was told last, and whether a checkpoint is wanted at once. */
  readonly #told: Uint32Array;
  readonly #isWanted: Uint8Array;
  readonly #hasRecord: Uint8Array;
  #wanted: number[] = [];
  #wishes: Wish[] = [];
  /** By slot: what goes to the journal with the next that is told of the entity. */
  readonly #publications = new Map<number, PublicationDraft[]>();
  #publicationCount = 0;
  /** The ids of this round in order, and the next in turn. */
  readonly #round: Float64Array;
  #roundCount = 0;
  #next = 0;
  /** Rows to be looked at, with a fraction of one. */
  #due = 0;

  /** @param share Of all rows, how many are looked at in one tick. */
  constructor(parts: CheckpointParts, { share }: { share: number }) {
    this.#parts = parts;
    this.#share = share;
    const { entitiesMax } = parts.store.options;
    this.#told = new Uint32Array(entitiesMax);
    this.#round = new Float64Array(entitiesMax);
    this.#isWanted = new Uint8Array(entitiesMax);
    this.#hasRecord = new Uint8Array(entitiesMax);
  }

  /** At the end of this tick, or as soon as there is room. */
  want(slot: number): void {
    this.#told[slot] = 0;
    if (this.#isWanted[slot] === 1) return;
    this.#isWanted[slot] = 1;
    this.#wanted.push(slot);
  }

  /** And say when it is on disk. */
  wish(slot: number, number: number): void {
    const { columns } = this.#parts.store;
    this.want(slot);
    this.#wishes.push({ number, slot, id: columns.id[slot]!, seq: columns.ownershipSeq[slot]! });
  }

  /** With what the entity is at the end of this tick. */
  publish(slot: number, draft: PublicationDraft): void {
    const drafts = this.#publications.get(slot);
    if (drafts === undefined) this.#publications.set(slot, [draft]);
    else drafts.push(draft);
    this.#publicationCount++;
    this.want(slot);
  }

  /** To be written with the next that is told of the entity; `told` when it is. */
  publicationsOf(slot: number): readonly PublicationDraft[] {
    return this.#publications.get(slot) ?? NO_PUBLICATIONS;
  }

  /** They are in the ring, or in good hands. */
  published(slot: number): void {
    if (this.#publicationCount === 0) return;
    this.#publicationCount -= this.publicationsOf(slot).length;
    this.#publications.delete(slot);
  }

  /** Publications that had no room in the ring in this tick. */
  get heldPublications(): number {
    return this.#publicationCount;
  }

  /** The row belongs to an entity that the journal has: it came by a handover, or is about to go. */
  known(slot: number): void {
    this.#told[slot] = 0;
    this.#hasRecord[slot] = 1;
  }

  /** The row is empty now. Returns whether the journal knows the entity. */
  forget(slot: number): boolean {
    const isKnown = this.#hasRecord[slot] === 1;
    this.#hasRecord[slot] = 0;
    this.#told[slot] = 0;
    return isKnown;
  }

  /** Writes the checkpoint of a player who leaves; false when the ring is full. Its row can then be freed. */
  writeAtRest(slot: Slot): boolean {
    const { store, passengers, records } = this.#parts;
    const { columns, departures } = store;
    const record = records.encode(slot) ?? records.encode(slot);
    // Too large to travel: stays in the world for ever rather than be lost.
    if (record === undefined) return false;
    const written = writeCheckpoint(departures, {
      id: columns.id[slot]!,
      seq: columns.ownershipSeq[slot]!,
      passenger: passengers.of(slot, { isLeaving: true }),
      atRest: true,
      record,
      publications: this.publicationsOf(slot),
    });
    if (written) this.published(slot);
    return written;
  }

  run(): void {
    const endMs = performance.now() + CHECKPOINT_MS_MAX;
    if (!this.#writeWanted()) return;
    this.#writeWishes();
    const { idMap, columns } = this.#parts.store;
    if (this.#next >= this.#roundCount) this.#startRound();
    this.#due = Math.min(this.#roundCount, this.#due + this.#roundCount * this.#share);
    let looked = 0;
    while (this.#due >= 1 && this.#next < this.#roundCount) {
      const slot = idMap.get(this.#round[this.#next]! as EntityId);
      if (slot >= 0 && columns.ghostOf[slot] === 0 && !this.#write(slot)) return;
      this.#next++;
      this.#due--;
      if (++looked % CLOCK_EVERY === 0 && performance.now() > endMs) return;
    }
  }

  #startRound(): void {
    const { columns, slotsHigh } = this.#parts.store;
    let count = 0;
    for (let slot = 0; slot < slotsHigh; slot++) {
      if (columns.id[slot] !== 0 && columns.ghostOf[slot] === 0) this.#round[count++] = columns.id[slot]!;
    }
    this.#round.subarray(0, count).sort();
    this.#roundCount = count;
    this.#next = 0;
  }

  #writeWanted(): boolean {
    const { columns } = this.#parts.store;
    let done = 0;
    for (const slot of this.#wanted) {
      const isOwned = columns.id[slot] !== 0 && columns.ghostOf[slot] === 0;
      if (isOwned && !this.#write(slot)) break;
      this.#isWanted[slot] = 0;
      done++;
    }
    if (done > 0) this.#wanted = done === this.#wanted.length ? [] : this.#wanted.slice(done);
    return this.#wanted.length === 0;
  }

  #writeWishes(): void {
    const { departures } = this.#parts.store;
    let done = 0;
    for (const wish of this.#wishes) {
      if (!writeDurableWish(departures, wish)) break;
      done++;
    }
    if (done > 0) this.#wishes = this.#wishes.slice(done);
  }

  /** False when the ring is full. */
  #write(slot: number): boolean {
    const { store, passengers, records } = this.#parts;
    const { columns, sessions, departures, stats } = store;
    const publications = this.publicationsOf(slot);
    const record = records.encode(slot) ?? (publications.length > 0 ? records.encode(slot) : undefined);
    // What was published waits for a state that can be told.
    if (record === undefined) return publications.length === 0;
    const session = columns.session[slot]!;
    const lastInput = session === 0 ? 0 : sessions.inputSequence((session - 1) as SessionIndex);
    const hash = (checksumOf(record) ^ Math.imul(lastInput + 1, 0x9e37_79b1) ^ Math.imul(session, 0x85eb_ca6b)) >>> 0;
    if (hash !== 0 && this.#told[slot] === hash && publications.length === 0) return true;
    const passenger = passengers.of(slot);
    const id = columns.id[slot]!;
    const seq = columns.ownershipSeq[slot]!;
    if (!writeCheckpoint(departures, { id, seq, passenger, atRest: false, record, publications })) return false;
    this.published(slot);
    this.#told[slot] = hash;
    this.#hasRecord[slot] = 1;
    stats.add(CONDUCTOR, 'checkpoints', 1);
    return true;
  }
}

function checksumOf(record: Uint8Array): number {
  const at = record.length - CRC_BYTES;
  return record[at]! | (record[at + 1]! << 8) | (record[at + 2]! << 16) | (record[at + 3]! << 24);
}
