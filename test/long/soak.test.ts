/** A slice of `npm run soak`: kills and a drain by turns, and everything that is measured beside. */
import test from 'ava';
import { SOAK_EVENTS, runSoak } from '../../scripts/soak/soak-run.ts';
import { memoryPicture, soakText } from '../../scripts/soak/soak-text.ts';

test('half a minute of kills and a drain: nothing is lost, and all that is to be flat was measured', async (t) => {
  t.timeout(240_000);
  const result = await runSoak({
    seconds: 30,
    everySeconds: 10,
    clients: 16,
    nodes: 3,
    seed: 20_261_121,
    mode: 'tunnel',
    events: SOAK_EVENTS,
    onProgress: (text) => t.log(text),
  });
  t.deepEqual(result.wrong, []);
  t.true(result.happened.length >= 2);
  t.is(result.players.sessionsLost, 0);
  t.is(result.players.verdict, 'proven');
  const watched = result.lives.find(({ name }) => name === 'node a')?.samples.at(-1)?.values;
  for (const measure of ['rss', 'heap', 'files', 'threads', 'timers', 'handles'] as const) {
    t.true((watched?.[measure] ?? 0) > 0, `${measure} of a node that runs`);
  }
  t.true((result.files.at(-1)?.journalBytes ?? 0) > 0);
  t.true(soakText(result).includes('too short to say'));
  t.true(memoryPicture(result).includes('node a'));
});
