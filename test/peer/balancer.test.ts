/** Balancers of several nodes over one real directory; only time and load are the test's. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Balancer } from '../../src/peer/balancer.ts';
import { decisionsText, readDecisions } from '../../src/peer/balancer-log.core.ts';
import type { Decision } from '../../src/peer/balancer-log.core.ts';
import { CapacityHook } from '../../src/peer/capacity-hook.ts';
import { DIRECTORY_SETTINGS } from '../../src/peer/directory.ts';
import type { Directory } from '../../src/peer/directory.ts';
import { SqliteDirectory } from '../../src/peer/directory-sqlite.ts';
import { blockGrid } from '../../src/peer/placement.core.ts';
import { DEADLINE_MS, FACTS, TemporaryFolder, joinActive, nodeLoad } from './directory-fixture.ts';
import type { ActiveMember } from './directory-fixture.ts';

const GRID = blockGrid({ width: 26, depth: 18, blockCells: 4 });
const UTC_MS = 1_760_000_000_000;

interface Seat {
  readonly member: ActiveMember;
  readonly balancer: Balancer;
  readonly notes: string[];
  isBalancer: boolean;
}

class Table implements AsyncDisposable {
  readonly directory: Directory;
  readonly seats: Seat[] = [];
  nowMs = 0;
  /** Microseconds of a tick, by block. */
  costUs: (block: number) => number = () => 0;
  readonly #folder: TemporaryFolder;
  readonly #stops: (() => void)[] = [];

  static async open(names: readonly string[], movesPerMinute = 12): Promise<Table> {
    const folder = new TemporaryFolder();
    const options = { facts: FACTS, now: () => UTC_MS, random: () => 0.5 };
    const directory = await SqliteDirectory.open({ file: folder.file('directory.sqlite'), ...options });
    const table = new Table(folder, directory);
    for (const name of names) await table.seat(name, movesPerMinute);
    return table;
  }

  private constructor(folder: TemporaryFolder, directory: Directory) {
    this.#folder = folder;
    this.directory = directory;
  }

  async seat(name: string, movesPerMinute = 12): Promise<Seat> {
    const member = await joinActive(this.directory, name);
    const notes: string[] = [];
    const note = (_level: string, message: string): void => void notes.push(message);
    const hook = new CapacityHook({ hook: '', cluster: '', utcMs: () => UTC_MS, note });
    const balancer = new Balancer({
      directory: this.directory,
      me: { node: member.node, ledger: member.request.ledger, incarnation: member.incarnation },
      name,
      grid: GRID,
      tickHz: FACTS.tickHz,
      movesPerMinute,
      hook,
      utcMs: () => UTC_MS + this.nowMs,
      events: { looked: ({ isBalancer }) => (seat.isBalancer = isBalancer), moved: () => {}, decided: () => {}, note },
    });
    const seat: Seat = { member, balancer, notes, isBalancer: false };
    this.#stops.push(
      this.directory.watch(({ members, blocks, settings }) => {
        if (members) balancer.setMembers(members);
        if (blocks) balancer.setBlocks(blocks);
        if (settings) balancer.setSettings(settings);
      }),
    );
    this.seats.push(seat);
    return seat;
  }

  /** Everybody reports, everybody's second passes; twice through the event loop, so that what was written has been told. */
  async second(): Promise<void> {
    const blocks = await this.directory.blocks();
    for (const { member } of this.seats) {
      const own = blocks.filter(({ node }) => node === member.node).map(({ block }) => block);
      const shares = own.map((block) => ({ block, costUs: this.costUs(block), entities: 1, sessions: 0 }));
      const rest = { blocks: 0, costUs: 0, entities: 0, sessions: 0 };
      await this.directory.reportLoad({
        ...member,
        load: nodeLoad({ blocks: shares, rest, sessions: 0, busyShare: 0.1 }),
      });
    }
    this.nowMs += 1000;
    for (const { balancer } of this.seats) balancer.time(this.nowMs);
    // The next look begins when the one before has ended, so a call that waits behind it waits for it.
    for (let turn = 0; turn < 8; turn++) await this.directory.settings();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }

  async until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + DEADLINE_MS;
    while (!(await isTrue())) {
      if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
      await this.second();
    }
  }

  async setting(key: string): Promise<string> {
    return (await this.directory.settings()).find((entry) => entry.key === key)?.value ?? '';
  }

  async counts(): Promise<number[]> {
    const blocks = await this.directory.blocks();
    return this.seats.map(({ member }) => blocks.filter(({ node }) => node === member.node).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.directory.close();
    this.#folder[Symbol.dispose]();
  }
}

/** Of moves; that nodes of this idle cluster could be switched off is said as well. */
async function decisionsOf(table: Table): Promise<Decision[]> {
  const decisions = readDecisions(await table.setting(DIRECTORY_SETTINGS.balancerLog));
  return decisions.filter(({ kind }) => kind !== 'idle');
}

