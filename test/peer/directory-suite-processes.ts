/** Several real processes at once; see directory-suite.ts. */
import type { TestFn } from 'ava';
import type { DirectoryFactory } from './directory-fixture.ts';
import { FACTS, joinActive, joinRequest, withProcesses } from './directory-fixture.ts';

export function counterTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test.serial(`${name}: four processes lose no update, and no incarnation is given twice`, async (t) => {
    const url = makeUrl();
    await using directory = await open(url, FACTS);
    await withProcesses({ url, count: 4 }, async (processes) => {
      await Promise.all(processes.map((started) => started.set({ kind: 'count', key: 'n', times: 50 })));
      const counted = await Promise.all(processes.map((started) => started.go()));
      t.deepEqual(
        counted.map(({ code }) => code),
        [undefined, undefined, undefined, undefined],
      );
      t.is((await directory.settings())[0]?.value, '200');

      const requests = (index: number) => Array.from({ length: 15 }, (_, n) => joinRequest(`p${index}-${n}`));
      await Promise.all(processes.map((started, index) => started.set({ kind: 'join', requests: requests(index) })));
      const joined = await Promise.all(processes.map((started) => started.go()));
      const incarnations = joined.flatMap(({ result }) => result as number[]);
      t.is(new Set(incarnations).size, 60);
      t.is(Math.max(...incarnations), 60);
      t.is(new Set((await directory.members()).map(({ node }) => node)).size, 60);
    });
  });

  test.serial(`${name}: three processes place the blocks at once, and they are placed once`, async (t) => {
    const url = makeUrl();
    await using directory = await open(url, FACTS);
    for (const node of ['a', 'b', 'c']) await joinActive(directory, node);
    await withProcesses({ url, count: 3 }, async (processes) => {
      for (const started of processes) await started.set({ kind: 'claim', expectNodes: 3 });
      const answers = await Promise.all(processes.map((started) => started.go()));
      const placed = answers.map(({ result }) => (result as { placed: number }).placed);
      t.deepEqual(
        placed.sort((one, two) => one - two),
        [0, 0, 35],
      );
      t.true((await directory.blocks()).every(({ epoch }) => epoch === 1));
    });
  });
}

export function raceTests(test: TestFn, { name, makeUrl, open }: DirectoryFactory): void {
  test.serial(`${name}: two processes fence one node at once, and one succeeds`, async (t) => {
    const url = makeUrl();
    await using directory = await open(url, FACTS);
    await withProcesses({ url, count: 2 }, async (processes) => {
      const heirs = [await joinActive(directory, 'a'), await joinActive(directory, 'b')];
      for (let round = 0; round < 20; round++) {
        const victim = await joinActive(directory, 'victim');
        await Promise.all(
          processes.map((started, index) => {
            const request = { node: victim.node, seenVersion: victim.version, successor: heirs[index]!.node };
            return started.set({ kind: 'fence', request });
          }),
        );
        const results = (await Promise.all(processes.map((started) => started.go()))).map(({ result }) => result);
        t.deepEqual([...results].sort(), [false, true]);
        const fenced = (await directory.members()).find(({ ledger }) => ledger === victim.request.ledger);
        t.is(fenced?.successor, heirs[results.indexOf(true)]!.node);
      }
    });
  });

  test.serial(`${name}: a renewal and a fence at once: exactly one wins`, async (t) => {
    const url = makeUrl();
    await using directory = await open(url, FACTS);
    const wins = { renewal: 0, fence: 0 };
    await withProcesses({ url, count: 2 }, async ([holder, observer]) => {
      const heir = await joinActive(directory, 'heir');
      for (let round = 0; round < 30; round++) {
        const victim = await joinActive(directory, 'victim');
        const { node, incarnation, version } = victim;
        await holder!.set({ kind: 'renew', renewal: { node, incarnation } });
        await observer!.set({ kind: 'fence', request: { node, seenVersion: version, successor: heir.node } });
        // Who is told first takes turns, so that both orders happen.
        const answers =
          round % 2 === 0
            ? await Promise.all([holder!.go(), observer!.go()])
            : (await Promise.all([observer!.go(), holder!.go()])).toReversed();
        const isRenewed = answers[0]!.result !== 'fenced';
        const isFenced = answers[1]!.result as boolean;
        t.not(isRenewed, isFenced);
        wins[isRenewed ? 'renewal' : 'fence'] += 1;
        const live = (await directory.members()).find(({ ledger }) => ledger === victim.request.ledger);
        t.is(live?.state === 'fenced', isFenced);
        if (!isFenced) {
          t.true(await directory.fence({ node, seenVersion: live?.version ?? 0, successor: heir.node }));
        }
      }
    });
    t.log(wins);
  });
}
