/**
 * Two processes with neighbouring versions of one world: what the one does not know comes back from it as it was, what it
 * cannot take stays where it is, and a node that is upgraded reads its own journal.
 */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { connect } from '../../../src/client/index.ts';
import type { Client } from '../../../src/client/index.ts';
import { namesWithBorder, readyUrl, startNode, until } from '../../fixtures/border-walk.ts';
import { PARKED, PARKED_WEIGHT, paintOf, SHUTTLES_PER_CELL } from '../../fixtures/upgrade-version-1.ts';
import type first from '../../fixtures/upgrade-version-1.ts';
import { BALLOONS, BALLOON_TURNS, FUEL, FUEL_PER_TURN, ROUNDS, stampOf } from '../../fixtures/upgrade-version-2.ts';
import type second from '../../fixtures/upgrade-version-2.ts';
import type { RunningCommand } from '../command-line.ts';
import { temporaryFolder, worldmesh } from '../command-line.ts';

const SHUTTLES = SHUTTLES_PER_CELL * 4;

test('nodes one version apart exchange entities, and no field is lost', async (t) => {
  t.timeout(240_000);
  const folder = temporaryFolder();
  const [west, east] = namesWithBorder();
  await using oldNode = start({ name: west, version: 1, folder });
  await using newNode = start({ name: east, version: 2, folder, mixedViews: true });
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const oldUrl = await readyUrl(oldNode);
  const newUrl = await readyUrl(newNode);
  using watching = new Watching(oldUrl, newUrl);
  await watching.start();

  await areRefused(t, folder);
  const census = path.join(folder, 'census.ndjson');
  const before = await audited(folder, ['--census-out', census]);
  t.is(before.code, 0, before.stdout);

  await until(
    () => `rounds: ${JSON.stringify(watching.rounds())}`,
    () => watching.isAtRest(),
  );
  t.log(`${watching.crossings()} crossings counted by ${SHUTTLES} shuttles`);
  checkShuttles(t, watching);

  const after = await audited(folder, ['--census', census, '--settle', '10']);
  t.is(after.code, 0, after.stdout);
  t.log(after.stdout.trim());
  const { handoversOut, handoversIn, handoversRejected, handoversReclaimed } = await countersOf(newUrl);
  t.log({ handoversOut, handoversIn, handoversRejected, handoversReclaimed });
  // Balloons: refused for their schema, and taken back, each time.
  t.true(handoversRejected! >= BALLOONS);
  t.is(handoversReclaimed, handoversRejected);

  await upgrade(t, { folder, west, oldNode });
});

type Shuttle = ReturnType<typeof shuttlesOf>[number];

function shuttlesOf({ entities }: Client<typeof second>) {
  return [...entities.values()].flatMap((entity) => (entity.kind === 'shuttle' ? [entity] : []));
}

/** Looks at both sides, as clients that stand still there. */
class Watching implements Disposable {
  readonly old: Client<typeof first>;
  readonly new: Client<typeof second>;

  constructor(oldUrl: string, newUrl: string) {
    this.old = connect<typeof first>(oldUrl, { name: 'west' });
    this.new = connect<typeof second>(newUrl, { name: 'east' });
  }

  async start(): Promise<void> {
    await Promise.all([this.old.whenOnline(), this.new.whenOnline()]);
    await until(
      () => `${this.shuttles().length} shuttles in sight`,
      () => this.shuttles().length === SHUTTLES,
    );
  }

  shuttles(): Shuttle[] {
    return shuttlesOf(this.new).filter(({ components }) => components.cargo.weight !== PARKED_WEIGHT);
  }

  balloons() {
    return [...this.new.entities.values()].flatMap((entity) => (entity.kind === 'balloon' ? [entity] : []));
  }

  rounds() {
    return this.shuttles().map(({ x, components: { cargo, hull } }) => [cargo.west, hull.turns, Math.round(x)]);
  }

  crossings(): number {
    return this.shuttles().reduce((sum, { components: { cargo, hull } }) => sum + cargo.west + hull.turns, 0);
  }

  isAtRest(): boolean {
    const isDone = this.shuttles().every(
      ({ components: { cargo, hull } }) => cargo.west >= ROUNDS && hull.turns >= ROUNDS,
    );
    const areBalloonsDone = this.balloons().every(({ components: { hull } }) => hull.turns >= BALLOON_TURNS);
    const areAllHere = this.shuttles().length === SHUTTLES && this.balloons().length === BALLOONS;
    return areAllHere && areBalloonsDone && isDone && this.shuttles().every(({ x }) => x > 0);
  }

