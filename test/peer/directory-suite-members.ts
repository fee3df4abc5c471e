/** Members, leases and fencing; see directory-suite.ts. */
import type { TestFn } from 'ava';
import type { DirectoryFactory } from './directory-fixture.ts';
import { FACTS, joinActive, joinRequest, newLedger, refusal } from './directory-fixture.ts';

export function membershipTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: facts are those of whoever came first, for all`, async (t) => {
    const url = makeUrl();
    const earliestMs = Date.now();
    await using first = await open(url, FACTS);
    await using second = await open(url, undefined);
    t.deepEqual(second.facts, first.facts);
    t.regex(first.facts.clusterId, /^[0-9a-f]{32}$/);
    t.true(first.facts.tickEpochMs >= earliestMs && first.facts.tickEpochMs <= Date.now());
  });

  test(`${name}: numbers stay with names, incarnations only grow`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    const b = await joinActive(directory, 'b');
    t.deepEqual([a.node, a.incarnation, a.previousIncarnation], [1, 1, 0]);
    t.deepEqual([b.node, b.incarnation], [2, 2]);
    // The same journal again: its process has died, and was started again.
    const again = await directory.join(a.request);
    t.deepEqual([again.node, again.incarnation, again.previousIncarnation], [1, 3, 1]);
    t.is(await directory.renew({ node: a.node, incarnation: a.incarnation }), 'fenced');
    const [first] = await directory.members();
    t.deepEqual([first?.state, first?.incarnation, first?.version], ['joining', 3, again.version]);
  });

  test(`${name}: an incarnation is above what the journal has seen`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    t.is((await directory.join(joinRequest('a', { incarnationSeen: 41 }))).incarnation, 42);
    t.is((await directory.join(joinRequest('b'))).incarnation, 43);
  });

  test(`${name}: what was written is there for whoever opens it next`, async (t) => {
    const url = makeUrl();
    const ledger = newLedger();
    {
      await using directory = await open(url, FACTS);
      await joinActive(directory, 'a', { ledger });
      await directory.claimBlocks({ expectNodes: 1 });
    }
    await using directory = await open(url, FACTS);
    t.is((await directory.members())[0]?.ledger, ledger);
    t.is((await directory.blocks())[34]?.node, 1);
    await directory.close();
    await refusal(t, () => directory.members(), 'ERR_DIRECTORY_CLOSED');
    await directory.close();
  });
}

export function renewalTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: a renewal raises the version, and changes what it names`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a', { capacity: 3 });
    const { node, incarnation } = a;
    const first = await directory.renew({ node, incarnation, version: a.version });
    // The answer to an earlier one may have been lost: the version that this node knows is then an old one.
    const second = await directory.renew({
      node,
      incarnation,
      version: a.version,
      position: 70,
      buddy: 1,
      isProtected: true,
    });
    if (first === 'fenced' || second === 'fenced') return t.fail();
    t.true(a.version < first.version && first.version < second.version);
    await directory.renew({
      node,
      incarnation,
      position: 60,
      state: 'draining',
      clientUrl: 'http://x/',
      peerAddress: 'x:1',
    });
    const [member] = await directory.members();
    t.like(member, {
      node,
      incarnation,
      name: 'a',
      state: 'draining',
      ledger: a.request.ledger,
      position: 70,
      buddy: 1,
      isProtected: true,
      capacity: 3,
      clientUrl: 'http://x/',
      peerAddress: 'x:1',
      folder: '/data/a',
      pid: process.pid,
      release: '0.1.0',
      schemaVersion: 1,
      successor: 0,
    });
  });

  test(`${name}: who leaves is gone, keeps its blocks, and may come back`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    await directory.claimBlocks({ expectNodes: 1 });
    await directory.leave({ node: a.node, incarnation: a.incarnation + 1 });
    t.is((await directory.members())[0]?.state, 'active');
    await directory.leave(a);
    t.is((await directory.members())[0]?.state, 'gone');
    // A renewal that was on its way does not bring it back.
    await directory.renew({ node: a.node, incarnation: a.incarnation, state: 'active' });
    t.is((await directory.members())[0]?.state, 'gone');
    t.true((await directory.blocks()).every(({ node }) => node === a.node));
    t.is((await directory.join(a.request)).node, a.node);
    t.is((await directory.members())[0]?.state, 'joining');
  });
}

export function fenceTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: fencing gives everything to the successor, and ends the lease for ever`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    const b = await joinActive(directory, 'b');
    await directory.claimBlocks({ expectNodes: 2 });
    const before = await directory.blocks();
    t.false(await directory.fence({ node: a.node, seenVersion: a.version - 1, successor: b.node }));
    t.false(await directory.fence({ node: a.node, seenVersion: a.version, successor: a.node }));
    t.false(await directory.fence({ node: a.node, seenVersion: a.version, successor: 9 }));
    t.deepEqual(await directory.blocks(), before);
    t.true(await directory.fence({ node: a.node, seenVersion: a.version, successor: b.node }));
    const after = await directory.blocks();
    t.true(after.every(({ node }) => node === b.node));
    t.deepEqual(
      after.map(({ epoch }) => epoch),
      before.map(({ node, epoch }) => (node === a.node ? epoch + 1 : epoch)),
    );
    const [fenced] = await directory.members();
    t.like(fenced, { node: a.node, state: 'fenced', successor: b.node, successorLedger: b.request.ledger });
    t.true((fenced?.version ?? 0) > a.version);
    t.is(await directory.renew(a), 'fenced');
    await directory.leave(a);
    t.is((await directory.members())[0]?.state, 'fenced');
    t.false(await directory.fence({ node: a.node, seenVersion: fenced?.version ?? 0, successor: b.node }));
    await refusal(t, () => directory.join(a.request), 'ERR_DIRECTORY_LEDGER_FENCED');
  });

  test(`${name}: a node that is gone is fenced like others, and is no successor`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    const b = await joinActive(directory, 'b');
    await directory.leave(b);
    t.false(await directory.fence({ node: a.node, seenVersion: a.version, successor: b.node }));
    const gone = (await directory.members()).find(({ node }) => node === b.node);
    t.true(await directory.fence({ node: b.node, seenVersion: gone?.version ?? 0, successor: a.node }));
  });
}

export function chainTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: a fenced name comes back with a new journal, beside its fenced lease`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    const b = await joinActive(directory, 'b');
    t.true(await directory.fence({ node: a.node, seenVersion: a.version, successor: b.node }));
    const again = await joinActive(directory, 'a');
    t.is(again.node, a.node);
    t.deepEqual(
      (await directory.members()).map(({ node, state }) => [node, state]),
      [
        [1, 'fenced'],
        [1, 'active'],
        [2, 'active'],
      ],
    );
    // The old process of that name is fenced all the same.
    t.is(await directory.renew({ node: a.node, incarnation: a.incarnation }), 'fenced');
    // b goes the same way: it cannot be forgotten while a's first journal names it.
    t.true(await directory.fence({ node: b.node, seenVersion: b.version, successor: again.node }));
    t.false(await directory.forget(b.request.ledger));
    t.false(await directory.forget(again.request.ledger));
    t.true(await directory.forget(a.request.ledger));
    t.true(await directory.forget(b.request.ledger));
    t.true(await directory.forget(b.request.ledger));
    t.deepEqual(
      (await directory.members()).map(({ ledger }) => ledger),
      [again.request.ledger],
    );
  });
}
