/**
 * What a viewer may ask over its feed, as JSON. Whatever is none of these closes the connection.
 *
 *   {"type":"viewport", minX, minZ, maxX, maxZ, entitiesMax}   the part of the world to be sent
 *   {"type":"inspect", "slot" | "id"}                          one entity, live, from now on; without either: none
 *   {"type":"trace", "entity" | "session"}                     its way through this node's journal
 */
import { readViewport } from './overview-frames.wire.ts';
import type { Viewport } from './overview-frames.wire.ts';

export interface TraceSubject {
  readonly kind: 'entity' | 'session';
  readonly id: number;
}

export type OverviewRequest =
  | { readonly type: 'viewport'; readonly viewport: Viewport }
  | { readonly type: 'inspect'; readonly by: 'slot' | 'id'; readonly value: number }
  | { readonly type: 'inspectNone' }
  | { readonly type: 'trace'; readonly subject: TraceSubject };

/** Undefined for what is no request. */
export function readRequest(text: string, entitiesMax: number): OverviewRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The caller closes the connection.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const table = value as Record<string, unknown>;
  switch (table['type']) {
    case 'viewport': {
      const viewport = readViewport(table, entitiesMax);
      return viewport && { type: 'viewport', viewport };
    }
    case 'inspect':
      return readInspect(table);
    case 'trace': {
      const kind = 'entity' in table ? 'entity' : 'session';
      const id = table[kind];
      return isId(id) ? { type: 'trace', subject: { kind, id } } : undefined;
    }
    default:
      return undefined;
  }
}

function readInspect(table: Readonly<Record<string, unknown>>): OverviewRequest | undefined {
  const { id, slot } = table;
  if (id === undefined && slot === undefined) return { type: 'inspectNone' };
  if (slot === undefined) return isId(id) ? { type: 'inspect', by: 'id', value: id } : undefined;
  return Number.isSafeInteger(slot) && (slot as number) >= 0
    ? { type: 'inspect', by: 'slot', value: slot as number }
    : undefined;
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
