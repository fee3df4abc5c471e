/** The `meta` table: what a journal says about itself, one checked value a row. */
import { crc32c } from '../base/crc32c.ts';
import type { Database } from './journal-schema.ts';

/** Blobs are ledgers. */
export interface Meta {
  /** The file's own ledger. */
  readonly ledger: Uint8Array;
  /** The incarnation that wrote last; 0 before the first. */
  readonly incarnation: number;
  /** Position of the last batch. */
  readonly position: number;
  /** Last number given to a durable message of this ledger. */
  readonly message_number: number;
  /** UTC, for people. */
  readonly created_at_ms: number;
  /** Absolute path of the folder that the file was made in, to tell a copy. */
  readonly folder: string;
  /** The ledger that took this one over: the file is history. */
  readonly taken_by?: Uint8Array;
  readonly taken_at_ms?: number;
}
export type MetaKey = keyof Meta;
type Value = number | string | Uint8Array;

const KEYS: ReadonlySet<unknown> = new Set<MetaKey>([
  'ledger',
  'incarnation',
  'position',
  'message_number',
  'created_at_ms',
  'folder',
  'taken_by',
  'taken_at_ms',
]);
const NUMBERS: readonly MetaKey[] = ['incarnation', 'position', 'message_number', 'created_at_ms'];
const encoder = new TextEncoder();

export function putMeta(database: Database, key: MetaKey, value: Value): void {
  database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?, ?)').run(...metaRow(key, value));
}

/** Key, value and checksum: CRC-32C of `key=value` in UTF-8, numbers in decimal, blobs in lower-case hex. */
export function metaRow(key: MetaKey, value: Value): [key: string, value: Value | bigint, checksum: number] {
  const text = typeof value === 'object' ? Buffer.from(value).toString('hex') : String(value);
  // The column takes any type; a number that is bound as it is would be stored as a float.
  const stored = typeof value === 'number' ? BigInt(value) : value;
  return [key, stored, crc32c(encoder.encode(`${key}=${text}`))];
}

/** @returns what is there, or the key of the value that is damaged or missing; 'key' when the key itself is damaged. */
export function readMeta(database: Database): Meta | MetaKey | 'key' {
  const rows = database.prepare('SELECT key, value, checksum FROM meta').raw().all() as [unknown, unknown, unknown][];
  const meta: Partial<Record<MetaKey, Value>> = {};
  for (const [key, value, checksum] of rows) {
    const isValue = typeof value === 'string' || typeof value === 'number' || value instanceof Uint8Array;
    if (!isKey(key)) return 'key';
    if (!isValue || !isInteger(value) || metaRow(key, value)[2] !== checksum) return key;
    meta[key] = value;
  }
  if (!(meta.ledger instanceof Uint8Array) || meta.ledger.length !== 16) return 'ledger';
  if (typeof meta.folder !== 'string') return 'folder';
  const missing = NUMBERS.find((key) => typeof meta[key] !== 'number');
  return missing ?? (meta as unknown as Meta);
}

function isKey(key: unknown): key is MetaKey {
  return KEYS.has(key);
}

function isInteger(value: Value): boolean {
  return typeof value !== 'number' || Number.isSafeInteger(value);
}
