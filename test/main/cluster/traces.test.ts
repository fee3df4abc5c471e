/** One handover of a player between two real processes, as a collector sees it. */
import test from 'ava';
import { SPAN_PARENTS } from '../../../src/base/handover-span.ts';
import type { SpanName } from '../../../src/base/handover-span.ts';
import { spanIdOf } from '../../../src/main/telemetry/trace-ids.ts';
import { SpanCollector } from '../../../scripts/observe/span-collector.ts';
import type { CollectedSpan } from '../../../scripts/observe/span-collector.ts';
import { TallyClient } from '../../fixtures/tally-client.ts';
import { isPlaying, SessionCluster, until } from './session-cluster.ts';

const TIMEOUT_MS = 240_000;
const SPEED = 12;
const NAMES = Object.keys(SPAN_PARENTS) as SpanName[];
const SOURCE_SPANS: readonly SpanName[] = ['handover', 'capture', 'journal', 'wire', 'confirm', 'snapshot', 'client'];
/** Two processes of one host, each with its own idea of when a millisecond turns. */
const CLOCKS_DIFFER_NANOS = 500_000n;

test('spans of source, target and gateway are one tree, with times that can be', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using collector = await SpanCollector.open();
  await using cluster = await SessionCluster.start(['--otlp-url', collector.url, '--trace-share', '1']);
  using client = new TallyClient('west 1');
  client.connect(cluster.url('west'));
  await isPlaying(client);
  client.vx = SPEED;
  let trace: readonly CollectedSpan[] | undefined;
  await until(
    () => `a whole trace among ${collector.traces.map((spans) => spans.map(({ name }) => name).join('+')).join(', ')}`,
    () => {
      trace = collector.traces.find(({ length }) => length === NAMES.length);
      return trace !== undefined;
    },
  );
  const spans = new Map(trace!.map((span) => [span.name as SpanName, span]));
  t.deepEqual([...spans.keys()].sort(), NAMES.toSorted());
  const root = spans.get('handover')!;
  t.log(
    trace!
      .map(
        ({ name, node, start, end }) =>
          `${name}@${node} ${Number(start - root.start) / 1e6} +${Number(end - start) / 1e6} ms`,
      )
      .join('\n'),
  );
  t.is(root.attributes['worldmesh.entity'], String(client.id));
  t.is(root.problem, undefined);
  for (const name of NAMES) {
    const span = spans.get(name)!;
    const parent = SPAN_PARENTS[name];
    t.is(span.traceId, root.traceId);
    t.is(span.spanId, spanIdOf(root.traceId, name));
    t.is(span.parentSpanId, parent && spanIdOf(root.traceId, parent), name);
    t.is(span.node === root.node, SOURCE_SPANS.includes(name), `${name} of ${span.node}`);
    t.is(span.attributes['worldmesh.entity'], root.attributes['worldmesh.entity']);
    t.is(span.attributes['worldmesh.seq'], root.attributes['worldmesh.seq']);
    t.true(span.end >= span.start, name);
    t.true(span.end - span.start < 5_000_000_000n, name);
    if (parent === undefined) continue;
    t.true(span.start + CLOCKS_DIFFER_NANOS >= spans.get(parent)!.start, `${name} begins after its parent ${parent}`);
  }
  const { accept, wire, commit, confirm, journal } = Object.fromEntries(spans) as Record<SpanName, CollectedSpan>;
  t.true(journal.end <= wire.start, 'nothing is sent before it is stable');
  t.true(accept.end <= wire.end + CLOCKS_DIFFER_NANOS && commit.end <= confirm.end + CLOCKS_DIFFER_NANOS);
  const ageNanos = BigInt(Date.now()) * 1_000_000n - root.start;
  t.true(ageNanos > 0n && ageNanos < 120_000_000_000n, 'on the clock of everybody');
});
