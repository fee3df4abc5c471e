/**
 * What `worldmesh outbox replay` asks of a node: a file in the node's folder, which the node takes when it runs, now or later. Whoever
 * may write there may ask.
 *
 *   command: outbox-replay.json.<pid> ──rename──▶ outbox-replay.json ──node: read, obey, remove──▶ –
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { publicationFrom, publicationText } from './delivery.ts';
import type { PublicationId } from './protocol.ts';

const REQUEST_FILE = 'outbox-replay.json';
const REQUEST_BYTES_MAX = 1 << 20;

/** `undefined` is all that are parked. */
export interface ReplayRequest {
  readonly ids: readonly PublicationId[] | undefined;
}

/** Leaves a request, in place of one that waits. */
export function writeReplayRequest(folder: string, { ids }: ReplayRequest): void {
  const file = path.join(folder, REQUEST_FILE);
  const own = `${file}.${process.pid}`;
  writeFileSync(own, `${JSON.stringify({ ids: ids?.map(publicationText) ?? 'all' })}\n`);
  renameSync(own, file);
}

/** Whether one waits. */
export function hasReplayRequest(folder: string): boolean {
  return existsSync(path.join(folder, REQUEST_FILE));
}

/** The request that waits, or undefined; a file that is none is 'unreadable'. */
export function readReplayRequest(folder: string): ReplayRequest | 'unreadable' | undefined {
  const file = path.join(folder, REQUEST_FILE);
  if (!existsSync(file)) return undefined;
  if (statSync(file).size > REQUEST_BYTES_MAX) return 'unreadable';
  return parse(readFileSync(file, 'utf8'));
}

export function removeReplayRequest(folder: string): void {
  rmSync(path.join(folder, REQUEST_FILE), { force: true });
}

function parse(text: string): ReplayRequest | 'unreadable' {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'unreadable';
  }
  const ids = typeof value === 'object' && value !== null && 'ids' in value ? value.ids : undefined;
  if (ids === 'all') return { ids: undefined };
  if (!Array.isArray(ids)) return 'unreadable';
  const parsed = ids.map((id) => (typeof id === 'string' ? publicationFrom(id) : undefined));
  return parsed.every((id) => id !== undefined) ? { ids: parsed } : 'unreadable';
}
