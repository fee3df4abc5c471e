/** A publication as sinks are given it. */
import type { Publication } from '../../../src/main/outbox/sink.ts';

export function publication(entity: number, number: number, data: unknown = { price: number }): Publication {
  const at = '2026-11-21T09:00:00.000Z';
  return { id: `${entity}:${number}`, entity, number, name: 'sold', at, cluster: 'c1', world: 'w', node: 'a', data };
}
