/** A field's value for people, on one line. */
import { formatBytes } from './format.ts';

const TEXT_SHOWN_MAX = 160;

export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return '…';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(3);
  if (typeof value === 'string') return `“${value}”`;
  if (value instanceof Uint8Array) return describeBytes(value.length, [...value]);
  if (Array.isArray(value)) return describeItems(value.length, value);
  if (typeof value !== 'object') return String(value);
  const { count, first } = value as { readonly count: number; readonly first: readonly unknown[] };
  const areBytes = count > 0 && first.every((item) => typeof item === 'number');
  return areBytes ? describeBytes(count, first as readonly number[]) : describeItems(count, first);
}

function describeBytes(count: number, first: readonly number[]): string {
  const hex = first.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return shorten(`${formatBytes(count)}: ${hex}`, first.length < count);
}

function describeItems(count: number, items: readonly unknown[]): string {
  if (count === 0) return 'empty';
  const texts = items.map((item) =>
    Object.entries(item as Record<string, unknown>)
      .map(([name, value]) => `${name} ${describeValue(value)}`)
      .join(', '),
  );
  return shorten(`${count} ${count === 1 ? 'item' : 'items'}: ${texts.join(' · ')}`, items.length < count);
}

function shorten(text: string, isCut: boolean): string {
  if (text.length > TEXT_SHOWN_MAX) return `${text.slice(0, TEXT_SHOWN_MAX)} …`;
  return isCut ? `${text} …` : text;
}
