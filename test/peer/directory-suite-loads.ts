/** Draining by anybody, load reports, and who is told of them; see directory-suite.ts. */
import type { TestFn } from 'ava';
import type { DirectoryFactory } from './directory-fixture.ts';
import { FACTS, WatchLog, joinActive, joinRequest, nodeLoad, refusal } from './directory-fixture.ts';

export function drainTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: anybody has a lease drained, and takes it back`, async (t) => {
    const url = makeUrl();
    await using near = await open(url, FACTS);
    await using far = await open(url, FACTS);
    const a = await joinActive(near, 'a');
    const b = await joinActive(near, 'b');
    await near.claimBlocks({ expectNodes: 2 });
    t.true(await far.drain({ ...a, isDraining: true }));
    const drained = (await near.members()).find(({ node }) => node === a.node);
    t.is(drained?.state, 'draining');
    t.true((drained?.version ?? 0) > b.version, 'a change of the lease, so its version is new');
    // It renews and keeps what it has, until that is given away; nothing new is given to it.
    t.not(await near.renew({ ...a, position: 9 }), 'fenced');
    t.is((await far.members()).find(({ node }) => node === a.node)?.state, 'draining');
    const owned = (await far.blocks()).filter(({ node }) => node === b.node).slice(0, 1);
    t.false(await far.giveBlocks({ from: b.node, to: a.node, blocks: owned }));
    const given = (await far.blocks()).filter(({ node }) => node === a.node);
    t.true(given.length > 0);
    t.true(await far.giveBlocks({ from: a.node, to: b.node, blocks: given }));
    t.true(await far.drain({ ...a, isDraining: true }), 'asked again, it is so');
    t.true(await far.drain({ ...a, isDraining: false }));
    t.is((await near.members()).find(({ node }) => node === a.node)?.state, 'active');
  });

  test(`${name}: only a lease that is active or draining can be drained, and only by its incarnation`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    t.false(await directory.drain({ node: a.node, incarnation: a.incarnation + 1, isDraining: true }));
    t.false(await directory.drain({ node: 9, incarnation: 1, isDraining: true }));
    const joining = await directory.join(joinRequest('b'));
    t.false(await directory.drain({ ...joining, isDraining: true }));
    t.true(await directory.drain({ ...a, isDraining: true }));
    await directory.leave(a);
    t.false(await directory.drain({ ...a, isDraining: false }));
    t.deepEqual(
      (await directory.members()).map(({ state }) => state),
      ['gone', 'joining'],
    );
    await refusal(t, () => directory.drain({ node: 64, incarnation: 1, isDraining: true }), 'ERR_DIRECTORY_VALUE');
  });
}

export function loadTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: the last load report of each live member is there`, async (t) => {
    const url = makeUrl();
    await using near = await open(url, FACTS);
    await using far = await open(url, FACTS);
    t.deepEqual(await near.loads(), []);
    const a = await joinActive(near, 'a');
    const b = await joinActive(far, 'b');
    t.true(await near.reportLoad({ ...a, load: nodeLoad() }));
    t.true(await far.reportLoad({ ...b, load: nodeLoad({ hottestCell: undefined, blocks: [], shedLevel: 2 }) }));
    const first = await far.loads();
    t.deepEqual(
      first.map((load) => ({ ...load, revision: 0 })),
      [
        { node: a.node, incarnation: a.incarnation, revision: 0, ...nodeLoad() },
        {
          node: b.node,
          incarnation: b.incarnation,
          revision: 0,
          ...nodeLoad({ hottestCell: undefined, blocks: [], shedLevel: 2 }),
        },
      ],
    );
    t.true(await near.reportLoad({ ...a, load: nodeLoad() }));
    const second = await near.loads();
    t.true(second[0]!.revision > first[0]!.revision, 'the same figures, and a new report');
    t.is(second[1]!.revision, first[1]!.revision);
    await near.leave(a);
    t.deepEqual(
      (await far.loads()).map(({ node }) => node),
      [b.node],
    );
    t.false(await near.reportLoad({ ...a, load: nodeLoad() }));
    t.false(await near.reportLoad({ node: b.node, incarnation: b.incarnation + 1, load: nodeLoad() }));
  });

  test(`${name}: a load report out of bounds is refused`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    const blocks = Array.from({ length: 257 }, (_, block) => ({ block, costUs: 1, entities: 1, sessions: 1 }));
    const wrong = [{ tickP50Us: -1 }, { busyShare: Number.NaN }, { entities: 0.5 }, { shedLevel: 99 }, { blocks }];
    for (const changes of wrong) {
      await refusal(t, () => directory.reportLoad({ ...a, load: nodeLoad(changes) }), 'ERR_DIRECTORY_VALUE');
    }
    t.deepEqual(await directory.loads(), []);
  });

  test(`${name}: load reports wake those who watch them, and nobody else`, async (t) => {
    const url = makeUrl();
    await using near = await open(url, FACTS);
    await using far = await open(url, FACTS);
    const a = await joinActive(far, 'a');
    using plain = new WatchLog(near);
    using loads = new WatchLog(near, { withLoads: true });
    await plain.waitFor(({ members }) => members !== undefined);
    t.deepEqual((await loads.waitFor((change) => change.loads !== undefined)).loads, []);
    const before = plain.changes.length;
    for (let sessions = 1; sessions <= 3; sessions++) {
      await far.reportLoad({ ...a, load: nodeLoad({ sessions }) });
      await loads.waitFor((change) => change.loads?.[0]?.sessions === sessions);
    }
    // What comes after them has come, so they were not told.
    await far.putSetting('round', 'last');
    await plain.waitFor(({ settings }) => settings?.[0]?.value === 'last');
    const heard = plain.changes.slice(before);
    t.true(heard.every((change) => change.loads === undefined));
    t.is(heard.filter((change) => change.settings?.[0]?.value === 'last').length, heard.length);
  });
}
