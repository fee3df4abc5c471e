import path from 'node:path';
import test from 'ava';
import { waitForEarlierNodes } from '../../../src/main/cluster/earlier-nodes.ts';
import { NodeError } from '../../../src/main/node-error.ts';
import { tryLock } from '../../../src/peer/ledger-lock.ts';
import { temporaryFolder } from '../command-line.ts';

test('without earlier nodes there is nothing to wait for', async (t) => {
  const folder = temporaryFolder();
  tryLock(path.join(folder, 'a'))?.release();
  await waitForEarlierNodes({ folder, nodes: ['a', 'b'], onWait: () => t.fail() });
  t.pass();
});

test('it waits for those that run, and says which', async (t) => {
  const folder = temporaryFolder();
  const lock = tryLock(path.join(folder, 'b'));
  const told: (readonly string[])[] = [];
  const onWait = (nodes: readonly string[]): void => {
    told.push(nodes);
    setImmediate(() => lock?.release());
  };
  await waitForEarlierNodes({ folder, nodes: ['a', 'b'], onWait });
  t.deepEqual(told, [['b']]);
});

test('a cluster that goes on running is named', async (t) => {
  const folder = temporaryFolder();
  using _lock = tryLock(path.join(folder, 'b'));
  const error = await t.throwsAsync(waitForEarlierNodes({ folder, nodes: ['a', 'b'], onWait: () => {}, waitMs: 100 }), {
    instanceOf: NodeError,
  });
  t.is(error?.code, 'ERR_NODE_CLUSTER_RUNS');
  t.regex(error?.message ?? '', /runs in .* already: b \(process \d+\); stop it/);
});
