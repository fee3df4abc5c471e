import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import { ClusterLog } from '../../../src/main/cluster/cluster-log.ts';
import { LINE_LENGTH_MAX, LineSplitter, jsonLineOf } from '../../../src/main/cluster/log-lines.core.ts';
import { nodeName, planCluster } from '../../../src/main/cluster/node-plan.core.ts';
import type { ClusterRequest } from '../../../src/main/cluster/node-plan.core.ts';
import { FAILURES_MAX, NO_HISTORY, STABLE_MS, decideAfterExit } from '../../../src/main/cluster/restart.core.ts';
import type { NodeExit, RestartHistory } from '../../../src/main/cluster/restart.core.ts';
import { readyFrom } from '../../../src/main/cluster/supervised.ts';
import { resolveConfig } from '../../../src/main/config/resolve.ts';

const DIED: NodeExit = { code: null, readyMs: 10, isStopping: false, comesBack: false };
const RESTARTS = { restarts: true };

test('the first restart is at once, later ones wait longer, and there is an end', (t) => {
  let history: RestartHistory = NO_HISTORY;
  const delaysMs: number[] = [];
  for (;;) {
    const decision = decideAfterExit(history, DIED, RESTARTS);
    if (decision.kind !== 'restart') {
      t.deepEqual(decision, { kind: 'gaveUp', failures: FAILURES_MAX + 1 });
      break;
    }
    delaysMs.push(decision.delayMs);
    history = { failures: decision.failures, wasReady: true };
  }
  t.deepEqual(delaysMs, [0, 250, 500, 1000, 2000, 4000, 8000, 10_000]);
});

test('a stable run makes the next death the first again', (t) => {
  const history = { failures: FAILURES_MAX, wasReady: true };
  const decision = decideAfterExit(history, { ...DIED, readyMs: STABLE_MS }, RESTARTS);
  t.deepEqual(decision, { kind: 'restart', delayMs: 0, failures: 1 });
});

test('what was wanted is no death; what never worked is not tried again', (t) => {
  t.is(decideAfterExit(NO_HISTORY, { ...DIED, code: 0 }, RESTARTS).kind, 'stopped');
  t.is(decideAfterExit(NO_HISTORY, { ...DIED, isStopping: true }, RESTARTS).kind, 'stopped');
  const unready = { ...DIED, readyMs: undefined };
  t.deepEqual(decideAfterExit(NO_HISTORY, { ...unready, code: 2 }, RESTARTS), { kind: 'fatal', code: 2 });
  // Killed from outside before it was ready, or faulty only this time: it may work the next time.
  t.is(decideAfterExit(NO_HISTORY, unready, RESTARTS).kind, 'restart');
  t.is(decideAfterExit({ failures: 1, wasReady: true }, { ...unready, code: 2 }, RESTARTS).kind, 'restart');
  t.is(decideAfterExit(NO_HISTORY, DIED, { restarts: false }).kind, 'down');
});

test('lines come whole, however they arrive, and not longer than a limit', (t) => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const piece of ['on', 'e\ntw', 'o\r\n\nthree']) splitter.push(piece);
  t.deepEqual(lines, ['one', 'two', '']);
  splitter.end();
  splitter.end();
  t.deepEqual(lines, ['one', 'two', '', 'three']);
  lines.length = 0;
  splitter.push('x'.repeat(LINE_LENGTH_MAX * 2 + 5));
  splitter.push(`\n${'y'.repeat(LINE_LENGTH_MAX + 1)}\n`);
  t.deepEqual(
    lines.map((line) => line.length),
    [LINE_LENGTH_MAX, LINE_LENGTH_MAX, 5, LINE_LENGTH_MAX, 1],
  );
});

test('JSON lines get the name of their node; other text becomes a message', (t) => {
  const from = { isError: false, nowMs: 5 };
  t.is(jsonLineOf('a', '{"level":30,"msg":"x"}', from), '{"node":"a","level":30,"msg":"x"}');
  t.is(jsonLineOf('a', '{ }', from), '{"node":"a"}');
  t.is(jsonLineOf('a', '{"node":"b","msg":"died"}', from), '{"node":"a","msg":"died","aboutNode":"b"}');
  t.deepEqual(JSON.parse(jsonLineOf('a', '{ not json', { isError: true, nowMs: 5 })), {
    node: 'a',
    level: 50,
    time: 5,
    msg: '{ not json',
  });
  t.is(jsonLineOf('a', '[1]', from), '{"node":"a","level":30,"time":5,"msg":"[1]"}');
});

