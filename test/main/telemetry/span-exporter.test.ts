/** Spans on their way to a collector that is there, refuses, is late or is gone. */
import test from 'ava';
import { SpanCollector } from '../../../scripts/observe/span-collector.ts';
import { SpanBuffer } from '../../../src/base/handover-span.ts';
import type { HandoverSpan } from '../../../src/base/handover-span.ts';
import { monotonicMs } from '../../../src/base/monotonic.ts';
import type { Log } from '../../../src/main/log.ts';
import { encodeSpans } from '../../../src/main/telemetry/otlp.wire.ts';
import { QUEUE_SPANS_MAX, SpanExporter } from '../../../src/main/telemetry/span-exporter.ts';
import { spanIdOf, traceIdOf, withTrace } from '../../../src/main/telemetry/trace-ids.ts';
import { until } from '../../net/fixture.ts';

const RESOURCE = { clusterId: 'ab', world: 'harbour', node: 'a', incarnation: 3, release: '0.1.0', pid: 7 };

function span(entity: number): HandoverSpan {
  return { name: 'wire', entity, seq: 2, session: 5, node: 1, startMs: monotonicMs() - 2, endMs: monotonicMs() };
}

function spansFrom(first: number, count: number): HandoverSpan[] {
  return Array.from({ length: count }, (_, index) => span(first + index));
}

function collectingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const say = (message: string): void => void lines.push(message);
  return { log: { debug: say, info: say, warn: say, error: say }, lines };
}

test('a span in JSON is what OTLP says, with ids that everybody derives', (t) => {
  const failed: HandoverSpan = {
    name: 'handover',
    entity: 2 ** 33 + 1,
    seq: 4,
    session: 0,
    node: 2,
    startMs: 1000.25,
    endMs: 1001.5,
    retries: 1,
    problem: 'rejected',
  };
  const offsetMs = 1_700_000_000_000;
  const text = encodeSpans([failed, { ...failed, name: 'accept' }], { resource: RESOURCE, offsetMs });
  const { resourceSpans } = JSON.parse(text) as {
    resourceSpans: { resource: { attributes: object[] }; scopeSpans: { spans: Record<string, unknown>[] }[] }[];
  };
  t.deepEqual(resourceSpans[0]!.resource.attributes[0], {
    key: 'service.name',
    value: { stringValue: 'worldmesh' },
  });
  const [root, accept] = resourceSpans[0]!.scopeSpans[0]!.spans;
  const traceId = traceIdOf('ab', failed);
  t.regex(traceId, /^[0-9a-f]{32}$/);
  t.deepEqual(root, {
    traceId,
    spanId: spanIdOf(traceId, 'handover'),
    name: 'handover',
    kind: 1,
    startTimeUnixNano: '1700000001000250000',
    endTimeUnixNano: '1700000001001500000',
    attributes: [
      { key: 'worldmesh.entity', value: { intValue: '8589934593' } },
      { key: 'worldmesh.seq', value: { intValue: '4' } },
      { key: 'worldmesh.peer', value: { intValue: '2' } },
      { key: 'worldmesh.retries', value: { intValue: '1' } },
    ],
    status: { code: 2, message: 'rejected' },
  });
  t.like(accept, { kind: 2, parentSpanId: spanIdOf(traceId, 'wire') });
  t.not(traceIdOf('ab', { entity: 1, seq: 12 }), traceIdOf('ab', { entity: 11, seq: 2 }));
  t.not(traceIdOf('ab', failed), traceIdOf('ac', failed));
  t.deepEqual(withTrace({ entity: 1, seq: 2 }, 'ab'), {
    entity: 1,
    seq: 2,
    trace: traceIdOf('ab', { entity: 1, seq: 2 }),
  });
  t.deepEqual(withTrace({ entity: 1 }, 'ab'), { entity: 1 });
});

test('what a collector does not take for a while comes later, once', async (t) => {
  await using collector = await SpanCollector.open();
  collector.refusal = { status: 503, retryAfterSeconds: 1 };
  const { log, lines } = collectingLog();
  const exporter = new SpanExporter({ url: `${collector.url}/`, resource: RESOURCE, log });
  exporter.add({ spans: spansFrom(1, 700), dropped: 0 });
  await until(() => exporter.counts.failures > 0, 'it is refused');
  t.is(collector.spanCount, 0);
  collector.refusal = undefined;
  await until(() => exporter.counts.exported === 700, 'all have come');
  t.is(collector.spanCount, 700);
  t.is(exporter.counts.dropped, 0);
  t.deepEqual(lines, ['the trace collector does not take spans', 'the trace collector takes spans again']);
  exporter.add({ spans: spansFrom(1001, 1), dropped: 0 });
  await exporter.stop();
  t.is(collector.spanCount, 701, 'what is left when it stops is sent');
});

test('what it refuses for good is dropped, and so is what finds no room; both are counted', async (t) => {
  await using collector = await SpanCollector.open();
  collector.refusal = { status: 400 };
  const { log } = collectingLog();
  const told: number[] = [];
  const exporter = new SpanExporter({
    url: `${collector.url}/v1/traces`,
    resource: RESOURCE,
    log,
    onCounts: ({ dropped }) => told.push(dropped),
  });
  exporter.add({ spans: spansFrom(1, 10), dropped: 3 });
  t.is(exporter.counts.dropped, 3);
  await until(() => exporter.counts.dropped === 13, 'they are refused');
  t.is(told.at(-1), 13);
  collector.refusal = { status: 503 };
  exporter.add({ spans: spansFrom(1, QUEUE_SPANS_MAX + 5), dropped: 0 });
  t.is(exporter.counts.dropped, 18);
  const startMs = performance.now();
  await exporter.stop();
  t.true(performance.now() - startMs < 5000, 'nobody waits for a collector that refuses');
});

test('a collector that is gone is asked again, and a stop does not wait for it', async (t) => {
  const collector = await SpanCollector.open();
  const { url } = collector;
  await collector[Symbol.asyncDispose]();
  const { log, lines } = collectingLog();
  const exporter = new SpanExporter({ url, resource: RESOURCE, log });
  exporter.add({ spans: spansFrom(1, 1), dropped: 0 });
  await until(() => exporter.counts.failures > 1, 'it was asked twice');
  await exporter.stop();
  t.deepEqual(lines, ['the trace collector does not take spans']);
  t.is(exporter.counts.exported, 0);
});

test('a buffer that nobody takes from is bounded', (t) => {
  const buffer = new SpanBuffer(3);
  t.is(buffer.take(), undefined);
  for (const each of spansFrom(1, 5)) buffer.add(each);
  const { spans, dropped } = buffer.take()!;
  t.deepEqual([spans.length, dropped], [3, 2]);
  t.is(buffer.take(), undefined);
});
