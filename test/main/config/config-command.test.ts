/** `worldmesh config` as a user runs it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { SqliteDirectory } from '../../../src/peer/directory-sqlite.ts';
import { temporaryFolder, worldmesh } from '../command-line.ts';

interface CheckJson {
  readonly ok: boolean;
  readonly nodes: readonly { readonly node: string; readonly file: string; readonly given: Record<string, string> }[];
  readonly findings: readonly Record<string, string>[];
  readonly notes: readonly { readonly text: string }[];
}

const CLUSTER = `directory: sqlite:data/directory.sqlite
dataDir: data
nodes:
  a: { port: 9000, listen: '127.0.0.1:9100' }
  b: { port: 9001, listen: '127.0.0.1:9101', peers: ['a=127.0.0.1:9100', '127.0.0.1:9100'] }
  c: { port: 9001, reusePort: true, host: 127.0.0.2 }
`;

test.serial('config check says what it found of a cluster whose directory is there, and exits with 0', async (t) => {
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'data'));
  writeFileSync(path.join(folder, 'cluster.yaml'), CLUSTER);
  const directory = await SqliteDirectory.open({
    file: path.join(folder, 'data/directory.sqlite'),
    facts: { world: 'meadow', worldSize: 2048, cellSize: 256, blockCells: 4, tickHz: 20, blockCount: 4 },
    now: Date.now,
    random: Math.random,
  });
  try {
    const text = await worldmesh(['config', 'check', 'cluster.yaml'], { folder });
    t.is(text.code, 0, text.stdout);
    t.regex(text.stdout, /directory sqlite:data\/directory\.sqlite: world "meadow", 4 blocks, no nodes yet/);
    t.regex(text.stdout, /The configuration of 3 nodes \(a, b, c\) is valid\.\n$/);
    const json = await worldmesh(['config', 'check', 'cluster.yaml', '--json', '--seed', '7'], { folder });
    const { ok, nodes, findings } = JSON.parse(json.stdout) as CheckJson;
    t.true(ok);
    t.deepEqual(
      nodes.map(({ node }) => node),
      ['a', 'b', 'c'],
    );
    t.deepEqual(findings, []);
    t.like(nodes[1]?.given, { port: 'file cluster.yaml:5', seed: 'flag --seed', dataDir: 'file cluster.yaml:2' });
  } finally {
    await directory.close();
  }
});

test.serial('config check exits with 2 on what would not start, and says where, also as JSON', async (t) => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'a.yaml'), 'node: a\ndirectory: sqlite:d.sqlite\nport: 9000\n');
  writeFileSync(path.join(folder, 'b.yaml'), 'node: b\ndirectory: sqlite:d.sqlite\nport: 9000\n');
  const text = await worldmesh(['config', 'check', 'a.yaml', 'b.yaml'], { folder });
  t.is(text.code, 2);
  t.regex(
    text.stdout,
    /^error: {3}port is 9000 \(file b\.yaml:3, node b\)\n {2}allowed: .*node a \(a\.yaml\) is 127\.0\.0\.1:9000/,
  );
  const json = await worldmesh(['config', 'check', 'a.yaml', 'b.yaml', 'missing.yaml', '--json'], { folder });
  t.is(json.code, 2);
  const { ok, findings } = JSON.parse(json.stdout) as CheckJson;
  t.false(ok);
  t.like(
    findings.find(({ setting }) => setting === 'port'),
    {
      code: 'ERR_CONFIG_CLUSTER',
      severity: 'error',
      file: 'b.yaml',
      node: 'b',
      found: '9000',
      source: 'file b.yaml:3',
    },
  );
  t.like(
    findings.find(({ file }) => file === 'missing.yaml'),
    { code: 'ERR_CONFIG_FILE', found: 'not found' },
  );
});

test.serial('config check --nodes checks what worldmesh cluster would start', async (t) => {
  t.is((await worldmesh(['config', 'check', '--nodes', '3', '--port', '65533'])).code, 0);
  const { code, stdout } = await worldmesh(['config', 'check', '--nodes', '3', '--gateways', '1', '--port', '65533']);
  t.is(code, 2);
  t.regex(stdout, /port is 65533 \(flag --port\)[\s\S]*3 more above it[\s\S]*lower it to 65532/);
});

test.serial('config print --given shows what is not at its default, and from where', async (t) => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'cluster.yaml'), CLUSTER);
  const args = ['config', 'print', '--given', '--config', 'cluster.yaml', '--seed', '7'];
  const { code, stdout } = await worldmesh(args, { folder, environment: { WORLDMESH_NODE: 'b' } });
  t.is(code, 0);
  const rows = stdout.trim().split('\n');
  t.is(rows.length, 7);
  t.true(
    rows.some((row) => /^seed +7 +flag --seed$/.test(row)),
    stdout,
  );
  t.true(
    rows.some((row) => /^port +9001 +file cluster\.yaml:5$/.test(row)),
    stdout,
  );
  t.true(
    rows.some((row) => /^node +"b" +environment WORLDMESH_NODE$/.test(row)),
    stdout,
  );
  t.true(
    rows.some((row) => /^dataDir +"data" +file cluster\.yaml:2$/.test(row)),
    stdout,
  );
});

test.serial('a command that looks at a cluster finds it by WORLDMESH_DIRECTORY alone', async (t) => {
  const { code, stderr } = await worldmesh(['status'], {
    environment: { WORLDMESH_DIRECTORY: 'sqlite:nowhere.sqlite' },
  });
  t.is(code, 1);
  t.regex(stderr, /nowhere\.sqlite does not exist/);
});
