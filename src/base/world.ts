/**
 * A world module: one file that declares a game and exports `defineWorld({...})` as its default.
 *
 * Everything is typed from the declaration: systems see typed columns, inputs and events their fields, and a client
 * that imports the module's type sees typed entities. docs/WORLD-MODULES.md is the reference.
 */
import type { CellIndex, EntityId, Slot } from './brand.ts';
import type { Field, Fields, ValueOf, ValuesOf } from './fields.ts';
import type { Schema } from './schema.ts';
import { checkWorld } from './world-check.ts';

export type ComponentsDeclaration = { readonly [component: string]: Fields };
export type EventsDeclaration = { readonly [event: string]: Fields };
export type ParamsDeclaration = { readonly [param: string]: number };
export interface KindDeclaration<ComponentName extends string = string> {
  readonly components: readonly ComponentName[];
  /** m/s. An input that makes an entity of this kind faster is clamped and counted. */
  readonly speedMax?: number;
  /** Clients never see entities of this kind. */
  readonly hidden?: boolean;
  /** Under overload, entities of this kind are no longer spawned, and thinned (docs/WORLD-MODULES.md). */
  readonly sheddable?: boolean;
}
export type KindsDeclaration<C> = { readonly [kind: string]: KindDeclaration<Extract<keyof C, string>> };

/** How systems see a field: one typed array over all slots, or an accessor for text, bytes and lists. */
export type Column<F> =
  F extends Field<'text' | 'bytes' | 'list'>
    ? { get(slot: number): ValueOf<F>; set(slot: number, value: ValueOf<F>): void }
    : F extends Field<'i8'>
      ? Int8Array
      : F extends Field<'u8' | 'bool'>
        ? Uint8Array
        : F extends Field<'i16'>
          ? Int16Array
          : F extends Field<'u16'>
            ? Uint16Array
            : F extends Field<'i32'>
              ? Int32Array
              : F extends Field<'u32'>
                ? Uint32Array
                : F extends Field<'f32'>
                  ? Float32Array
                  : Float64Array;
export type Columns<C> = { readonly [Name in keyof C]: { readonly [F in keyof C[Name]]: Column<C[Name][F]> } };

/** One entity as an object: for inputs and events, where one entity at a time is in work. */
export type Self<C> = {
  readonly id: EntityId;
  readonly slot: Slot;
  x: number;
  z: number;
  vx: number;
  vz: number;
} & { readonly [Name in keyof C]: ValuesOf<C[Name]> };

/** Start values of an entity; what is left out is zero, empty or false. */
export type Init<C> = { x: number; z: number; vx?: number; vz?: number } & {
  readonly [Name in keyof C]?: { readonly [F in keyof C[Name]]?: InitValue<ValueOf<C[Name][F]>> };
};
type InitValue<Value> = Value extends (infer Item)[] ? readonly Readonly<Item>[] : Value;

/**
 * What a system works with: one cell in one tick. The rows of `slots[first … end)` are its to write; entities of
 * other cells can be found with `near` and read through `seen`, as they were at the start of the tick.
 */
export interface Cell<C, K, E, P, O = any> {
  readonly index: CellIndex;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  readonly tick: number;
  /** Seconds in one tick. */
  readonly dt: number;
  readonly ticksPerSecond: number;
  readonly params: P;

  /** The entities in work: slots[first], …, slots[end - 1], all of one kind. Empty in a system without `kinds`. */
  readonly slots: Uint32Array;
  readonly first: number;
  readonly end: number;

  readonly id: Float64Array;
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly vx: Float32Array;
  readonly vz: Float32Array;
  /** 1 + session index where a client controls the entity, else 0. */
  readonly session: Uint32Array;
  /** The kind of each slot, as an index; see `kindIndex`. */
  readonly kind: Uint8Array;
  readonly columns: Columns<C>;
  /** Columns of components declared `shared`, as they were at the start of the tick, for entities of any cell. */
  readonly seen: Columns<C>;

  kindIndex(kind: keyof K): number;
  /** The number of entities of a kind in this cell at the start of the tick. */
  count(kind: keyof K): number;
  /** A pseudo-random number in [0, 1), the same for the same seed, cell and tick. */
  random(): number;
  /** True while the server is overloaded and sheds sheddable kinds: hold back. */
  readonly shedding: boolean;

  /**
   * Finds entities within `radius` metres (inclusive) of a point, as they were at the start of the tick, in any
   * cell; the entity itself is among them. Returns how many; read them from `found`, `foundX`, `foundZ`. At most 1,024.
   * The system must declare `near` at least as large as `radius`.
   */
  near(x: number, z: number, radius: number): number;
  readonly found: Uint32Array;
  readonly foundX: Float32Array;
  readonly foundZ: Float32Array;

