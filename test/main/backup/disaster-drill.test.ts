/** A slice of `npm run disaster-drill`: real nodes, players by the SDK, a backup while they walk, all disks lost. */
import test from 'ava';
import { runDrill } from '../../../scripts/disaster-drill/drill-run.ts';

test('all disks are lost, and what the backup had comes back: entities, players at rest where they left, players with new sessions', async (t) => {
  t.timeout(180_000);
  const result = await runDrill({
    players: 6,
    resting: 3,
    seconds: 3,
    seed: 20_261_121,
    nodes: 3,
    keep: false,
    onProgress: (text) => t.log(text),
  });
  t.deepEqual(result.wrong, []);
  t.deepEqual(result.verdicts, { backup: 'proven', restored: 'proven', running: 'proven' });
  t.true(result.handovers.before > 0, 'nobody crossed a border');
  t.is(result.sessionsLostBefore + result.connectionsLostBefore, 0);
  t.is(result.manifest.total.atRest, 3);
  t.true(result.manifest.wasRunning && result.manifest.pauseMs > 0);
  t.is(result.playersBack, 6);
});