test('on a terminal each line begins with its node, in a column', (t) => {
  let text = '';
  const stream = process.stdout;
  const write = (piece: string): void => {
    text += piece;
  };
  const log = new ClusterLog({ pretty: true, nodes: ['a', 'long-name'], write, now: () => 0, stream });
  log.line('a', 'hello', { isError: false });
  log.line('long-name', 'there', { isError: true });
  log.line('a', '  ', { isError: false });
  log.tell('warn', 'a died');
  const plain = stripVTControlCharacters(text).replace(/\d\d:\d\d:\d\d/, '00:00:00');
  t.is(plain, 'a         │ hello\nlong-name │ there\ncluster   │ 00:00:00  a died\n');
});

test('names count through the alphabet', (t) => {
  t.deepEqual([0, 1, 25, 26, 27, 62].map(nodeName), ['a', 'b', 'z', 'aa', 'ab', 'bk']);
});

function request(flags: Record<string, string>, count = 3): ClusterRequest {
  const own = { node: 'a', directory: 'sqlite:x', clusterSize: String(count) };
  const values = new Map(Object.entries({ ...flags, ...own }));
  const { settings, origins } = resolveConfig([{ kind: 'flag', path: '', values }]);
  const files = { module: 'game.ts', configFile: undefined, folder: '/srv/game' };
  return { count, gateways: 0, settings, origins, ...files, logFormat: 'json' };
}

test('each node is given its name and port, what they share, and every flag that was given', (t) => {
  const plan = planCluster(
    request({ port: '9000', workers: '2', viewer: 'false', params: 'a=1,b=2', tickHz: '30', snapshotHz: '15' }),
  );
  t.deepEqual(
    plan?.nodes.map(({ name, port }) => [name, port]),
    [
      ['a', 9000],
      ['b', 9001],
      ['c', 9002],
    ],
  );
  t.deepEqual(plan?.nodes[1]?.args, [
    'game.ts',
    '--no-viewer',
    '--param',
    'a=1',
    '--param',
    'b=2',
    '--tick-hz=30',
    '--snapshot-hz=15',
    '--directory=sqlite:/srv/game/.worldmesh/cluster/directory.sqlite',
    '--data-dir=/srv/game/.worldmesh/cluster',
    '--cluster-size=3',
    '--listen=127.0.0.1:0',
    '--workers=2',
    '--log-format=json',
    '--node=b',
  ]);
});

test('nodes share the cores, keep port 0, and refuse ports that there are not', (t) => {
  const given = request({ port: '0' });
  const plan = planCluster({ ...given, settings: { ...given.settings, workers: 7 }, configFile: 'w.yaml' });
  t.is(plan?.workers, 2);
  t.deepEqual(plan?.nodes[0]?.args.slice(0, 3), ['game.ts', '--config', 'w.yaml']);
  t.true(plan?.nodes.every(({ port }) => port === 0));
  t.is(planCluster({ ...given, settings: { ...given.settings, workers: 2 } })?.workers, 1);
  t.is(planCluster(request({ port: '65534' })), undefined);
  t.not(planCluster(request({ port: '65533' })), undefined);
});

test('gateways own no cells and share the port that is set; the nodes take those above', (t) => {
  const plan = planCluster({ ...request({ port: '9000' }, 2), gateways: 2 });
  t.deepEqual(
    plan?.nodes.map(({ name, port }) => [name, port]),
    [
      ['g1', 9000],
      ['g2', 9000],
      ['a', 9001],
      ['b', 9002],
    ],
  );
  const own = plan?.nodes.map(({ args }) => args.filter((arg) => /capacity|reuse|cluster-size/.test(arg)));
  t.deepEqual(own?.[0], ['--cluster-size=4', '--capacity=0', '--reuse-port']);
  t.deepEqual(own?.[2], ['--cluster-size=4']);
  t.is(planCluster({ ...request({ port: '65535' }, 1), gateways: 1 }), undefined);
});

test('only what a node says is taken from the channel', (t) => {
  const ready = { type: 'ready', url: 'u', port: 1, world: 'w', incarnation: 2, peerAddress: '' };
  t.deepEqual(readyFrom({ ...ready, more: 1 }), ready as never);
  for (const odd of [undefined, null, 'ready', [], {}, { ...ready, port: '1' }, { ...ready, type: 'x' }]) {
    t.is(readyFrom(odd), undefined);
  }
});
