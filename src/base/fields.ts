/**
 * The words a world module declares its fields with. Each returns a description that carries the value's type, so
 * that systems, inputs and clients are typed by the module itself.
 */
import type { EntityId } from './brand.ts';
import type { FieldType, Visibility } from './schema.ts';

declare const valueType: unique symbol;

/** A field declaration. `Value` is what reads and writes of one entity's field see; it exists for the compiler only. */
export interface Field<Type extends FieldType = FieldType, Value = unknown> {
  readonly type: Type;
  readonly min?: number;
  readonly max?: number;
  readonly precision?: number;
  readonly bytesMax?: number;
  readonly countMax?: number;
  readonly item?: Fields;
  readonly [valueType]?: Value;
}

export type Fields = { readonly [name: string]: Field };

export interface IntegerOptions {
  readonly min?: number;
  readonly max?: number;
}
export interface FloatOptions extends IntegerOptions {
  readonly precision?: number;
}

/** The value of one field: a number, a boolean, an EntityId, a string, bytes, or an array of items. */
export type ValueOf<F> = F extends Field<FieldType, infer Value> ? Value : never;
/** An object with the value of each field. */
export type ValuesOf<F> = { -readonly [Name in keyof F]: ValueOf<F[Name]> };

export function bool(): Field<'bool', boolean> {
  return { type: 'bool' };
}
export function i8(options: IntegerOptions = {}): Field<'i8', number> {
  return { type: 'i8', ...options };
}
export function u8(options: IntegerOptions = {}): Field<'u8', number> {
  return { type: 'u8', ...options };
}
export function i16(options: IntegerOptions = {}): Field<'i16', number> {
  return { type: 'i16', ...options };
}
export function u16(options: IntegerOptions = {}): Field<'u16', number> {
  return { type: 'u16', ...options };
}
export function i32(options: IntegerOptions = {}): Field<'i32', number> {
  return { type: 'i32', ...options };
}
export function u32(options: IntegerOptions = {}): Field<'u32', number> {
  return { type: 'u32', ...options };
}
export function f32(options: FloatOptions = {}): Field<'f32', number> {
  return { type: 'f32', ...options };
}
export function f64(options: FloatOptions = {}): Field<'f64', number> {
  return { type: 'f64', ...options };
}
/** A reference to an entity by its id; 0 is none. It may dangle: look it up before use. */
export function entity(): Field<'entity', EntityId> {
  return { type: 'entity' };
}
/** Text of at most `bytesMax` bytes of UTF-8 (at most 255), stored in the row. */
export function text(bytesMax: number): Field<'text', string> {
  return { type: 'text', bytesMax };
}
/** Raw data of at most `bytesMax` bytes (at most 1,024), stored in the row. */
export function bytes(bytesMax: number): Field<'bytes', Uint8Array> {
  return { type: 'bytes', bytesMax };
}
/** A list of at most `max` items, such as an inventory; stored in the heap, whose size is the setting `heapBytes`. */
export function list<const Item extends Fields>(
  item: Item,
  options: { readonly max: number },
): Field<'list', ValuesOf<Item>[]> {
  return { type: 'list', item, countMax: options.max };
}

export const COMPONENT_OPTIONS: unique symbol = Symbol('worldmesh component options');

export interface ComponentOptions {
  readonly visible?: Visibility;
  readonly shared?: boolean;
}

/** Adds options to a component: who is sent it (`visible`), and whether systems of other cells may read it (`shared`). */
export function component<const F extends Fields, const O extends ComponentOptions>(
  fields: F,
  options: O,
): F & { readonly [COMPONENT_OPTIONS]?: O } {
  return Object.defineProperty({ ...fields }, COMPONENT_OPTIONS, { value: options, enumerable: false });
}

export function componentOptionsOf(fields: object): ComponentOptions {
  return (fields as { [COMPONENT_OPTIONS]?: ComponentOptions })[COMPONENT_OPTIONS] ?? {};
}
