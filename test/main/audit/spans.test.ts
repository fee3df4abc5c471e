/** Handovers of a timeline as spans. */
import test from 'ava';
import { handoverTraces, tracesText } from '../../../src/main/audit/spans.core.ts';
import type { TimelineLine } from '../../../src/main/audit/timeline.ts';
import { spanIdOf, traceIdOf } from '../../../src/main/telemetry/trace-ids.ts';

const RIDER = 3 * 2 ** 32 + 7;

function line(node: string, stage: string, atMs: number, more: Partial<TimelineLine> = {}): TimelineLine {
  const peer = node === 'a' ? 'b' : 'a';
  const named = { node, ledger: node.repeat(32), stage, atMs, peer };
  return { ...named, entity: RIDER, seq: 2, session: 0, transferSeq: 9, ...more };
}

const CROSSING = [
  line('a', 'birth', 900, { seq: 1, transferSeq: 0 }),
  line('a', 'source released', 1000, { session: 2 ** 32 + 1 }),
  line('a', 'source stable', 1004),
  line('a', 'source sent', 1005),
  line('b', 'target accepted', 1007),
  line('a', 'source accepted', 1009),
  line('b', 'target confirmed', 1012),
  line('a', 'source confirmed', 1013),
];

test('a handover that is done has the spans that journals know of, with the ids that a collector has', (t) => {
  const [trace, ...more] = handoverTraces(CROSSING, 'ab');
  t.deepEqual(more, []);
  const traceId = traceIdOf('ab', { entity: RIDER, seq: 2 });
  t.like(trace, { traceId, entity: RIDER, seq: 2, session: 2 ** 32 + 1, source: 'a', target: 'b', outcome: 'done' });
  t.deepEqual(
    trace!.spans.map(({ name, node, startMs, endMs }) => [name, node, startMs, endMs]),
    [
      ['handover', 'a', 1000, 1013],
      ['journal', 'a', 1000, 1004],
      ['wire', 'a', 1005, 1009],
      ['accept', 'b', 1007, 1007],
      ['confirm', 'a', 1005, 1013],
      ['commit', 'b', 1007, 1012],
    ],
  );
  for (const { name, spanId } of trace!.spans) t.is(spanId, spanIdOf(traceId, name));
  const text = tracesText([trace!], (_, plain) => plain);
  t.true(text.startsWith(`handover of 3:7 seq 2, session 1:1: a to b, done\ntrace ${traceId}\n  handover`), text);
  t.regex(text, /\n {6}accept {4,}b {12}\+7 ms/);
});

test('one that is under way has no end, one that came back says so, and one whose source is not known is none', (t) => {
  const [open] = handoverTraces(CROSSING.slice(0, 4), undefined);
  t.like(open, { outcome: 'in doubt', traceId: undefined });
  t.is(open!.spans.find(({ name }) => name === 'wire')?.endMs, undefined);
  t.regex(
    tracesText([open!], (_, plain) => plain),
    /wire .* no end yet/,
  );
  const [back] = handoverTraces([...CROSSING.slice(0, 4), line('a', 'source reclaimed', 1300, { seq: 3 })], 'ab');
  t.is(back!.outcome, 'reclaimed');
  t.deepEqual(handoverTraces([line('b', 'target accepted', 5)], 'ab'), []);
  t.is(
    tracesText([], (_, plain) => plain),
    'No handover between nodes is in the journals.',
  );
});

test('each handover of an entity is one of its own', (t) => {
  const back = CROSSING.slice(1).map((each) => ({ ...each, node: each.node === 'a' ? 'b' : 'a', seq: 3 }));
  const traces = handoverTraces([...CROSSING, ...back], 'ab');
  t.deepEqual(
    traces.map(({ seq, source, outcome }) => [seq, source, outcome]),
    [
      [2, 'a', 'done'],
      [3, 'b', 'done'],
    ],
  );
});
