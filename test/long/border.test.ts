/** As test/main/cluster/border.test.ts, for longer. */
import test from 'ava';
import { walkBorder } from '../fixtures/border-walk.ts';

test('over 200 crossings nobody across the border flickers, and every tag counts once', async (t) => {
  t.timeout(300_000);
  const walk = await walkBorder({ pairs: 8, crossings: 200, tags: 10 });
  t.log(walk);
  t.deepEqual(walk.flickers, []);
  t.is(walk.disconnects, 0);
  t.true(walk.crossings >= 200);
  t.is(walk.tagsTaken, walk.tagsAsked);
  t.is(walk.tagsGiven, walk.tagsAsked);
});
