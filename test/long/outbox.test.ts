import test from 'ava';
import { runOutbox } from '../../scripts/outbox/outbox-run.ts';

test('half a minute without a sink, with two nodes killed: nothing is lost, and no order broken', async (t) => {
  t.timeout(600_000);
  const result = await runOutbox({
    seconds: 30,
    onProgress: (text) => t.log(text),
    signal: new AbortController().signal,
  });
  t.deepEqual(result.wrong, []);
  t.is(result.delivered, result.published);
  t.true(result.entitiesOfSeveralNodes > 10);
  t.true(result.takeovers > 0);
});
