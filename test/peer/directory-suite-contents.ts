/** Blocks, names, settings, and the watch; see directory-suite.ts. */
import type { TestFn } from 'ava';
import type { DirectoryFactory } from './directory-fixture.ts';
import { FACTS, WatchLog, joinActive, joinRequest, newLedger } from './directory-fixture.ts';

export function blockTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: blocks are placed once, when enough nodes are active`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    t.deepEqual(
      await directory.blocks(),
      Array.from({ length: 35 }, (_, block) => ({ block, node: 0, epoch: 0, isPopulated: false })),
    );
    t.deepEqual(await directory.claimBlocks({ expectNodes: 0 }), { placed: 0, active: 0 });
    await joinActive(directory, 'a');
    await joinActive(directory, 'b');
    const c = await directory.join(joinRequest('c'));
    t.deepEqual(await directory.claimBlocks({ expectNodes: 3 }), { placed: 0, active: 2 });
    await directory.renew({ ...c, state: 'active' });
    t.deepEqual(await directory.claimBlocks({ expectNodes: 3 }), { placed: 35, active: 3 });
    t.deepEqual(await directory.claimBlocks({ expectNodes: 3 }), { placed: 0, active: 3 });
    const owners = await directory.blocks();
    t.true(owners.every(({ epoch }) => epoch === 1));
    t.deepEqual([...new Set(owners.map(({ node }) => node))].sort(), [1, 2, 3]);
  });

  test(`${name}: blocks are given whole lists at a time, by epoch`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    await joinActive(directory, 'a');
    await directory.claimBlocks({ expectNodes: 1 });
    const b = await directory.join(joinRequest('b'));
    const blocks = [
      { block: 3, epoch: 1 },
      { block: 34, epoch: 1 },
    ];
    t.false(await directory.giveBlocks({ from: 1, to: 2, blocks }), 'b is not active');
    await directory.renew({ ...b, state: 'active' });
    t.false(await directory.giveBlocks({ from: 1, to: 2, blocks: [...blocks, { block: 4, epoch: 2 }] }));
    t.false(await directory.giveBlocks({ from: 1, to: 2, blocks: [...blocks, { block: 35, epoch: 0 }] }));
    t.false(await directory.giveBlocks({ from: 2, to: 1, blocks }));
    t.false(await directory.giveBlocks({ from: 1, to: 2, blocks: [] }));
    t.true((await directory.blocks()).every(({ node }) => node === 1));
    t.true(await directory.giveBlocks({ from: 1, to: 2, blocks }));
    t.false(await directory.giveBlocks({ from: 1, to: 2, blocks }));
    t.deepEqual(
      (await directory.blocks()).filter(({ node }) => node === 2),
      blocks.map(({ block }) => ({ block, node: 2, epoch: 2, isPopulated: false })),
    );
  });

  test(`${name}: a block is populated once, by its owner`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    await joinActive(directory, 'a');
    await joinActive(directory, 'b');
    await directory.claimBlocks({ expectNodes: 2 });
    const all = await directory.blocks();
    const ofA = all.filter(({ node }) => node === 1).map(({ block }) => block);
    const everything = all.map(({ block }) => block);
    t.deepEqual(await directory.markPopulated({ node: 1, blocks: [...everything, 99] }), ofA);
    t.deepEqual(await directory.markPopulated({ node: 1, blocks: everything }), []);
    t.is((await directory.markPopulated({ node: 2, blocks: everything })).length, 35 - ofA.length);
    t.true((await directory.blocks()).every(({ isPopulated }) => isPopulated));
  });
}

export function entryTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: names are written by compare-and-swap`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const home = { ledger: newLedger(), entity: 4_294_967_297 as never };
    const other = { ledger: newLedger(), entity: 4_294_967_298 as never };
    t.is(await directory.getName('ada'), undefined);
    t.is(await directory.putName('ada', home, { expectedVersion: 1 }), undefined);
    const first = await directory.putName('ada', home, { expectedVersion: 0 });
    t.is(await directory.putName('ada', other, { expectedVersion: 0 }), undefined);
    t.deepEqual(await directory.getName('ada'), { ...home, version: first?.version ?? -1 });
    const second = await directory.putName('ada', other, { expectedVersion: first?.version ?? -1 });
    t.true((second?.version ?? 0) > (first?.version ?? 0));
    t.is(await directory.getName('Ada'), undefined);
    t.false(await directory.deleteName('ada', { expectedVersion: first?.version ?? -1 }));
    t.true(await directory.deleteName('ada', { expectedVersion: second?.version ?? -1 }));
    t.false(await directory.deleteName('ada', { expectedVersion: second?.version ?? -1 }));
  });

  test(`${name}: settings: the last writer wins, or none by version`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    t.deepEqual(await directory.settings(), []);
    const first = await directory.putSetting('handoverPercent', '50', { expectedVersion: 0 });
    t.is(await directory.putSetting('handoverPercent', '60', { expectedVersion: 0 }), undefined);
    const second = await directory.putSetting('handoverPercent', '70', { expectedVersion: first?.version ?? -1 });
    const third = await directory.putSetting('handoverPercent', '80');
    t.true((third?.version ?? 0) > (second?.version ?? 0));
    t.deepEqual(await directory.settings(), [{ key: 'handoverPercent', value: '80', version: third?.version ?? -1 }]);
  });
}

