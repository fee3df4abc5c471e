/** What a directory refuses; see directory-suite.ts. */
import type { TestFn } from 'ava';
import type { DirectoryFactory } from './directory-fixture.ts';
import { FACTS, PID_DEAD, joinActive, joinRequest, newLedger, refusal } from './directory-fixture.ts';

export function factTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  for (const [key, value, says] of [
    ['world', 'meadow', /world module is meadow here.*harbour/],
    ['worldSize', 900, /worldSize .*--world-size\) is 900 here.* 1300;/],
    ['cellSize', 64, /cellSize is 64 here.* set it to 50/],
    ['blockCells', 8, /blockCells is 8 here.* 4;/],
    ['tickHz', 30, /tickHz is 30 here.* 20;/],
  ] as const) {
    test(`${name}: a node with another ${key} is refused`, async (t) => {
      const url = makeUrl();
      await using _first = await open(url, FACTS);
      const message = await refusal(t, () => open(url, { ...FACTS, [key]: value }), 'ERR_DIRECTORY_FACTS');
      t.regex(message, says);
    });
  }

  test(`${name}: a second live node of a name is refused; a dead one's journal is not left behind`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a');
    const message = await refusal(t, () => directory.join(joinRequest('a')), 'ERR_DIRECTORY_NAME_TAKEN');
    t.regex(message, new RegExp(`process ${process.pid}.*/data/a`));
    await directory.join({ ...a.request, pid: PID_DEAD });
    await refusal(t, () => directory.join(joinRequest('a')), 'ERR_DIRECTORY_NAME_UNRESOLVED');
    // Refused calls have changed nothing.
    t.is((await directory.members()).length, 1);
    t.is((await directory.join(joinRequest('b'))).incarnation, 3);
  });

  test(`${name}: a copied or restored journal is refused`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const { request } = await joinActive(directory, 'a', { pid: 1 });
    await directory.renew({ node: 1, incarnation: 1, position: 500 });
    const renamed = await refusal(t, () => directory.join({ ...request, name: 'b' }), 'ERR_DIRECTORY_LEDGER_TAKEN');
    t.regex(renamed, /is that of node "a", this is "b"/);
    const copied = await refusal(
      t,
      () => directory.join({ ...request, folder: '/copy/a', pid: process.pid }),
      'ERR_DIRECTORY_LEDGER_TAKEN',
    );
    t.regex(copied, /in use in \/data\/a by process 1; \/copy\/a is a copy/);
    const older = await refusal(t, () => directory.join({ ...request, position: 499 }), 'ERR_DIRECTORY_LEDGER_OLDER');
    t.regex(older, /ends at position 499, and once was at 500/);
    t.is((await directory.join({ ...request, position: 500 })).incarnation, 2);
    // The folder may be moved while nothing runs on it.
    await directory.leave({ node: 1, incarnation: 2 });
    t.is((await directory.join({ ...request, folder: '/moved/a', position: 501 })).incarnation, 3);
  });
}

export function limitTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: schemas two versions apart do not run together`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const schema = (version: number, hash: number) => ({ version, hash, text: `{"v":${version}}` });
    const a = await joinActive(directory, 'a', { schema: schema(1, 10) });
    await joinActive(directory, 'b', { schema: schema(2, 20) });
    const message = await refusal(
      t,
      () => directory.join(joinRequest('c', { schema: schema(3, 30) })),
      'ERR_DIRECTORY_SCHEMA',
    );
    t.regex(message, /has version 3, and node "a" runs version 1/);
    await directory.leave(a);
    await directory.join(joinRequest('c', { schema: schema(3, 30) }));
    t.deepEqual(
      (await directory.schemas()).map(({ version, hash, text }) => [version, hash, text]),
      [
        [1, 10, '{"v":1}'],
        [2, 20, '{"v":2}'],
        [3, 30, '{"v":3}'],
      ],
    );
  });

  test(`${name}: there are 63 names, and no more`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    for (let index = 1; index <= 63; index++) {
      t.is((await directory.join(joinRequest(`n${index}`))).node, index);
    }
    await refusal(t, () => directory.join(joinRequest('n64')), 'ERR_DIRECTORY_NODES_MAX');
  });

  test(`${name}: used-up incarnations are said, and not given out again`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    await refusal(
      t,
      () => directory.join(joinRequest('a', { incarnationSeen: 2 ** 21 - 1 })),
      'ERR_DIRECTORY_INCARNATION_MAX',
    );
    t.is((await directory.join(joinRequest('a'))).incarnation, 1);
  });

  test(`${name}: values out of bounds are refused before anything is read`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const attempts: readonly (() => Promise<unknown>)[] = [
      () => directory.join(joinRequest('A')),
      () => directory.join(joinRequest('a', { ledger: 'x' })),
      () => directory.join(joinRequest('a', { capacity: -1 })),
      () => directory.join(joinRequest('a', { incarnationSeen: 0.5 })),
      () => directory.join(joinRequest('a', { folder: 'x'.repeat(5000) })),
      () => directory.renew({ node: 64, incarnation: 1 }),
      () => directory.renew({ node: 1, incarnation: 1, capacity: Number.NaN }),
      () => directory.fence({ node: 0, seenVersion: 1, successor: 1 }),
      () => directory.forget('no ledger'),
      () => directory.giveBlocks({ from: 1, to: 2, blocks: [{ block: -1, epoch: 0 }] }),
      () => directory.putName('', { ledger: newLedger(), entity: 1 as never }, { expectedVersion: 0 }),
      () => directory.putName('x', { ledger: newLedger(), entity: (2 ** 53) as never }, { expectedVersion: 0 }),
      () => directory.getName('x'.repeat(257)),
      () => directory.putSetting('x', 'y'.repeat(65_537)),
      () => directory.secret('clusterId' as never, 'a'.repeat(64)),
      () => directory.secret('sessionKey', 'A'.repeat(64)),
    ];
    for (const attempt of attempts) await refusal(t, attempt, 'ERR_DIRECTORY_VALUE');
    await refusal(t, () => open(makeUrl(), { ...FACTS, blockCount: 0 }), 'ERR_DIRECTORY_VALUE');
  });
}

export function viewTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test(`${name}: nodes whose clients see different things do not run together`, async (t) => {
    await using directory = await open(makeUrl(), FACTS);
    const a = await joinActive(directory, 'a', { viewHash: 1 });
    const b = await joinActive(directory, 'b', { viewHash: 1 });
    const next = joinRequest('c', { viewHash: 2 });
    t.regex(
      await refusal(t, () => directory.join(next), 'ERR_DIRECTORY_VIEW'),
      /that node "a" runs \(version 1\); stop all nodes/,
    );
    await directory.leave(a);
    t.regex(await refusal(t, () => directory.join(next), 'ERR_DIRECTORY_VIEW'), /node "b"/);
    const mixed = await joinActive(directory, 'mixed', { viewHash: 0 });
    const d = await directory.join(joinRequest('d', { viewHash: 1 }));
    await directory.leave(d);
    await directory.leave(mixed);
    await directory.leave(b);
    await directory.join(next);
    await refusal(t, () => directory.join({ ...a.request, incarnationSeen: a.incarnation }), 'ERR_DIRECTORY_VIEW');
    await directory.join({ ...a.request, incarnationSeen: a.incarnation, viewHash: 2 });
  });
}
