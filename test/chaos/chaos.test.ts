/** A slice of `npm run chaos`: three processes, real players, one fault after the other, and the auditor's word. */
import test from 'ava';
import { runChaos } from '../../scripts/chaos/chaos-run.ts';

test('kills, pauses and broken links: nothing is lost, doubled or done twice', async (t) => {
  t.timeout(170_000);
  const said: string[] = [];
  const result = await runChaos({
    seconds: 15,
    seed: 20_260_101,
    nodes: 3,
    clients: 6,
    auditSeconds: 5,
    faults: ['kill and restart', 'pause', 'reset links', 'cut both ways', 'corrupt bytes'],
    onProgress: (text) => said.push(text),
  });
  for (const text of said) t.log(text);
  t.deepEqual(result.wrong, []);
  t.is(result.verdict, 'proven');
  t.is(result.inputsTwice, 0);
  t.true(result.handovers > 0, 'nobody crossed a border');
  t.is(result.sessionsAfter, result.sessionsBefore);
});