export function secretTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: of all who offer a secret at once one wins, for ever, and it is no fact`, async (t) => {
    const url = makeUrl();
    await using near = await open(url, FACTS);
    await using far = await open(url, FACTS);
    const offers = ['1', '2', '3', '4'].map((digit) => digit.repeat(64));
    const taken = await Promise.all(
      offers.map((offer, index) => (index % 2 === 0 ? near : far).secret('sessionKey', offer)),
    );
    t.is(new Set(taken).size, 1);
    t.true(offers.includes(taken[0]!));
    await using late = await open(url, FACTS);
    t.is(await late.secret('sessionKey', 'f'.repeat(64)), taken[0]!);
    t.false(JSON.stringify(late.facts).includes(taken[0]!));
    t.false(JSON.stringify(await late.settings()).includes(taken[0]!));
  });
}

export function watchTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: a watch tells everything, then what changes, here and elsewhere`, async (t) => {
    const url = makeUrl();
    await using near = await open(url, FACTS);
    await using far = await open(url, FACTS);
    using log = new WatchLog(near);
    const first = await log.waitFor(() => true);
    t.is(first.members?.length, 0);
    t.is(first.blocks?.length, 35);
    t.deepEqual(first.settings, []);

    const a = await joinActive(far, 'a');
    const told = await log.waitFor(({ members }) => members?.[0]?.state === 'active');
    t.is(told.members?.[0]?.version, a.version);
    t.is(told.blocks, undefined);

    const renewed = await near.renew(a);
    await log.waitFor(({ members }) => renewed !== 'fenced' && members?.[0]?.version === renewed.version);

    await far.claimBlocks({ expectNodes: 1 });
    t.true((await log.waitFor(({ blocks }) => blocks?.[0]?.node === 1)).members === undefined);
    await near.putSetting('closedBlocks', '[3]');
    await log.waitFor(({ settings }) => settings?.[0]?.value === '[3]');
    await far.putName('ada', { ledger: newLedger(), entity: 1 as never }, { expectedVersion: 0 });
    await log.waitFor(({ names }) => names === true, { from: 1 });
    await far.join(joinRequest('b', { schema: { hash: 8, version: 2, text: '{}' } }));
    await log.waitFor(({ schemas }) => schemas?.some(({ hash }) => hash === 8) ?? false);
    const revisions = log.changes.map(({ revision }) => revision);
    t.deepEqual(
      revisions,
      [...revisions].sort((one, two) => one - two),
    );
  });

  test(`${name}: changes arrive soon, and not after the watch has ended`, async (t) => {
    const url = makeUrl();
    await using near = await open(url, FACTS);
    await using far = await open(url, FACTS);
    const log = new WatchLog(near);
    const delaysMs: number[] = [];
    for (let round = 0; round < 11; round++) {
      await log.waitFor(({ settings }) => round === 0 || settings?.[0]?.value === String(round - 1));
      const startMs = performance.now();
      await far.putSetting('round', String(round));
      const writtenMs = performance.now();
      await log.waitFor(({ settings }) => settings?.[0]?.value === String(round));
      delaysMs.push(performance.now() - writtenMs);
      t.true(performance.now() - startMs < 5000);
    }
    delaysMs.sort((one, two) => one - two);
    // 25 ms on an idle machine; tests share one.
    t.true(delaysMs[5]! < 100, `${delaysMs[5]} ms`);
    log[Symbol.dispose]();
    const count = log.changes.length;
    using second = new WatchLog(near);
    await far.putSetting('round', 'last');
    await second.waitFor(({ settings }) => settings?.[0]?.value === 'last');
    t.is(log.changes.length, count);
  });
}
