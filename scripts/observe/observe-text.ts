/** What a run of `npm run observe` found, for people. */
import type { SpanName } from '../../src/base/handover-span.ts';
import { SPAN_PARENTS } from '../../src/base/handover-span.ts';
import type { ObserveResult } from './observe-run.ts';
import type { CollectedSpan } from './span-collector.ts';

const BAR_CHARACTERS = 40;

export function observeText(result: ObserveResult): string {
  const { promtool, targets, ruleCount, brokenRules, levels, alert, trace, traceCommand, audit } = result;
  const shown = Object.entries(levels).map(([name, value]) => `  ${name.padEnd(38)} ${numberText(value)}`);
  return [
    'Rules',
    ...promtool.map((line) => `  ${line}`),
    `  ${ruleCount} rules at work in Prometheus, ${brokenRules.length} of them broken`,
    '',
    'Targets',
    ...targets.map(({ instance, health }) => `  ${instance.padEnd(24)} ${health}`),
    '',
    'Measured',
    ...shown,
    '',
    'One handover of a player, at the collector',
    ...traceLines(trace),
    '',
    `$ ${traceCommand.command}`,
    indented(handoverOf(traceCommand.output, trace[0]?.traceId ?? '')),
    '',
    'An alert',
    `  ${alert.name} fired ${result.firedAfterSeconds.toFixed(1)} s after the node was killed: ${alert.summary}`,
    '  (alerts wait for 1 s here, instead of the time that the rules give them)',
    `  ${alert.runbook}`,
    '$ worldmesh status',
    indented(result.status),
    `  the node is started again; the alert is over ${result.clearedAfterSeconds.toFixed(1)} s later`,
    `$ worldmesh audit   (exit ${audit.code})`,
    indented(audit.output),
  ].join('\n');
}

/** The part of `worldmesh trace --spans` about one handover. */
function handoverOf(output: string, traceId: string): string {
  return output.split('\n\n').find((part) => part.includes(traceId)) ?? output;
}

/** As a tree, with bars on one axis of time. */
export function traceLines(trace: readonly CollectedSpan[]): string[] {
  const spans = new Map(trace.map((span) => [span.name as SpanName, span]));
  const startNanos = trace.reduce((least, { start }) => (start < least ? start : least), trace[0]?.start ?? 0n);
  const endNanos = trace.reduce((most, { end }) => (end > most ? end : most), 0n);
  const lengthMs = millisecondsOf(endNanos - startNanos);
  const [first] = trace;
  const head = `  trace ${first?.traceId}, entity ${first?.attributes['worldmesh.entity']}, seq ${first?.attributes['worldmesh.seq']}`;
  const names = (Object.keys(SPAN_PARENTS) as SpanName[]).filter((name) => spans.has(name));
  return [
    head,
    ...names.map((name) => {
      const { node, start, end } = spans.get(name)!;
      const fromMs = millisecondsOf(start - startNanos);
      const tookMs = millisecondsOf(end - start);
      const label = `${'  '.repeat(depthOf(name))}${name}`;
      const times = `+${fromMs.toFixed(2).padStart(7)} ms ${tookMs.toFixed(2).padStart(7)} ms`;
      return `  ${label.padEnd(16)} ${node.padEnd(3)} ${times}  ${barText({ fromMs, tookMs, lengthMs })}`;
    }),
  ];
}

function barText({ fromMs, tookMs, lengthMs }: { fromMs: number; tookMs: number; lengthMs: number }): string {
  const scale = BAR_CHARACTERS / Math.max(lengthMs, 0.001);
  const before = Math.min(BAR_CHARACTERS - 1, Math.floor(fromMs * scale));
  return ' '.repeat(before) + '─'.repeat(Math.max(1, Math.round(tookMs * scale)));
}

function depthOf(name: SpanName): number {
  const parent = SPAN_PARENTS[name];
  return parent === undefined ? 0 : 1 + depthOf(parent);
}

function millisecondsOf(nanos: bigint): number {
  return Number(nanos) / 1e6;
}

function numberText(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return 'nothing yet';
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

function indented(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
