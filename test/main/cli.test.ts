import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { SETTING_NAMES, flagOf } from '../../src/main/config/settings.ts';
import { temporaryFolder, worldmesh } from './command-line.ts';

const COMMANDS = [
  'serve',
  'dev',
  'cluster',
  'bots',
  'bench',
  'replay',
  'config check',
  'config print',
  'cells',
  'cells plan',
  'cells move',
  'cells balance',
];

for (const command of COMMANDS) {
  test.serial(`${command} --help describes it, with examples`, async (t) => {
    const { code, stdout, stderr } = await worldmesh([...command.split(' '), '--help']);
    t.is(code, 0, stderr);
    t.true(stdout.includes(`Usage: worldmesh ${command}`), stdout);
    t.regex(stdout, new RegExp(`Examples:\\n {2}\\$ .*worldmesh ${command}`));
  });
}

test.serial('--help lists the commands and the exit codes; serve --help lists every setting', async (t) => {
  const top = await worldmesh(['--help']);
  for (const command of ['serve', 'dev', 'cluster', 'bots', 'bench', 'replay', 'config'])
    t.true(top.stdout.includes(`\n  ${command} `));
  t.regex(top.stdout, /Exit codes:\n {2}0 {2}done/);
  const serve = await worldmesh(['serve', '--help']);
  for (const name of SETTING_NAMES) t.true(serve.stdout.includes(flagOf(name)), name);
});

/** Arguments, and what the one block on stderr must say. */
const USAGE_ERRORS: readonly (readonly [readonly string[], RegExp])[] = [
  [['serv'], /unknown command 'serv'[\s\S]*Did you mean serve\?/],
  [['serve', '--tick-hx', '20'], /unknown option '--tick-hx'[\s\S]*Did you mean --tick-hz\?/],
  [['serve', '--tick-hz', 'fast'], /tickHz is "fast" \(flag --tick-hz\)\n.*allowed: .*1 to 240[\s\S]*remedy:/],
  [['serve', '--param', 'bots'], /name=value/],
  [['serve', 'a.ts', 'b.ts'], /too many arguments/],
  [['bench', '--entities', 'many'], /whole number from 1 to/],
  [['bots', '--count', '0'], /whole number from 1 to/],
  [['replay'], /missing required argument 'file'/],
  [['bots', '--url', 'localhost'], /'--url <url>' argument 'localhost' is invalid\. Write it as ws:\/\/host:port/],
  [['keys', 'issue', 'A', '--ca', '.', '--out', '.'], /"A" cannot be the name of a node/],
  [['trace', 'abc', '--directory', 'sqlite:nowhere'], /"abc" names nothing; write an entity as/],
  [['config', 'check', '--tick-hx', '20'], /see "worldmesh config check --help"\n$/],
  [['cluster', '--nodes', '40', '--gateways', '40'], /1 to 63 nodes and gateways together/],
  [['config', 'print', '--config', 'missing.yaml'], /missing\.yaml is not found/],
];

for (const [args, expected] of USAGE_ERRORS) {
  test.serial(`worldmesh ${args.join(' ')}: exit code 2 and one block without a stack`, async (t) => {
    const { code, stdout, stderr } = await worldmesh(args);
    t.is(code, 2, stderr);
    t.is(stdout, '');
    t.regex(stderr, expected);
    t.regex(stderr, /^worldmesh: /);
    t.notRegex(stderr, /\n\s+at .*:\d+:\d+/);
  });
}

test.serial('failures exit with 1: a missing module, a missing recording', async (t) => {
  const serve = await worldmesh(['serve', 'missing.ts']);
  t.is(serve.code, 1);
  t.regex(serve.stderr, /^worldmesh: missing\.ts: there is no such file .* \[ERR_MODULE_LOAD\]\n$/);
  const folder = temporaryFolder();
  const inFolder = await worldmesh(['serve', '.'], { folder });
  t.is(inFolder.code, 1);
  t.regex(
    inFolder.stderr,
    /^worldmesh: \.: is a folder; give the world module in it, such as world\.ts \[ERR_MODULE_LOAD\]\n$/,
  );
  writeFileSync(path.join(folder, 'worldmesh.yaml'), 'tickHz: 20\n');
  t.regex((await worldmesh(['serve', 'worldmesh.yaml'], { folder })).stderr, /given as --config FILE/);
  const replay = await worldmesh(['replay', 'missing.wmr']);
  t.is(replay.code, 1);
  t.regex(replay.stderr, /^worldmesh: missing\.wmr cannot be read \(ENOENT\) \[ERR_RECORDING_FILE\]\n$/);
});

test.serial('config check and print read flags, environment and file, for people and as JSON', async (t) => {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, 'worldmesh.yaml'), 'tickHz: 30\nsnapshotHz: 15\n');
  const environment = {
    WORLDMESH_CONFIG: 'worldmesh.yaml',
    WORLDMESH_SEED: '7',
    WORLDMESH_AUTH_SECRET: 'hunter2hunter2',
  };
  const checked = await worldmesh(['config', 'check', '--port', '9000'], { folder, environment });
  t.is(checked.code, 0, checked.stderr);
  t.regex(checked.stdout, /configuration is valid/);

  const printed = await worldmesh(['config', 'print', '--port', '9000', '--json'], { folder, environment });
  const settings = JSON.parse(printed.stdout) as Record<string, { value: unknown; source: string }>;
  t.like(settings['port'], { value: 9000, source: 'flag --port' });
  t.like(settings['seed'], { value: 7, source: 'environment WORLDMESH_SEED' });
  t.like(settings['tickHz'], { value: 30, source: 'file worldmesh.yaml:1' });
  t.like(settings['host'], { value: '127.0.0.1', source: 'default' });
  t.like(settings['authSecret'], { value: 'set (hidden)' });

  const text = await worldmesh(['config', 'print'], { folder, environment });
  t.regex(text.stdout, /tickHz +30 Hz +file worldmesh\.yaml:1\n/);
  t.notRegex(text.stdout + printed.stdout, /hunter2/);
});

test.serial('no colours away from a terminal, and --version', async (t) => {
  const { stdout } = await worldmesh(['config', 'print']);
  t.false(stdout.includes('\u001B'));
  t.regex((await worldmesh(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test.serial('bench measures and prints, as text and as JSON', async (t) => {
  const small = ['bench', '--entities', '500', '--max', '--ticks', '50', '--workers', '2'];
  const text = await worldmesh(small);
  t.is(text.code, 0, text.stderr);
  t.regex(text.stdout, /p50 .*p99/);
  t.regex(text.stdout, /simulate/);
  t.regex(text.stdout, /Node v\d/);
  t.regex(text.stdout, /SIMD kernel alone/);
  const json = await worldmesh([...small, '--json']);
  const result = JSON.parse(json.stdout) as {
    ticks: number;
    scene: { entities: number; workers: number };
    tickHistogram: { count: number }[];
    nsPerEntity: { totalMs: number };
    rawLoops: { simdNs: number };
    garbage: { workers: unknown[] };
  };
  t.is(result.ticks, 50);
  t.like(result.scene, { entities: 500, workers: 2 });
  t.is(
    result.tickHistogram.reduce((sum, bar) => sum + bar.count, 0),
    50,
  );
  t.true(result.nsPerEntity.totalMs > 0 && result.rawLoops.simdNs > 0);
  t.is(result.garbage.workers.length, 2);
});
