/** Two processes, and players on both sides of the border between them. The long suite does more of the same. */
import test from 'ava';
import { walkBorder } from '../../fixtures/border-walk.ts';

test('players across a border see each other without a gap, and tag each other once', async (t) => {
  t.timeout(150_000);
  const walk = await walkBorder({ pairs: 4, crossings: 24, tags: 3 });
  t.log(walk);
  t.deepEqual(walk.flickers, []);
  t.is(walk.disconnects, 0);
  t.true(walk.crossings >= 24);
  t.is(walk.tagsTaken, walk.tagsAsked);
  t.is(walk.tagsGiven, walk.tagsAsked);
});
