import test from 'ava';
import * as fc from 'fast-check';
import { SPREAD_START } from '../../src/peer/balancer.core.ts';
import { neighboursOf } from '../../src/peer/balancer-moves.core.ts';
import { Random } from '../../src/base/random.ts';
import { BalancerModel } from './balancer-model.ts';
import type { Done } from './balancer-model.ts';

const worlds = fc.record({
  width: fc.integer({ min: 2, max: 9 }),
  depth: fc.integer({ min: 2, max: 7 }),
  nodes: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat({ max: 1_000_000 }),
  /** Of all nodes together. */
  load: fc.double({ min: 0, max: 1.2, noNaN: true }),
  /** How unequal blocks are. */
  skew: fc.integer({ min: 1, max: 6 }),
  movesPerMinute: fc.integer({ min: 1, max: 20 }),
});
type Sample = typeof worlds extends fc.Arbitrary<infer Value> ? Value : never;

function modelOf({ width, depth, nodes, seed, load, skew, movesPerMinute }: Sample): BalancerModel {
  const random = new Random(seed);
  const parts = Array.from({ length: width * depth }, () => random.next() ** skew);
  const sum = parts.reduce((total, part) => total + part, 0) || 1;
  const model = new BalancerModel({
    width,
    depth,
    nodes,
    owner: () => 1 + Math.floor(random.next() * nodes),
    share: (block) => (parts[block]! / sum) * load * nodes,
  });
  model.movesPerMinute = movesPerMinute;
  return model;
}

/** Most moves that began within a minute. */
function busiestMinute(done: readonly Done[]): number {
  const bounded = done.filter(({ kind }) => kind !== 'drain');
  return Math.max(
    0,
    ...bounded.map(
      ({ atSecond }) => bounded.filter((other) => other.atSecond >= atSecond && other.atSecond < atSecond + 60).length,
    ),
  );
}

test('under constant load: bounded moves a minute, an end of them, and nobody far above the mean who could be helped', (t) => {
  fc.assert(
    fc.property(worlds, (sample) => {
      const model = modelOf(sample);
      model.run(30 * 60);
      t.true(busiestMinute(model.done) <= sample.movesPerMinute);
      t.deepEqual(model.run(300), [], 'it goes on moving');
      t.true(Math.max(...model.blocks.map(({ moves }) => moves)) <= 4, 'a block goes to and fro');
      const isLoaded = model.mean > 0.15;
      const heaviest = Math.max(...model.blocks.map(({ share }) => share));
      const shares = model.nodes.map(({ node }) => model.shareOf(node));
      if (isLoaded) t.true(Math.max(...shares) <= Math.max(model.mean * SPREAD_START, model.mean + heaviest) * 1.1);
    }),
    { numRuns: 60 },
  );
});

test('noise of a tenth in every report does not make it restless', (t) => {
  fc.assert(
    fc.property(worlds, (sample) => {
      const model = modelOf(sample);
      const random = new Random(sample.seed + 1);
      model.noise = () => 0.9 + 0.2 * random.next();
      model.run(20 * 60);
      t.true(model.run(600).length <= 3);
    }),
    { numRuns: 40 },
  );
});

test('a node that joins is given its share, a few neighbouring blocks at a time', (t) => {
  for (const load of [0, 0.4]) {
    const model = new BalancerModel({
      width: 10,
      depth: 8,
      nodes: 3,
      owner: (block) => 1 + (block % 3),
      share: () => (3 * load) / 80,
    });
    model.run(120);
    t.deepEqual(model.done, []);
    model.add();
    const moves = model.run(120);
    t.true(model.countOf(4) >= 16, `${model.countOf(4)} of 80 blocks`);
    t.true(model.countOf(4) <= 24);
    t.true(moves.every(({ to }) => to === 4));
    t.is(moves[0]?.kind, 'join');
    const inside = model.blocks.filter(({ node }) => node === 4);
    const bordering = inside.filter(({ block }) =>
      neighboursOf(model.grid, block).some((other) => model.blocks[other]!.node === 4),
    );
    t.true(bordering.length >= inside.length * 0.6, 'blocks that lie together');
    t.deepEqual(model.run(300), []);
  }
});

test('a node of twice the capacity is given twice as much', (t) => {
  const model = new BalancerModel({
    width: 9,
    depth: 7,
    nodes: 2,
    owner: (block) => 1 + (block % 2),
    share: () => 0.9 / 63,
  });
  model.nodes[1]!.capacity = 2;
  model.run(600);
  t.true(Math.abs(model.shareOf(1) - model.shareOf(2)) < 0.1, `${model.shareOf(1)} and ${model.shareOf(2)}`);
});