  /** The id of the entity in a slot. */
  idOf(slot: number): EntityId;
  /** The slot of an entity on this node, or -1. In a cluster it may be a ghost: another node's, only to be read. */
  slotOf(id: EntityId): number;
  /** Adds an entity at the end of this tick. */
  spawn(kind: keyof K, init: Init<C>): void;
  /** Removes an entity of this cell at the end of this tick. */
  despawn(slot: number): void;
  /** Sends an event to an entity anywhere; its `on` handler runs in the next tick. Lost if the entity is gone by then. */
  emit<Name extends keyof E>(target: EntityId, event: Name, payload: ValuesOf<E[Name]>): void;
  /**
   * Writes an entity of this cell to disk at the end of this tick. The event, if there is one, is sent to it when it is
   * there: what it stands for then survives a crash. On a node without a journal the event comes in the next tick.
   */
  durable<Name extends keyof E>(slot: number, event?: Name, payload?: ValuesOf<E[Name]>): void;
  /**
   * Tells the outside of an entity of this cell (audit, analytics): on disk together with what the entity is at the end of this
   * tick, then delivered to the node's sink at least once, in order per entity (docs/OUTBOX.md).
   * @throws CapacityError when the outbox is full.
   */
  publish<Name extends keyof O>(slot: number, publication: Name, payload: ValuesOf<O[Name]>): void;
  /** Tells the clients that have this entity in view. */
  announce<Name extends keyof E>(slot: number, event: Name, payload: ValuesOf<E[Name]>): void;
}

export interface System<C, K, E, P, O = any> {
  /** Runs once per cell and kind with entities of these kinds. Without it, once per cell, empty cells included. */
  readonly kinds?: readonly (keyof K)[];
  /** The greatest radius that `near` is called with, in metres; at most half a cell. */
  readonly near?: number;
  run(cell: Cell<C, K, E, P, O>): void;
}

export interface JoinContext<P> {
  /** The player's name as sent by the client, trimmed, at most 32 bytes. */
  readonly name: string;
  /** The account from the client's token, or the empty string in open mode. */
  readonly account: string;
  readonly tick: number;
  readonly params: P;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  random(): number;
}

export interface WorldDeclaration<C, K, I, E, P, O = any> {
  readonly name: string;
  readonly version: number;
  /** Metres: the side of the square world, centred on the origin. The setting `worldSize` overrides it. */
  readonly size: number;
  /** What happens at the edge of the world: velocity is reflected, or set to zero. */
  readonly edge?: 'bounce' | 'stop';
  /**
   * What happens to an entity that crossed into another node's land and cannot be handed over, once it is `overhang`
   * metres past the border: its velocity is reflected ('turn', the default), or loses what points outwards ('stop').
   */
  readonly overhang?: 'turn' | 'stop';
  readonly components: C;
  readonly kinds: K;
  readonly input?: {
    readonly fields: I;
    /** Applies one input to the player's entity; runs on the server and, for prediction, on the client. */
    apply(self: Self<C>, input: ValuesOf<I>): void;
  };
  readonly events?: E;
  /** What world code tells the outside with `publish`. */
  readonly publications?: O;
  /** Numbers an operator may set with `--param name=value`; these are the defaults. */
  readonly params?: P;
  readonly systems: { readonly [system: string]: System<C, K, E, P, O> };
  /** Handlers for events sent with `emit`. */
  readonly on?: {
    readonly [Name in keyof E]?: (self: Self<C>, event: ValuesOf<E[Name]>, cell: Cell<C, K, E, P, O>) => void;
  };
  /** Runs once per cell in the first tick of a new world, to populate it. */
  start?(cell: Cell<C, K, E, P, O>): void;
  /** The entity that a new player gets. */
  join(context: JoinContext<P>): { readonly kind: keyof K } & Init<C>;
  /** How to read records of older versions: see docs/WORLD-MODULES.md. */
  readonly migrations?: { readonly [fromVersion: number]: Migration };
}

/** Maps the field values of an older version, as `component.field` → value, to this version's. */
export type Migration = (values: { readonly [path: string]: unknown }) => { readonly [path: string]: unknown };

/** A checked world: the declaration and its schema. */
export interface World<C = any, K = any, I = any, E = any, P = any, O = any> {
  readonly declaration: WorldDeclaration<C, K, I, E, P, O>;
  readonly schema: Schema;
}

/** The names and values a client sees: `ClientTypes<typeof world>`. */
export type ComponentsOf<W> = W extends World<infer C, any, any, any, any> ? C : never;
export type KindNamesOf<W> = W extends World<any, infer K, any, any, any> ? Extract<keyof K, string> : never;
export type InputOf<W> = W extends World<any, any, infer I, any, any> ? ValuesOf<I> : never;
export type EventsOf<W> = W extends World<any, any, any, infer E, any> ? { [N in keyof E]: ValuesOf<E[N]> } : never;

/**
 * Declares a world.
 * @throws ModuleError naming the field and what is allowed there.
 */
export function defineWorld<
  const C extends ComponentsDeclaration,
  const K extends KindsDeclaration<C>,
  const I extends Fields = Record<never, never>,
  const E extends EventsDeclaration = Record<never, never>,
  const P extends ParamsDeclaration = Record<never, never>,
  const O extends EventsDeclaration = Record<never, never>,
>(
  declaration: WorldDeclaration<C, K, I, E, { readonly [N in keyof P]: number }, O> & { params?: P },
): World<C, K, I, E, { readonly [N in keyof P]: number }, O> {
  return { declaration, schema: checkWorld(declaration) };
}