test('one node balances; when it goes another takes the seat, and keeps to the bound of the minute', async (t) => {
  await using table = await Table.open(['a', 'b'], 1);
  await table.directory.claimBlocks({ expectNodes: 2 });
  await table.until('a has the seat', () => table.seats[0]!.isBalancer);
  t.false(table.seats[1]!.isBalancer);
  t.is(
    await table.setting(DIRECTORY_SETTINGS.balancer),
    `${table.seats[0]!.member.node}:${table.seats[0]!.member.incarnation}`,
  );
  await table.seat('c', 1);
  await table.until('one move', async () => (await decisionsOf(table)).length === 1);
  const movedAtMs = table.nowMs;
  await table.directory.leave(table.seats[0]!.member);
  await table.until('b has the seat', () => table.seats[1]!.isBalancer);
  t.true(table.seats[1]!.notes.includes('this node balances the cluster now'));
  await table.seat('d', 1);
  await table.until('the next move', async () => (await decisionsOf(table)).length === 2);
  const [first, second] = await decisionsOf(table);
  t.true(table.nowMs - movedAtMs >= 58_000, `${table.nowMs - movedAtMs} ms`);
  t.is(first?.by, 'a');
  t.is(second?.by, 'b');
  t.is(second?.outcome, 'done');
});

test('a node that joins gets its share, and each decision is written down with its reason', async (t) => {
  await using table = await Table.open(['a', 'b']);
  await table.directory.claimBlocks({ expectNodes: 2 });
  await table.seat('c');
  await table.until('c has its share', async () => (await table.counts())[2]! >= 9);
  const decisions = await decisionsOf(table);
  t.true(decisions.length > 0);
  for (const { to, kind, outcome, text, blockCount } of decisions) {
    t.deepEqual([to, kind, outcome], ['c', 'join', 'done'], text);
    t.true(blockCount > 0);
    t.regex(text, /^c has \d+ blocks and its share is 1\d: blocks? .+ go(es)? from [ab] to it$/);
  }
  t.true(table.seats[0]!.notes.some((note) => note.startsWith('balancer: c has')));
});

test('dry-run says it once and moves nothing; off moves only what drains', async (t) => {
  await using table = await Table.open(['a', 'b']);
  await table.directory.claimBlocks({ expectNodes: 1 });
  await table.directory.putSetting(DIRECTORY_SETTINGS.balance, 'dry-run');
  await table.seat('c');
  const before = await table.counts();
  await table.until('a dry decision', async () => (await decisionsOf(table)).length > 0);
  for (let second = 0; second < 10; second++) await table.second();
  t.deepEqual(await table.counts(), before);
  t.deepEqual(
    (await decisionsOf(table)).map(({ outcome }) => outcome),
    ['dry-run'],
  );
  await table.directory.putSetting(DIRECTORY_SETTINGS.balance, 'off');
  await table.directory.drain({ ...table.seats[0]!.member, isDraining: true });
  await table.until('a is empty', async () => (await table.counts())[0] === 0);
  t.deepEqual([...new Set((await decisionsOf(table)).slice(1).map(({ kind }) => kind))], ['drain']);
});

test('what is overloaded is said once in a minute, with the cell', async (t) => {
  await using table = await Table.open(['a', 'b']);
  await table.directory.claimBlocks({ expectNodes: 2 });
  const hot = (await table.directory.blocks()).find(({ node }) => node === 1)!.block;
  table.costUs = (block) => (block === hot ? 70_000 : 10);
  const { reportLoad } = table.directory;
  table.directory.reportLoad = (report) =>
    reportLoad.call(table.directory, {
      ...report,
      load:
        report.node === 1
          ? {
              ...report.load,
              busyShare: 1.4,
              shedLevel: 2,
              hottestCell: { cell: 5, costUs: 70_000, entities: 90, sessions: 80 },
            }
          : report.load,
    });
  await table.until('it is said', async () => (await decisionsOf(table)).some(({ kind }) => kind === 'overload'));
  for (let second = 0; second < 20; second++) await table.second();
  const said = (await decisionsOf(table)).filter(({ kind }) => kind === 'overload');
  t.is(said.length, 1);
  t.regex(
    said[0]!.text,
    /^a takes 140 % of the tick's period and sheds at level 2: cell 5 \(block 1\) alone takes 140 %, with 90 entities and 80 players/,
  );
});

function decision(t: ExecutionContext | undefined, index: number): Decision {
  t?.pass();
  return {
    atMs: index,
    by: 'a',
    kind: 'spread',
    outcome: 'done',
    from: 'a',
    to: 'b',
    blocks: [index],
    blockCount: 1,
    text: 'why',
  };
}

test('the log of decisions keeps the newest, and whatever else is in its place is no decision', (t) => {
  const many = Array.from({ length: 100 }, (_, index) => decision(undefined, index));
  const kept = readDecisions(decisionsText(many));
  t.is(kept.length, 40);
  t.is(kept.at(-1)?.atMs, 99);
  const long = {
    ...decision(t, 1),
    text: 'x'.repeat(5000),
    blocks: Array.from({ length: 500 }, (_, block) => block),
    blockCount: 500,
  };
  const [read] = readDecisions(decisionsText([long]));
  t.is(read?.blockCount, 500);
  t.is(read?.blocks.length, 32);
  for (const value of [
    undefined,
    '',
    'null',
    '{}',
    '[1]',
    '[{}]',
    JSON.stringify([{ ...decision(t, 1), kind: 'no' }]),
    'x'.repeat(70_000),
  ]) {
    t.deepEqual(readDecisions(value), []);
  }
});
