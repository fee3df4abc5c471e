/** A form for the input of any world: which control each field gets, and what its text means. */
import { isScalar, naturalRange, type FieldSchema } from '../../src/base/schema.ts';

/** A slider over more whole steps than this cannot be aimed. */
const SLIDER_STEPS_MAX = 100_000;
/** A slider over fewer steps is coarse. */
const FLOAT_STEPS_MIN = 100;

export type Control =
  | {
      readonly kind: 'number';
      readonly name: string;
      readonly type: string;
      readonly min: number;
      readonly max: number;
      /** Of the slider; undefined: a slider makes no sense. */
      readonly step: number | undefined;
      readonly isWhole: boolean;
    }
  | { readonly kind: 'bool'; readonly name: string; readonly type: string }
  | { readonly kind: 'text' | 'bytes'; readonly name: string; readonly type: string; readonly bytesMax: number }
  | { readonly kind: 'entity'; readonly name: string; readonly type: string };

export type Parsed = { readonly value: unknown } | { readonly problem: string };

/** A list has no control: inputs hold none. */
export function controlsOf(fields: readonly FieldSchema[]): readonly Control[] {
  return fields.flatMap((field) => controlOf(field) ?? []);
}

function controlOf({ name, type, min, max, bytesMax }: FieldSchema): Control | undefined {
  if (type === 'bool' || type === 'entity') return { kind: type, name, type };
  if (type === 'text' || type === 'bytes') return { kind: type, name, type, bytesMax: bytesMax ?? 0 };
  if (!isScalar(type)) return undefined;
  const natural = naturalRange(type);
  const isWhole = type !== 'f32' && type !== 'f64';
  const range = { min: min ?? natural.min, max: max ?? natural.max };
  return { kind: 'number', name, type, ...range, step: sliderStep(range, isWhole), isWhole };
}

function sliderStep({ min, max }: { min: number; max: number }, isWhole: boolean): number | undefined {
  const span = max - min;
  if (isWhole) return span > 0 && span <= SLIDER_STEPS_MAX ? 1 : undefined;
  if (!(span > 0 && span <= 1e6)) return undefined;
  // A power of ten, so that the zero in the middle of a range is hit.
  return 10 ** Math.floor(Math.log10(span / FLOAT_STEPS_MIN));
}

/** What stands in a fresh form. */
export function initialText(control: Control): string {
  if (control.kind === 'number') return String(Math.min(control.max, Math.max(control.min, 0)));
  return control.kind === 'entity' ? '0' : '';
}

/** `text` of a bool is 'true' or 'false'; of bytes, pairs of hex digits; of an entity, an id, incarnation:counter, or 0 for none. */
export function parseControl(control: Control, text: string): Parsed {
  switch (control.kind) {
    case 'bool':
      return { value: text === 'true' };
    case 'number':
      return parseNumber(control, text);
    case 'entity': {
      const id = parseEntity(text);
      return id === undefined ? { problem: 'an entity id, such as 4294967297 or 1:1' } : { value: id };
    }
    case 'text':
      return new TextEncoder().encode(text).length > control.bytesMax
        ? { problem: `at most ${control.bytesMax} bytes` }
        : { value: text };
    case 'bytes':
      return parseBytes(text, control.bytesMax);
  }
}

function parseNumber({ min, max, isWhole }: Extract<Control, { kind: 'number' }>, text: string): Parsed {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) return { problem: 'a number' };
  if (isWhole && !Number.isInteger(value)) return { problem: 'a whole number' };
  if (value < min || value > max) return { problem: `from ${shortNumber(min)} to ${shortNumber(max)}` };
  return { value };
}

/** Undefined when it is none. */
export function parseEntity(text: string): number | undefined {
  const parts = /^\s*(?:(\d{1,7}):)?(\d{1,16})\s*$/.exec(text);
  if (parts === null) return undefined;
  const counter = Number(parts[2]);
  if (parts[1] !== undefined && counter >= 2 ** 32) return undefined;
  const id = Number(parts[1] ?? 0) * 2 ** 32 + counter;
  return Number.isSafeInteger(id) ? id : undefined;
}

/** `incarnation:counter`, as every command takes it. */
export function idText(id: number): string {
  return `${Math.floor(id / 2 ** 32)}:${id % 2 ** 32}`;
}

function parseBytes(text: string, bytesMax: number): Parsed {
  const digits = text.replaceAll(/\s/g, '');
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) return { problem: 'pairs of hex digits' };
  if (digits.length / 2 > bytesMax) return { problem: `at most ${bytesMax} bytes` };
  return { value: Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)) };
}

export function shortNumber(value: number): string {
  return Math.abs(value) >= 1e15 ? value.toExponential(1) : String(Number(value.toPrecision(12)));
}
