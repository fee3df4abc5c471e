/**
 * FAULTS.md 1–8, 34, 37, 40: a node stops before and after every effect of source, target and bystander; what was not
 * fsynced is lost; it restarts, or a neighbour takes its journal; the other one crashes with it, or does not. Then
 * everything heals, and each entity must be simulated once, each message have acted once, and nothing be left behind.
 */
import test from 'ava';
import { TestCluster } from './handover-cluster.ts';
import type { CrashPoint, TestNode } from './handover-cluster.ts';

type Order = 'disk' | 'wire';

interface Scenario {
  readonly name: string;
  readonly ids: readonly number[];
  /** Bytes that the records must hold in the end. */
  readonly messageCount: number;
  readonly play: (cluster: TestCluster, order: Order) => void;
}

interface Repair {
  readonly name: string;
  /** Nodes that crash at the same moment as node `crashed`. */
  readonly together: (crashed: TestNode, cluster: TestCluster) => readonly TestNode[];
  /** How long the survivors run alone. */
  readonly aloneMs: number;
  readonly heal: (cluster: TestCluster, dead: readonly TestNode[]) => void;
}

function pass(cluster: TestCluster, from: number, to: number, ids: readonly number[]): void {
  const [source, target] = [cluster.at(from), cluster.at(to)];
  if (!source.isAlive || source.isFenced || source.state.phase !== 'running') return;
  const there = ids.filter((id) => cluster.ownersOf(id).includes(from));
  if (there.length > 0) cluster.release(source, target, there);
}

function passAround(way: readonly number[], ids: readonly number[]): Scenario['play'] {
  return (cluster, order) => {
    for (let index = 1; index < way.length; index += 1) {
      pass(cluster, way[index - 1]!, way[index]!, ids);
      // Not long enough for the confirmation of the last to be collected.
      cluster.run(20, order);
    }
    cluster.run(300, order);
  };
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'A→B', ids: [11, 12], messageCount: 0, play: passAround([1, 2], [11, 12]) },
  { name: 'A→B→A', ids: [11], messageCount: 0, play: passAround([1, 2, 1], [11]) },
  { name: 'A→B→C→A', ids: [11], messageCount: 0, play: passAround([1, 2, 3, 1], [11]) },
  {
    name: 'refused',
    ids: [11],
    messageCount: 0,
    play: (cluster, order) => {
      cluster.step(cluster.at(2), { kind: 'room', entities: 0, isDraining: false });
      pass(cluster, 1, 2, [11]);
      cluster.run(40, order);
      cluster.step(cluster.at(2), { kind: 'room', entities: 100, isDraining: false });
      pass(cluster, 1, 2, [11]);
      cluster.run(300, order);
    },
  },
  {
    name: 'cancelled',
    ids: [11],
    messageCount: 0,
    play: (cluster, order) => {
      pass(cluster, 1, 2, [11]);
      cluster.fsync(cluster.at(1));
      // The COMMIT is slow, CANCEL overtakes it.
      const late = cluster.wires.splice(0);
      cluster.run(400, order);
      cluster.wires.push(...late);
      cluster.run(300, order);
    },
  },
  {
    name: 'messages',
    ids: [11],
    messageCount: 2,
    play: (cluster, order) => {
      const sender = cluster.at(3);
      const say = (value: number): void =>
        cluster.step(sender, {
          kind: 'emit',
          messages: [{ entity: 11 as never, event: 0, payload: Uint8Array.of(value), hint: 1 }],
        });
      if (sender.state.phase === 'running') say(1);
      if (sender.isAlive) cluster.fsync(sender);
      pass(cluster, 1, 2, [11]);
      cluster.run(60, order);
      pass(cluster, 2, 1, [11]);
      if (sender.isAlive && sender.state.phase === 'running') say(2);
      cluster.run(600, order);
    },
  },
];

function restart(cluster: TestCluster, dead: readonly TestNode[]): void {
  for (const node of dead) {
    cluster.boot(node);
    cluster.run(40);
  }
}

/** The first survivor takes all of them, one after the other. */
function takeAll(cluster: TestCluster, dead: readonly TestNode[]): void {
  const successor = cluster.nodes.find(({ isAlive, isFenced }) => isAlive && !isFenced)!;
  for (const node of dead) {
    cluster.takeOver(successor, node);
    cluster.run(40);
  }
}

/** Each survivor takes one; without enough of them, the first restarts and takes the second. */
function takeInChain(cluster: TestCluster, dead: readonly TestNode[]): void {
  const [first, second] = dead;
  const survivors = cluster.nodes.filter(({ isAlive }) => isAlive);
  cluster.takeOver(survivors[0]!, first!);
  if (second === undefined) return;
  cluster.takeOver(survivors[1] ?? survivors[0]!, second);
}

const alone = (): readonly TestNode[] => [];
const withNext = (crashed: TestNode, cluster: TestCluster): readonly TestNode[] => [
  cluster.nodes.find(({ node }) => node !== crashed.node && node <= 2)!,
];

