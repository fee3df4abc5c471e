/** What the gateway tells viewers of the cost of cells and of the balancer, and what the page makes of it. */
import test from 'ava';
import { defineWorld, u32 } from '../../src/index.ts';
import { CellLoads } from '../../src/net/cell-loads.ts';
import { decisionLine } from '../../viewer/decisions.core.ts';
import { groundLoad } from '../../viewer/ground-load.core.ts';
import { decodeText } from '../../viewer/overview-text.wire.ts';
import { Headless } from '../fixtures/headless.ts';

const world = defineWorld({
  name: 'warm',
  version: 1,
  size: 1024,
  components: { count: { hits: u32() } },
  kinds: { thing: { components: ['count'] }, player: { components: ['count'] } },
  events: {},
  systems: {
    spin: {
      run(cell) {
        const untilMs = performance.now() + (cell.minX === 256 && cell.minZ === -512 ? 1 : 0);
        while (performance.now() < untilMs);
      },
    },
  },
  start: (cell) => void cell.spawn('thing', { x: cell.minX + 5, z: cell.minZ + 5 }),
  join: () => ({ kind: 'player', x: -5, z: 5 }),
});

test('the cost of each cell, with that of the snapshots for its players', (t) => {
  const headless = new Headless(world);
  headless.join();
  const loads = new CellLoads(headless.store);
  let costs: number[] = [];
  for (let look = 0; look < 30; look++) {
    headless.tick(7);
    costs = loads.read();
  }
  const { grid } = headless.store;
  t.is(costs.length, 16);
  t.is(costs.indexOf(Math.max(...costs)), grid.cellAt(300, -500));
  t.true(costs[grid.cellAt(300, -500)]! > 700, String(costs));
  const others = costs.toSorted((one, two) => two - one);
  t.is(costs.indexOf(others[1]!), grid.cellAt(-5, 5), 'the snapshots of the only player');
  t.deepEqual(loads.read(), costs, 'no tick, no news');
});

test('the ground shows costs as soon as a node tells of any', (t) => {
  t.deepEqual(groundLoad([1, 2], []).values, [1, 2]);
  t.deepEqual(groundLoad([1, 2], [0, 0]).values, [1, 2]);
  t.deepEqual(groundLoad([1, 2], [0, 900]).values, [0, 900]);
});

test('costs and decisions come through the feed; of a node that does not tell them there are none', (t) => {
  const stats = decodeText('{"type":"stats","tick":1,"costs":[0,120,"x"]}');
  t.deepEqual(stats?.type === 'stats' ? stats.costs : undefined, [0, 120, 0]);
  const decision = {
    atMs: 1_760_000_000_000,
    kind: 'spread',
    outcome: 'done',
    text: 'a carries 75 %: block 17 goes to b',
  };
  const nodes = decodeText(
    JSON.stringify({ type: 'nodes', self: { node: 1, name: 'a' }, nodes: [], decisions: [decision] }),
  );
  t.deepEqual(nodes?.type === 'nodes' ? nodes.decisions : undefined, [decision]);
  const plain = decodeText('{"type":"nodes","self":{},"nodes":[]}');
  t.deepEqual(plain?.type === 'nodes' ? plain.decisions : undefined, []);
  t.throws(
    () =>
      decodeText(
        JSON.stringify({ type: 'nodes', self: {}, nodes: [], decisions: Array.from({ length: 65 }, () => ({})) }),
      ),
    {
      code: 'ERR_WIRE_RANGE',
    },
  );
});

test('a line of the list of decisions', (t) => {
  const decision = { atMs: 1_760_000_000_000, kind: 'join', outcome: 'done', text: 'why' };
  t.regex(decisionLine(decision), /^\d\d:\d\d:\d\d join: why$/);
  t.regex(decisionLine({ ...decision, outcome: 'dry-run' }), /^\d\d:\d\d:\d\d join \(dry-run\): why$/);
});
