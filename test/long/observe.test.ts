/** The whole of `npm run observe`: three processes with players under a real Prometheus. Needs Debian's package prometheus. */
import test from 'ava';
import { SPAN_PARENTS } from '../../src/base/handover-span.ts';
import { runObserve } from '../../scripts/observe/observe-run.ts';
import { observeText } from '../../scripts/observe/observe-text.ts';

test('targets, rules, an alert that fires and is cleared by its runbook, and a trace of one handover', async (t) => {
  const result = await runObserve({ clients: 12, seed: 20_261_121, onProgress: (text) => t.log(text) });
  t.log(observeText(result));
  t.is(result.targets.length, 3);
  t.deepEqual(result.brokenRules, []);
  t.true(result.levels['handovers in the last minute']! > 0);
  t.is(result.alert.name, 'WorldmeshNodeDown');
  t.is(result.audit.code, 0, result.audit.output);
  t.deepEqual(result.trace.map(({ name }) => name).sort(), Object.keys(SPAN_PARENTS).sort());
  const { traceId } = result.trace[0]!;
  t.true(result.trace.every((span) => span.traceId === traceId));
  t.true(result.traceCommand.output.includes(traceId), 'the command line derives the same id');
});
