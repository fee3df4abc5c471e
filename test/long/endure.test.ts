/** Slices of `npm run endure` and `npm run redirects`: real nodes that are killed, and players in a process of their own. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { runEndure } from '../../scripts/endure/endure-run.ts';
import { runRedirects } from '../../scripts/redirects/redirects-run.ts';

function telling(t: ExecutionContext): (text: string) => void {
  return (text) => t.log(text);
}

test('gateways and simulation nodes are killed: no session is lost, each input acts once, nobody flickers', async (t) => {
  t.timeout(180_000);
  const result = await runEndure({
    clients: 24,
    seconds: 30,
    seed: 20_260_103,
    nodes: 3,
    mode: 'tunnel',
    gatewaySeconds: 20,
    simulationSeconds: 30,
    onProgress: telling(t),
  });
  t.deepEqual(result.wrong, []);
  t.is(result.gatewaysKilled + result.simulationsKilled, 2);
  t.true(result.resumes > 0, 'nobody was at a gateway that was killed');
  t.is(result.sessionsLost, 0);
  t.is(result.longestGapMs.count, 24);
  t.true(result.ownerChanges > 0, 'nobody crossed a border');
  t.true(result.inputs.sent > 24 * 100 && result.inputs.durable === result.inputs.sent, JSON.stringify(result.inputs));
  t.is(result.verdict, 'proven');
});

test('direct mode: players are redirected to the owners of their entities, and stay where they are while those refuse', async (t) => {
  t.timeout(180_000);
  const result = await runRedirects({
    count: 60,
    clients: 20,
    nodes: 3,
    seed: 20_260_104,
    secondsMax: 60,
    onProgress: telling(t),
  });
  t.deepEqual(result.wrong, []);
  t.true(result.redirects.done >= 60);
  t.true(result.redirects.gapMs.count > 0 && result.redirects.gapMs.max < 10_000);
  t.true(result.refused.fallbacks > 0, 'nobody was refused');
  t.is(result.redirects.lost, 0);
  t.is(result.verdict, 'proven');
});
