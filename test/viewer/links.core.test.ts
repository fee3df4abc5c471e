import test from 'ava';
import { linkRows, stuckRows } from '../../viewer/links.core.ts';
import type { NodeReport } from '../../viewer/links.core.ts';

const nameOf = (node: number): string => ' abcd'[node] ?? '?';
const LINK = { node: 2, state: 'up', rttMs: 0.4, credits: 1024, queueBytes: 0, breaker: 'closed' };

function report(node: number, more: Partial<NodeReport> = {}): NodeReport {
  return { node, isLive: true, links: [], stuck: [], ...more };
}

test('links in both directions, what is wrong first; who was replaced and who is silent have none', (t) => {
  const rows = linkRows(
    [
      report(2, { links: [{ ...LINK, node: 1 }] }),
      report(1, {
        links: [LINK, { ...LINK, node: 3, state: 'down', rttMs: undefined }, { ...LINK, node: 4, state: 'fenced' }],
      }),
      report(3, { isLive: false, links: [LINK] }),
      report(4, { links: [{ ...LINK, node: 1, breaker: 'open' }] }),
    ],
    nameOf,
  );
  t.deepEqual(
    rows.map(({ from, to, state, isWrong }) => [from, to, state, isWrong]),
    [
      ['a', 'c', 'down', true],
      ['d', 'a', 'breaker open', true],
      ['a', 'b', 'up', false],
      ['b', 'a', 'up', false],
    ],
  );
});

test('what is stuck, the oldest first', (t) => {
  const rows = stuckRows(
    [
      report(1, { stuck: [{ entity: 5, node: 2, seconds: 6 }] }),
      report(2, { stuck: [{ entity: 7, node: 9, seconds: 60 }] }),
      report(3, { isLive: false, stuck: [{ entity: 8, node: 1, seconds: 99 }] }),
    ],
    nameOf,
  );
  t.deepEqual(rows, [
    { entity: 7, from: 'b', to: '?', seconds: 60 },
    { entity: 5, from: 'a', to: 'b', seconds: 6 },
  ]);
});
