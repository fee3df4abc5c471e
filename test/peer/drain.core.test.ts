import test from 'ava';
import { BALANCER_MS, GIVE_AGAIN_MS, SETTLED_MS, STAYING, stepDrain } from '../../src/peer/drain.core.ts';
import type { DrainAction, DrainFacts, DrainLeft, DrainState } from '../../src/peer/drain.core.ts';

const NOTHING: DrainLeft = { blocks: 0, entities: 0, inTransit: 0, sessions: 0, imports: 0 };

class Node {
  state: DrainState = STAYING;
  nowMs = 1000;
  facts: Omit<DrainFacts, 'nowMs'> = { isDraining: true, left: NOTHING, hasSuccessor: true };

  after(ms: number, facts: Partial<DrainFacts> = {}): DrainAction {
    this.nowMs += ms;
    this.facts = { ...this.facts, ...facts };
    const { state, action } = stepDrain(this.state, { ...this.facts, nowMs: this.nowMs });
    this.state = state;
    return action;
  }
}

test('a node that is not told to leave stays', (t) => {
  const node = new Node();
  t.is(node.after(1, { isDraining: false }), 'none');
  t.is(node.after(60_000), 'none');
  t.is(node.state.phase, 'staying');
});

test('it goes when nothing has been left for a while, and then for good', (t) => {
  const node = new Node();
  t.is(node.after(1), 'started');
  t.is(node.after(1), 'none');
  t.is(node.after(SETTLED_MS - 1), 'none');
  t.is(node.after(1), 'over');
  t.is(node.after(1, { isDraining: false }), 'none', 'too late');
  t.is(node.state.phase, 'over');
});

for (const kind of ['blocks', 'entities', 'inTransit', 'sessions', 'imports'] as const) {
  test(`what comes meanwhile keeps it: ${kind}`, (t) => {
    const node = new Node();
    node.after(1);
    node.after(1);
    t.is(node.after(SETTLED_MS - 1, { left: { ...NOTHING, [kind]: 1 } }), 'none');
    t.is(node.after(1, { left: NOTHING }), 'none');
    t.is(node.after(SETTLED_MS - 1), 'none');
    t.is(node.after(1), 'over');
  });
}

test('blocks that nobody takes are given by the node itself, again and again', (t) => {
  const node = new Node();
  node.after(1, { left: { ...NOTHING, blocks: 3 } });
  t.is(node.after(BALANCER_MS - 1), 'none');
  t.is(node.after(1), 'giveBlocks');
  t.is(node.after(GIVE_AGAIN_MS - 1), 'none');
  t.is(node.after(1), 'giveBlocks');
});

test('without anybody who can take its journal it goes on', (t) => {
  const node = new Node();
  node.after(1, { left: { ...NOTHING, blocks: 3 }, hasSuccessor: false });
  t.is(node.after(10 * BALANCER_MS), 'none');
  t.is(node.after(10 * SETTLED_MS, { left: NOTHING }), 'none');
  t.is(node.after(1, { hasSuccessor: true }), 'none');
  t.is(node.after(SETTLED_MS), 'over');
});

test('a drain can be cancelled, and begun again', (t) => {
  const node = new Node();
  node.after(1, { left: { ...NOTHING, entities: 5 } });
  t.is(node.after(1, { isDraining: false }), 'cancelled');
  t.is(node.state.phase, 'staying');
  t.is(node.after(1, { isDraining: true }), 'started');
});
