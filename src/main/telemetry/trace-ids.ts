/**
 * Ids of a trace, derived from what every process of a cluster knows of a handover: the cluster, the entity and its ownership seq. So
 * source, target, gateway and command line agree on them without a byte in any protocol, and also after a restart.
 */
import { createHash } from 'node:crypto';
import type { SpanName } from '../../base/handover-span.ts';

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/** 32 hexadecimal digits. An ownership seq is never reused, so a handover has its id alone. */
export function traceIdOf(
  clusterId: string,
  { entity, seq }: { readonly entity: number; readonly seq: number },
): string {
  return digest(`worldmesh handover ${clusterId} ${entity} ${seq}`, TRACE_ID_BYTES);
}

/** 16 hexadecimal digits: in a trace every span has another name. */
export function spanIdOf(traceId: string, name: SpanName): string {
  return digest(`${traceId} ${name}`, SPAN_ID_BYTES);
}

/** Fields of a log line about a handover, with the id of its trace. */
export function withTrace<Fields extends Readonly<Record<string, unknown>>>(
  fields: Fields,
  clusterId: string | undefined,
): Fields & { readonly trace?: string } {
  const { entity, seq } = fields;
  if (clusterId === undefined || typeof entity !== 'number' || typeof seq !== 'number') return fields;
  return { ...fields, trace: traceIdOf(clusterId, { entity, seq }) };
}

function digest(text: string, bytes: number): string {
  return createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, 2 * bytes);
}