test('a draining node goes first, at once and whole, also when nothing else may be moved', (t) => {
  fc.assert(
    fc.property(worlds, fc.constantFrom('on', 'off', 'gather', 'dry-run' as const), (sample, mode) => {
      const model = modelOf({ ...sample, nodes: Math.max(2, sample.nodes), movesPerMinute: 1 });
      model.run(10);
      if (mode !== 'dry-run') model.mode = mode;
      model.nodes[0]!.state = 'draining';
      model.step();
      t.is(model.countOf(1), 0);
      t.true(model.run(300).every(({ to }) => to !== 1));
    }),
    { numRuns: 100 },
  );
});

test('what a draining node had is spread by weight, and by count where nothing weighs', (t) => {
  const model = new BalancerModel({
    width: 8,
    depth: 4,
    nodes: 3,
    owner: (block) => (block < 20 ? 1 : 2 + (block % 2)),
    share: (block) => (block < 2 ? 0.2 : 0.001),
  });
  model.run(2);
  model.nodes[0]!.state = 'draining';
  const plan = model.step();
  t.true(plan.moves.every(({ kind }) => kind === 'drain'));
  t.true(Math.abs(model.shareOf(2) - model.shareOf(3)) < 0.01);
  t.true(Math.abs(model.countOf(2) - model.countOf(3)) <= 2);
});

test('nobody to drain to: nothing is moved', (t) => {
  const model = new BalancerModel({
    width: 3,
    depth: 2,
    nodes: 2,
    owner: (block) => 1 + (block % 2),
    share: () => 0.01,
  });
  for (const node of model.nodes) node.state = 'draining';
  model.run(60);
  t.deepEqual(model.done, []);
});

test('a hot block stays, and its node gets rid of everything else', (t) => {
  const hot = 24;
  const model = new BalancerModel({
    width: 7,
    depth: 7,
    nodes: 3,
    owner: (block) => 1 + Math.floor(block / 17),
    share: (block) =>
      block === hot
        ? 0.85
        : neighboursOf({ blocksWide: 7, blockCount: 49 } as never, hot).includes(block)
          ? 0.08
          : 0.003,
  });
  const owner = model.blocks[hot]!.node;
  const before = model.shareOf(owner);
  model.run(300);
  t.is(model.blocks[hot]!.node, owner);
  t.true(before > 1.1);
  t.true(model.shareOf(owner) < 0.9, `${model.shareOf(owner)}`);
  t.is(model.countOf(owner), 1);
  t.true(model.done.every(({ from, to }) => from !== owner || to !== owner));
  t.true(neighboursOf(model.grid, hot).every((block) => model.blocks[block]!.node !== owner));
  t.deepEqual(model.run(300), []);
});

test('a cell that is more than a node can carry is named, once nothing helps any more', (t) => {
  const model = new BalancerModel({
    width: 5,
    depth: 3,
    nodes: 3,
    owner: (block) => 1 + (block % 3),
    share: (block) => (block === 7 ? 1.3 : 0.01),
    entities: (block) => (block === 7 ? 412 : 3),
  });
  model.run(120);
  const [overload] = model.plan!.overloads;
  t.is(overload?.kind, 'cell');
  t.is(overload?.cell, 7);
  t.is(
    overload?.text,
    "b takes 130 % of the tick's period and sheds at level 2: cell 7 (block 7) alone takes 130 %, with 412 entities and 0 players; " +
      'a cell has one owner, so no move helps',
  );
  t.is(model.countOf(2), 1);
});

test('a cluster that is full asks for nodes, and takes the next one into use', (t) => {
  const model = new BalancerModel({
    width: 8,
    depth: 8,
    nodes: 2,
    owner: (block) => 1 + (block % 2),
    share: () => 1.9 / 64,
  });
  model.run(60);
  t.is(model.plan?.overloads[0]?.kind, 'cluster');
  t.true(model.plan!.wanted.nodes >= 3);
  t.is(model.plan?.wanted.active, 2);
  model.add();
  model.add();
  model.run(240);
  t.true(Math.max(...model.nodes.map(({ node }) => model.shareOf(node))) < 0.62);
  t.is(model.plan?.wanted.nodes, 4);
  t.deepEqual(model.plan?.overloads, []);
});

