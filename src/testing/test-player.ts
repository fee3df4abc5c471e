/** A player of a test: what a gateway would do for a client, and what that client would hear. */
import type { EntityId, SessionIndex } from '../base/brand.ts';
import { packFields } from '../base/pack.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import type { EventsOf, InputOf } from '../base/world.ts';
import { writeInput, writeLeave } from '../memory/intake.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Store } from '../memory/store.ts';
import type { Snapshot } from '../wire/messages.ts';
import type { TestEntity, TestWorld } from './test-world.ts';

/** Something that `announce` told this player's client. */
export type HeardEvent<W> = {
  [Name in Extract<keyof EventsOf<W>, string>]: {
    readonly name: Name;
    /** Of the entity that was announced. */
    readonly id: EntityId;
    readonly payload: EventsOf<W>[Name];
  };
}[Extract<keyof EventsOf<W>, string>];

export class TestPlayer<W> {
  readonly name: string;
  /** All that was heard since the player joined, oldest first. */
  readonly heard: HeardEvent<W>[] = [];
  readonly #world: TestWorld<W>;
  readonly #store: Store;
  readonly #session: SessionIndex;
  readonly #generation: number;
  /** What each alias of the client's view stands for. */
  readonly #aliases = new Map<number, EntityId>();
  readonly #payload = new Uint8Array(INPUT_BYTES_MAX);
  #sequence = 0;
  #hasLeft = false;

  /** @internal Made by `TestWorld.join`. */
  constructor(world: TestWorld<W>, parts: { store: Store; session: SessionIndex; generation: number; name: string }) {
    this.#world = world;
    this.#store = parts.store;
    this.#session = parts.session;
    this.#generation = parts.generation;
    this.name = parts.name;
  }

  /** Undefined before the tick in which it comes into the world, and when it is gone. */
  get entity(): TestEntity<W> | undefined {
    const slot = this.#hasLeft ? -1 : this.#store.sessions.slotPlusOne(this.#session) - 1;
    return slot < 0 ? undefined : this.#world.entityAt(slot);
  }

  /** Entities that the client has in view, this player's own included. */
  get inView(): readonly EntityId[] {
    return [...this.#aliases.values()];
  }

  /** Acts in the next tick. What is left out is zero. @throws WireError for a value out of its range. */
  input(values: Partial<InputOf<W>>): void {
    if (this.#hasLeft) throw new Error(`${this.name} has left`);
    const fields = this.#store.schema.input;
    const payload = this.#payload.subarray(0, packFields(fields, values, this.#payload));
    this.#sequence++;
    const head = { session: this.#session, generation: this.#generation, sequence: this.#sequence, back: 0 };
    if (!writeInput(this.#store.inputRing, { ...head, payload })) throw new Error('too many inputs for one tick');
  }

  /** The entity is out of the world after the next tick. No effect the second time. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    writeLeave(this.#store.inputRing, { session: this.#session, generation: this.#generation });
    this.#store.sessions.setState(this.#session, SESSION_STATE.free);
    this.#aliases.clear();
  }

  /** @internal What the world wrote to this player's client. */
  hear(snapshot: Snapshot): void {
    if (this.#hasLeft) return;
    if (snapshot.keyframe) this.#aliases.clear();
    for (const alias of snapshot.leaves) this.#aliases.delete(alias);
    for (const { alias, id } of snapshot.enters) this.#aliases.set(alias, id);
    for (const { alias, event, values } of snapshot.events) {
      const id = this.#aliases.get(alias);
      const name = this.#store.schema.events[event]?.name;
      if (id !== undefined && name !== undefined) this.heard.push({ name, id, payload: values } as HeardEvent<W>);
    }
  }

  /** @internal */
  isSession(session: number, generation: number): boolean {
    return session === this.#session && generation === this.#generation;
  }
}
