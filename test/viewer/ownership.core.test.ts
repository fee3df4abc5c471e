import test from 'ava';
import { NOBODY, mergeCells, mergeOwners, overviewUrl } from '../../viewer/ownership.core.ts';

test('a node knows its own cells, and the living those of the dead', (t) => {
  const a = { node: 1, isLive: true, owners: [0, 0, 2, 3, NOBODY] };
  const b = { node: 2, isLive: true, owners: [1, 0, 0, 3, NOBODY] };
  const c = { node: 3, isLive: false, owners: [1, 2, 2, 0, 0] };
  // Cell 1 is claimed by two for a moment: it is one of theirs, and nobody else's. Cell 4 was the dead one's.
  const [first, second, ...rest] = mergeOwners([a, b, c], 5);
  t.is(first, 1);
  t.true(second === 1 || second === 2);
  t.deepEqual(rest, [2, 3, 3]);
  const taken = { ...b, owners: [1, 0, 0, 0, 0] };
  t.deepEqual([...mergeOwners([a, taken, c], 5)].slice(2), [2, 2, 2]);
  t.deepEqual([...mergeOwners([], 2)], [NOBODY, NOBODY]);
  t.deepEqual([...mergeOwners([{ ...a, owners: [0, 0, 0, 0] }], 2)], [1, 1]);
});

test('each node counts its own', (t) => {
  t.deepEqual(mergeCells([[1, 2, 3], [10], []], 2), [11, 2]);
});

test('where the feed of a node is', (t) => {
  t.is(overviewUrl('http://game.example:7777', 'x'), 'ws://game.example:7777/overview');
  t.is(overviewUrl('wss://game.example/connect?x=1', 'x'), 'wss://game.example/overview');
  t.is(overviewUrl('ws://127.0.0.1:7801/connect', '10.0.0.7'), 'ws://10.0.0.7:7801/overview');
  t.is(overviewUrl('http://0.0.0.0:7801', 'localhost'), 'ws://localhost:7801/overview');
  t.is(overviewUrl('https://[::1]:7801', '[::1]'), 'wss://[::1]:7801/overview');
  t.is(overviewUrl('ws://127.0.0.1:7801', ''), 'ws://127.0.0.1:7801/overview');
  for (const url of ['', 'ftp://a', 'ws://', 'javascript:1', 'http://a:99999'])
    t.is(overviewUrl(url, 'x'), undefined, url);
});