const REPAIRS: readonly Repair[] = [
  { name: 'restart at once', together: alone, aloneMs: 0, heal: restart },
  { name: 'restart later', together: alone, aloneMs: 700, heal: restart },
  { name: 'taken over', together: alone, aloneMs: 0, heal: takeAll },
  { name: 'taken over later', together: alone, aloneMs: 700, heal: (cluster, dead) => takeAll(cluster, dead) },
  { name: 'taken by the last', together: alone, aloneMs: 0, heal: takeByLast },
  { name: 'both restart', together: withNext, aloneMs: 0, heal: restart },
  {
    name: 'both restart, reversed',
    together: withNext,
    aloneMs: 0,
    heal: (cluster, dead) => restart(cluster, dead.toReversed()),
  },
  { name: 'both taken over', together: withNext, aloneMs: 0, heal: takeAll },
  {
    name: 'both taken, reversed',
    together: withNext,
    aloneMs: 0,
    heal: (cluster, dead) => takeAll(cluster, dead.toReversed()),
  },
  { name: 'one restarts, one taken', together: withNext, aloneMs: 0, heal: mixed },
  { name: 'a chain of takeovers', together: alone, aloneMs: 0, heal: chain },
];

function takeByLast(cluster: TestCluster, dead: readonly TestNode[]): void {
  const successor = cluster.nodes.findLast(({ isAlive, isFenced }) => isAlive && !isFenced)!;
  for (const node of dead) cluster.takeOver(successor, node);
}

function mixed(cluster: TestCluster, dead: readonly TestNode[]): void {
  takeInChain(cluster, dead.slice(0, 1));
  cluster.run(100);
  restart(cluster, dead.slice(1));
}

/** The successor dies too, before or after it has resolved everything, and the last one takes both. */
function chain(cluster: TestCluster, dead: readonly TestNode[]): void {
  const [first] = dead;
  const survivors = cluster.nodes.filter(({ isAlive, isFenced }) => isAlive && !isFenced);
  const [successor, last] = survivors;
  cluster.takeOver(successor!, first!);
  // Its import may be on disk or not: by the parity of the point.
  if (first!.effectCount % 2 === 0) cluster.fsync(successor!);
  cluster.run(20 * (first!.effectCount % 3));
  cluster.crash(successor!);
  cluster.takeOver(last!, successor!);
}

interface Outcome {
  readonly problems: readonly string[];
  readonly transcript: readonly string[];
}

function runOne(scenario: Scenario, order: Order, repair: Repair, point: CrashPoint | undefined): Outcome {
  const cluster = new TestCluster(3);
  cluster.birth(cluster.at(1), scenario.ids);
  for (const node of cluster.nodes) cluster.fsync(node);
  const dead: TestNode[] = [];
  for (const node of cluster.nodes) node.effectCount = 0;
  cluster.crashPoint = point;
  cluster.onCrash = () => {
    const crashed = cluster.at(point!.node);
    const together = repair.together(crashed, cluster);
    for (const node of together) cluster.crash(node);
    dead.push(crashed, ...together);
  };
  scenario.play(cluster, order);
  cluster.crashPoint = undefined;
  if (dead.length > 0) {
    cluster.run(repair.aloneMs, order);
    repair.heal(cluster, dead);
  }
  cluster.run(5_000, order);
  return { problems: problemsOf(cluster, scenario), transcript: cluster.transcript };
}

function problemsOf(cluster: TestCluster, scenario: Scenario): string[] {
  const problems = cluster.leftovers();
  if (cluster.doubles > 0) problems.push(`${cluster.doubles} times doubled`);
  for (const id of scenario.ids) {
    const owners = cluster.ownersOf(id);
    if (owners.length !== 1) problems.push(`entity ${id} is at [${owners.join()}]`);
    const row = cluster.nodes.find(({ node }) => node === owners[0])?.active.get(id as never);
    const acted = [...(row?.record ?? [])];
    if (new Set(acted).size !== acted.length || acted.length > scenario.messageCount) {
      problems.push(`entity ${id} acted on [${acted.join()}]`);
    }
  }
  return problems;
}

function pointsOf(scenario: Scenario, order: Order): CrashPoint[] {
  const cluster = new TestCluster(3);
  cluster.birth(cluster.at(1), scenario.ids);
  for (const node of cluster.nodes) cluster.fsync(node);
  for (const node of cluster.nodes) node.effectCount = 0;
  scenario.play(cluster, order);
  return cluster.nodes.flatMap(({ node, effectCount }) =>
    Array.from({ length: effectCount * 2 }, (_, index) => ({ node, index: index >> 1, isAfter: index % 2 === 1 })),
  );
}

let pointCount = 0;
for (const scenario of SCENARIOS) {
  test(`every crash point of ${scenario.name}`, (t) => {
    for (const order of ['disk', 'wire'] as const) {
      t.deepEqual(runOne(scenario, order, REPAIRS[0]!, undefined).problems, []);
      const points = pointsOf(scenario, order);
      for (const repair of REPAIRS) {
        for (const point of points) {
          const where = `${order} first, ${repair.name}, ${point.isAfter ? 'after' : 'before'} effect ${point.index} of ${point.node}`;
          try {
            const { problems, transcript } = runOne(scenario, order, repair, point);
            if (problems.length > 0) t.log(where, transcript.slice(-60));
            t.deepEqual(problems, [], where);
          } catch (error) {
            t.log(where);
            throw error;
          }
          pointCount += 1;
        }
      }
    }
  });
}

test.after((t) => {
  t.log(`${pointCount} crash points`);
});