test('when load is low, nodes that could be switched off are named, and emptied only in mode gather', (t) => {
  const model = new BalancerModel({
    width: 8,
    depth: 6,
    nodes: 4,
    owner: (block) => 1 + (block % 4),
    share: () => 0.5 / 48,
  });
  model.run(120);
  t.deepEqual(model.done, []);
  t.is(model.plan?.idle.length, 2);
  t.is(model.plan?.wanted.nodes, 2);
  t.regex(model.plan!.wanted.reason, /could be switched off/);
  model.mode = 'gather';
  const moves = model.run(300);
  const idle = [...model.plan!.idle];
  t.deepEqual(
    idle.map((node) => model.countOf(node)),
    [0, 0],
  );
  t.true(moves.some(({ kind }) => kind === 'gather'));
  t.true(busiestMinute(model.done) <= model.movesPerMinute);
  t.deepEqual(model.run(300), []);
  // Another balancer sees the same, and leaves it so.
  model.forget();
  t.deepEqual(model.run(300), []);
  for (const block of model.blocks) block.share *= 4;
  model.run(300);
  t.true(
    idle.every((node) => model.countOf(node) > 5),
    'they are needed again',
  );
  t.deepEqual(model.plan?.idle, []);
});

test('a dry run says what it would do, and a mode of off says nothing', (t) => {
  const model = new BalancerModel({ width: 6, depth: 6, nodes: 3, owner: () => 1, share: () => 0.02 });
  model.mode = 'off';
  model.run(60);
  t.deepEqual(model.done, []);
  model.mode = 'dry-run';
  let text = '';
  for (let second = 0; second < 20; second++) text ||= model.step().moves[0]?.text ?? '';
  t.regex(text, /^a carries 72 % of what a node can, b 0 %, the mean is 24 %: blocks 0, [0-9, ]+ go to b$/);
  t.is(model.countOf(1), 36);
});

test('nothing is given to a node that has told nothing, is a gateway, joins, or has no rows left', (t) => {
  const make = (): BalancerModel =>
    new BalancerModel({ width: 6, depth: 6, nodes: 2, owner: () => 1, share: () => 0.02, entities: () => 100 });
  const gateway = make();
  gateway.nodes[1]!.capacity = 0;
  const joining = make();
  joining.nodes[1]!.state = 'joining';
  const full = make();
  full.entitiesMax = 100;
  for (const model of [gateway, joining, full]) t.deepEqual(model.run(60), []);
  const silent = make();
  const { facts } = silent;
  silent.facts = () => ({ ...facts.call(silent), loads: facts.call(silent).loads.filter(({ node }) => node === 1) });
  t.deepEqual(silent.run(60), []);
});

test('a report that has not changed for long is no report', (t) => {
  const model = new BalancerModel({ width: 6, depth: 6, nodes: 2, owner: () => 1, share: () => 0.02 });
  const old = { ...model.facts().loads[1]!, revision: 1 };
  const { facts } = model;
  model.facts = () => ({ ...facts.call(model), loads: [facts.call(model).loads[0]!, old] });
  model.run(8);
  const before = model.done.length;
  t.deepEqual(model.run(60), []);
  t.true(before <= 3);
});

test('load that comes and goes with the players moves blocks once there and once back, not more', (t) => {
  const model = new BalancerModel({
    width: 9,
    depth: 9,
    nodes: 3,
    owner: (block) => 1 + Math.floor((block % 9) / 3),
    share: () => 0.6 / 81,
  });
  model.run(120);
  t.deepEqual(model.done, []);
  const crowd = model.blocks.filter(({ node }) => node === 1);
  for (const block of crowd) block.share = 0.9 / 27;
  const there = model.run(300);
  t.true(there.length > 0 && there.length <= 24);
  t.true(Math.max(...model.nodes.map(({ node }) => model.shareOf(node))) < model.mean * 1.25);
  for (const block of model.blocks) block.share = 0.6 / 81;
  t.true(model.run(300).length <= there.length);
});

test('a light load that is uneven is spread once, and not given back because it is light then', (t) => {
  fc.assert(
    fc.property(worlds, fc.double({ min: 0.01, max: 0.2, noNaN: true }), (sample, load) => {
      const model = modelOf({ ...sample, load, nodes: Math.max(2, sample.nodes), skew: 6 });
      model.run(15 * 60);
      t.deepEqual(model.run(300), []);
      t.true(Math.max(...model.blocks.map(({ moves }) => moves)) <= 3);
    }),
    { numRuns: 60 },
  );
});