  [Symbol.dispose](): void {
    this.old.close();
    this.new.close();
  }
}

interface Node {
  readonly name: string;
  readonly version: number;
  readonly folder: string;
  readonly mixedViews?: boolean;
}

function start({ name, version, folder, mixedViews = false }: Node): RunningCommand {
  const environment = { WORLDMESH_MIXED_VIEWS: String(mixedViews) };
  return startNode(name, folder, { module: `upgrade-version-${version}.ts`, environment });
}

function directoryOf(folder: string): string {
  return `sqlite:${path.join(folder, 'directory.sqlite')}`;
}

/** A third node, of a version that is two away from the first's; and one whose clients would see other things than the first's. */
async function areRefused(t: ExecutionContext, folder: string): Promise<void> {
  const says = [
    { version: 3, text: /ERR_DIRECTORY_SCHEMA/ },
    { version: 3, text: /has version 3, and node \\?"west\\?" runs version 1; nodes may be one version apart/ },
    { version: 2, text: /ERR_DIRECTORY_VIEW/ },
    {
      version: 2,
      text: /world module \(version 2\) is not what they see of the one that node \\?"west\\?" runs \(version 1\)/,
    },
  ];
  for (const version of [3, 2]) {
    await using command = start({ name: 'other', version, folder });
    const { code, stdout, stderr } = await command.ended;
    t.not(code, 0);
    for (const { text } of says.filter((one) => one.version === version)) t.regex(stdout + stderr, text);
  }
}

function checkShuttles(t: ExecutionContext, watching: Watching): void {
  for (const { id, components } of watching.shuttles()) {
    const { cargo, hull } = components;
    const fuel = Math.max(0, FUEL - FUEL_PER_TURN * hull.turns);
    t.deepEqual(
      {
        stamp: cargo.stamp,
        grams: cargo.grams,
        faults: cargo.faults,
        fuel: hull.fuel,
        label: hull.label,
        log: hull.log,
      },
      {
        stamp: stampOf(id),
        grams: cargo.weight * 1000,
        faults: 0,
        fuel,
        label: `shuttle ${stampOf(id)}`,
        log: Array.from({ length: hull.turns }, (_, index) => ({ turn: index + 1 })),
      },
    );
    // The old node sees it as a ghost, with the field that the new one does not know.
    const seen = watching.old.entities.get(id);
    t.is(seen?.kind === 'shuttle' ? seen.components.cargo.paint : undefined, paintOf(id));
  }
  t.deepEqual(
    [...watching.old.entities.values()].filter(({ kind }) => kind !== 'shuttle' && kind !== 'watcher'),
    [],
  );
}

async function audited(folder: string, args: readonly string[]) {
  return await worldmesh(['audit', '--directory', directoryOf(folder), ...args]);
}

interface Counted {
  readonly counters: Readonly<Record<string, number>>;
}

/** What the new node counted of handovers. */
async function countersOf(url: string): Promise<Counted['counters']> {
  const response = await fetch(url.replace(/^ws(.*)connect$/, 'http$1status'));
  return ((await response.json()) as Counted).counters;
}

/** The old node runs the new version from now on: what stood there all the time is read from its journal, and migrated. */
async function upgrade(
  t: ExecutionContext,
  { folder, west, oldNode }: { folder: string; west: string; oldNode: RunningCommand },
): Promise<void> {
  oldNode.kill('SIGTERM');
  await oldNode.ended;
  await using upgraded = start({ name: west, version: 2, folder });
  const client = connect<typeof second>(await readyUrl(upgraded), { name: 'west' });
  try {
    const parked = () => shuttlesOf(client).filter(({ components }) => components.cargo.weight === PARKED_WEIGHT);
    await until(
      () => `${parked().length} of ${PARKED} parked shuttles`,
      () => parked().length === PARKED && parked().every(({ components }) => components.cargo.stamp !== 0),
    );
    for (const { id, components } of parked()) {
      t.is(components.cargo.grams, PARKED_WEIGHT * 1000);
      t.is(components.cargo.stamp, stampOf(id));
      t.is(components.cargo.faults, 0);
      t.is(components.hull.fuel, FUEL);
    }
  } finally {
    client.close();
  }
}
