/**
 * Spans as OTLP/HTTP with JSON (opentelemetry-proto 1.x, ExportTraceServiceRequest): ids in hexadecimal digits, 64-bit integers and times
 * as text, enumerations as numbers.
 */
import { SPAN_PARENTS } from '../../base/handover-span.ts';
import type { HandoverSpan, SpanName } from '../../base/handover-span.ts';
import { spanIdOf, traceIdOf } from './trace-ids.ts';

/** Who says it. */
export interface TraceResource {
  readonly clusterId: string;
  readonly world: string;
  /** Name of the node. */
  readonly node: string;
  readonly incarnation: number;
  readonly release: string;
  readonly pid: number;
}

const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const;
const KINDS: Readonly<Partial<Record<SpanName, number>>> = { wire: SPAN_KIND.client, accept: SPAN_KIND.server };
const STATUS_ERROR = 2;
const NANOS_PER_MICRO = 1000n;
const SCOPE = 'worldmesh.handover';

/** @param offsetMs from the monotonic clock to UTC. */
export function encodeSpans(
  spans: readonly HandoverSpan[],
  { resource, offsetMs }: { readonly resource: TraceResource; readonly offsetMs: number },
): string {
  const { world, node, incarnation, release, pid } = resource;
  const attributes = [
    text('service.name', 'worldmesh'),
    text('service.namespace', world),
    text('service.instance.id', `${node}:${incarnation}`),
    text('service.version', release),
    text('worldmesh.node', node),
    whole('process.pid', pid),
  ];
  const scope = { name: SCOPE, version: release };
  const encoded = spans.map((span) => spanOf(span, { clusterId: resource.clusterId, offsetMs }));
  return JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope, spans: encoded }] }] });
}

function spanOf(
  span: HandoverSpan,
  { clusterId, offsetMs }: { readonly clusterId: string; readonly offsetMs: number },
): object {
  const { name, entity, seq, session, node, startMs, endMs, retries, problem } = span;
  const traceId = traceIdOf(clusterId, span);
  const parent = SPAN_PARENTS[name];
  const attributes = [whole('worldmesh.entity', entity), whole('worldmesh.seq', seq)];
  if (session !== 0) attributes.push(whole('worldmesh.session', session));
  if (node !== 0) attributes.push(whole('worldmesh.peer', node));
  if (retries !== undefined) attributes.push(whole('worldmesh.retries', retries));
  return {
    traceId,
    spanId: spanIdOf(traceId, name),
    ...(parent !== undefined && { parentSpanId: spanIdOf(traceId, parent) }),
    name,
    kind: KINDS[name] ?? SPAN_KIND.internal,
    startTimeUnixNano: nanos(startMs + offsetMs),
    endTimeUnixNano: nanos(Math.max(startMs, endMs) + offsetMs),
    attributes,
    ...(problem !== undefined && { status: { code: STATUS_ERROR, message: problem } }),
  };
}

/** A double has microseconds of our days, and no more. */
function nanos(utcMs: number): string {
  return String(BigInt(Math.round(utcMs * 1000)) * NANOS_PER_MICRO);
}

function text(key: string, value: string): object {
  return { key, value: { stringValue: value } };
}

function whole(key: string, value: number): object {
  return { key, value: { intValue: String(value) } };
}
