/**
 * The schema of a world: which components, kinds, inputs and events exist, as plain data. A world module declares it
 * (world.ts), the store lays its columns out from it, the wire encodes by it, and clients receive it as JSON.
 *
 * Invariant: everything here survives JSON, and two modules with equal schemas have equal hashes.
 */
export const FIELD_TYPES = [
  'bool',
  'i8',
  'u8',
  'i16',
  'u16',
  'i32',
  'u32',
  'f32',
  'f64',
  'entity',
  'text',
  'bytes',
  'list',
] as const;
export type FieldType = (typeof FIELD_TYPES)[number];
export type ScalarType = Exclude<FieldType, 'text' | 'bytes' | 'list'>;

/** One named value of a component, an input, an event or a list item. */
export interface FieldSchema {
  readonly name: string;
  readonly type: FieldType;
  /** Numbers: the least and greatest value a client may send; replication quantizes within them. */
  readonly min?: number;
  readonly max?: number;
  /** f32 and f64 with min and max: the step in which the value is sent to clients. */
  readonly precision?: number;
  /** text and bytes: the size limit in bytes of UTF-8 or data. */
  readonly bytesMax?: number;
  /** list: the greatest number of items, and the fields of each item. */
  readonly countMax?: number;
  readonly item?: readonly FieldSchema[];
}

export type Visibility = 'all' | 'owner' | 'none';

export interface ComponentSchema {
  readonly name: string;
  readonly index: number;
  /** Which clients are sent this component: everyone in view, only the session that owns the entity, or nobody. */
  readonly visible: Visibility;
  /** Readable by systems of other cells, as of the start of the tick. */
  readonly shared: boolean;
  readonly fields: readonly FieldSchema[];
}

export interface KindSchema {
  readonly name: string;
  readonly index: number;
  readonly components: readonly number[];
  /** Bit i is set when the kind has component i. */
  readonly componentMask: number;
  /** m/s; an input that makes the entity faster is clamped and counted. Zero means no limit. */
  readonly speedMax: number;
  /** Clients never see a hidden kind. */
  readonly hidden: boolean;
  /** Shed under overload: not spawned, and thinned. */
  readonly sheddable: boolean;
}

export interface EventSchema {
  readonly name: string;
  readonly index: number;
  readonly fields: readonly FieldSchema[];
}

export interface Schema {
  readonly name: string;
  /** Grows with each incompatible or extending change of the components. */
  readonly version: number;
  /** Of everything else in the schema; 32 bits. */
  readonly hash: number;
  readonly components: readonly ComponentSchema[];
  readonly kinds: readonly KindSchema[];
  readonly input: readonly FieldSchema[];
  readonly events: readonly EventSchema[];
}

/** Limits of what a module may declare; the record and the wire use one byte or one 32-bit mask for these. */
export const COMPONENTS_MAX = 32;
export const KINDS_MAX = 32;
export const EVENTS_MAX = 64;
export const FIELDS_MAX = 64;
export const TEXT_BYTES_MAX = 255;
export const BYTES_MAX = 1024;
export const LIST_COUNT_MAX = 4096;
export const INPUT_BYTES_MAX = 64;
export const EVENT_BYTES_MAX = 256;

const SCALAR_SIZE_BYTES: Record<ScalarType, number> = {
  bool: 1,
  i8: 1,
  u8: 1,
  i16: 2,
  u16: 2,
  i32: 4,
  u32: 4,
  f32: 4,
  f64: 8,
  entity: 8,
};

export function isScalar(type: FieldType): type is ScalarType {
  return type !== 'text' && type !== 'bytes' && type !== 'list';
}

export function scalarSizeBytes(type: ScalarType): number {
  return SCALAR_SIZE_BYTES[type];
}

/** The greatest packed size of a field's value: text and bytes carry a u16 length, a list a u16 count. */
export function fieldSizeBytesMax(field: FieldSchema): number {
  if (isScalar(field.type)) return scalarSizeBytes(field.type);
  if (field.type === 'list') return 2 + (field.countMax ?? 0) * fieldsSizeBytesMax(field.item ?? []);
  return 2 + (field.bytesMax ?? 0);
}

export function fieldsSizeBytesMax(fields: readonly FieldSchema[]): number {
  let sizeBytes = 0;
  for (const field of fields) sizeBytes += fieldSizeBytesMax(field);
  return sizeBytes;
}

/** The natural range of a number type, for clamping and validation. */
export function naturalRange(type: ScalarType): { min: number; max: number } {
  switch (type) {
    case 'bool':
      return { min: 0, max: 1 };
    case 'i8':
      return { min: -128, max: 127 };
    case 'u8':
      return { min: 0, max: 255 };
    case 'i16':
      return { min: -32768, max: 32767 };
    case 'u16':
      return { min: 0, max: 65535 };
    case 'i32':
      return { min: -2147483648, max: 2147483647 };
    case 'u32':
      return { min: 0, max: 4294967295 };
    case 'entity':
      return { min: 0, max: Number.MAX_SAFE_INTEGER };
    case 'f32':
    case 'f64':
      return { min: -3.4e38, max: 3.4e38 };
  }
}

/** FNV-1a over the canonical JSON of the schema's data. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    hash = Math.imul(hash ^ (code & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (code >>> 8), 0x01000193);
  }
  return hash >>> 0;
}
