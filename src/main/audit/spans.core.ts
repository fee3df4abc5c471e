/**
 * The handovers of a timeline as spans, with the ids under which a collector has them: what the journals know of each, whether or not it was
 * one of the share that is traced. Journals count milliseconds, each by the clock of its node, and know nothing of gateways and clients.
 */
import { SPAN_PARENTS } from '../../base/handover-span.ts';
import type { SpanName } from '../../base/handover-span.ts';
import { spanIdOf, traceIdOf } from '../telemetry/trace-ids.ts';
import { idText } from './finding.ts';
import type { TimelineLine } from './timeline.ts';

export interface JournalSpan {
  readonly name: SpanName;
  readonly node: string;
  /** UTC milliseconds; `endMs` is undefined while it lasts, or when its node wrote no end of it. */
  readonly startMs: number;
  readonly endMs: number | undefined;
  readonly spanId: string | undefined;
}

export interface HandoverTrace {
  readonly entity: number;
  readonly seq: number;
  readonly session: number;
  /** Undefined where the directory is not known: the ids are derived from the cluster's. */
  readonly traceId: string | undefined;
  readonly source: string;
  readonly target: string;
  readonly outcome: 'done' | 'reclaimed' | 'in doubt';
  readonly spans: readonly JournalSpan[];
}

/** From a line of history to a line of history. */
const ENDS: readonly (readonly [name: SpanName, start: string, end: string])[] = [
  ['handover', 'source released', 'source confirmed'],
  ['journal', 'source released', 'source stable'],
  ['wire', 'source sent', 'source accepted'],
  ['accept', 'target accepted', 'target accepted'],
  ['confirm', 'source sent', 'source confirmed'],
  ['commit', 'target accepted', 'target confirmed'],
];

export function handoverTraces(lines: readonly TimelineLine[], clusterId: string | undefined): HandoverTrace[] {
  const handovers = new Map<string, TimelineLine[]>();
  for (const line of lines) {
    if (line.transferSeq === 0) continue;
    // Whoever comes back has the right to act anew: the next seq.
    const seq = line.stage === 'source reclaimed' ? line.seq - 1 : line.seq;
    const key = `${line.entity} ${seq}`;
    const known = handovers.get(key);
    if (known === undefined) handovers.set(key, [line]);
    else known.push(line);
  }
  return [...handovers.values()].flatMap((ofOne) => traceOf(ofOne, clusterId) ?? []);
}

/** Undefined when its release is in no journal any more, or is of a transfer back. */
function traceOf(lines: readonly TimelineLine[], clusterId: string | undefined): HandoverTrace | undefined {
  const at = (stage: string): TimelineLine | undefined => lines.find((line) => line.stage === stage);
  const released = at('source released');
  if (released === undefined) return undefined;
  const { entity, seq, node, peer } = released;
  const session = Math.max(...lines.map((line) => line.session));
  const traceId = clusterId === undefined ? undefined : traceIdOf(clusterId, { entity, seq });
  const spans = ENDS.flatMap(([name, startStage, endStage]): JournalSpan[] => {
    const start = at(startStage);
    if (start === undefined) return [];
    const spanId = traceId === undefined ? undefined : spanIdOf(traceId, name);
    return [{ name, node: start.node, startMs: start.atMs, endMs: at(endStage)?.atMs, spanId }];
  });
  const isDone = at('source confirmed') !== undefined || at('source done') !== undefined;
  const outcome = at('source reclaimed') ? 'reclaimed' : isDone ? 'done' : 'in doubt';
  return { entity, seq, session, traceId, source: node, target: peer, outcome, spans };
}

export function tracesText(
  traces: readonly HandoverTrace[],
  paint: (style: 'bold' | 'dim', text: string) => string,
): string {
  if (traces.length === 0) return 'No handover between nodes is in the journals.';
  return traces
    .map(({ entity, seq, session, traceId, source, target, outcome, spans }) => {
      const ofSession = session === 0 ? '' : `, session ${idText(session)}`;
      const head = `handover of ${idText(entity)} seq ${seq}${ofSession}: ${source} to ${target}, ${outcome}`;
      const id = traceId === undefined ? [] : [paint('dim', `trace ${traceId}`)];
      const firstMs = spans[0]?.startMs ?? 0;
      return [paint('bold', head), ...id, ...spans.map((span) => spanText(span, firstMs))].join('\n');
    })
    .join('\n\n');
}

function spanText({ name, node, startMs, endMs, spanId }: JournalSpan, firstMs: number): string {
  const indent = '  '.repeat(1 + depthOf(name));
  const duration = endMs === undefined ? 'no end yet' : `${endMs - startMs} ms`;
  const start = `+${startMs - firstMs} ms`;
  return `${(indent + name).padEnd(16)} ${node.padEnd(12)} ${start.padEnd(9)} ${duration.padEnd(10)} ${spanId ?? ''}`.trimEnd();
}

function depthOf(name: SpanName): number {
  const parent = SPAN_PARENTS[name];
  return parent === undefined ? 0 : 1 + depthOf(parent);
}
