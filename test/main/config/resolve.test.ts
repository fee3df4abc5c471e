import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { addressText, isLoopback, parseAddress, parsePeer } from '../../../src/main/config/address.ts';
import { ConfigError } from '../../../src/main/config/config-error.ts';
import { nearestName } from '../../../src/main/config/nearest.ts';
import { readConfig } from '../../../src/main/config/read.ts';
import type { ResolvedConfig } from '../../../src/main/config/resolve.ts';

interface Given {
  readonly flags?: Record<string, string>;
  readonly environment?: Record<string, string>;
  /** The content of a configuration file. */
  readonly file?: string;
}

/** The least that a node of a cluster is given. */
const MEMBER = { node: 'a', directory: 'sqlite:directory.sqlite' };

const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-config-'));
let files = 0;

function read({ flags = {}, environment = {}, file }: Given): ResolvedConfig {
  let filePath: string | undefined;
  if (file !== undefined) {
    filePath = path.join(folder, `${files++}.yaml`);
    writeFileSync(filePath, file);
  }
  return readConfig({ flags: new Map(Object.entries(flags)), environment, file: filePath });
}

test('a flag beats the environment, which beats the file, which beats the default', (t) => {
  const given = { flags: { tickHz: '30' }, environment: { WORLDMESH_TICK_HZ: '40' }, file: 'tickHz: 50' };
  t.is(read(given).settings.tickHz, 30);
  t.is(read({ ...given, flags: {} }).settings.tickHz, 40);
  t.is(read({ file: given.file }).settings.tickHz, 50);
  t.is(read({}).settings.tickHz, 20);
  t.is(read(given).origins.get('tickHz'), 'flag --tick-hz');
  t.is(read({ ...given, flags: {} }).origins.get('tickHz'), 'environment WORLDMESH_TICK_HZ');
});

test('params of all sources are merged, the stronger source winning', (t) => {
  const { settings } = read({
    flags: { params: 'a=1' },
    environment: { WORLDMESH_PARAMS: 'a=2,b=3' },
    file: 'params: { b: 4, c: 5 }',
  });
  t.deepEqual(settings.params, { a: 1, b: 3, c: 5 });
});

test('JSON is read as well, and WORLDMESH_CONFIG names the file', (t) => {
  const filePath = path.join(folder, 'named.json');
  writeFileSync(filePath, '{"tickHz": 60, "snapshotHz": 20, "viewer": false}');
  const { settings } = readConfig({ flags: new Map(), environment: { WORLDMESH_CONFIG: filePath }, file: undefined });
  t.is(settings.tickHz, 60);
  t.false(settings.viewer);
});

test('peers come as a list, from repeated flags, the environment or a file', (t) => {
  const peers = ['b=127.0.0.1:7801', '[::1]:7802', 'c=node-c.example:7803'];
  const text = peers.join(',');
  t.deepEqual(read({ flags: { ...MEMBER, peers: text } }).settings.peers, peers);
  t.deepEqual(read({ flags: MEMBER, environment: { WORLDMESH_PEERS: text } }).settings.peers, peers);
  t.deepEqual(read({ flags: MEMBER, file: `peers: ${JSON.stringify(peers)}` }).settings.peers, peers);
  t.is(read({ flags: { ...MEMBER, peers: text } }).origins.get('peers'), 'flag --peer');
});

test('origins and proxies come as lists, tokens by a secret, a file or both', (t) => {
  const lists = { origins: 'https://game.example,*.lan', trustProxy: '10.0.0.0/8,::1' };
  const { settings } = read({ flags: { ...lists, authMode: 'token', authKeyFile: 'login.pub' } });
  t.deepEqual(settings.origins, ['https://game.example', '*.lan']);
  t.deepEqual(settings.trustProxy, ['10.0.0.0/8', '::1']);
  t.is(read({ flags: lists }).origins.get('origins'), 'flag --origin');
  const secret = 'a secret of at least thirty-two bytes';
  t.is(read({ flags: { authMode: 'token', authKeyFile: 'k', authSecret: secret } }).settings.authSecret, secret);
  t.is(read({ flags: { authMode: 'hook', authFile: 'login.ts' } }).settings.authFile, 'login.ts');
});

test('an address for other machines is fine with TLS', (t) => {
  const { settings } = read({
    flags: { ...MEMBER, listen: '0.0.0.0:7800', tlsCert: 'a.crt', tlsKey: 'a.key', tlsCa: 'ca.crt' },
  });
  t.is(settings.listen, '0.0.0.0:7800');
});

test('addresses and peers are taken apart, whatever else they hold', (t) => {
  t.deepEqual(parseAddress('127.0.0.1:0'), { host: '127.0.0.1', port: 0 });
  t.deepEqual(parseAddress('[fe80::1]:7'), { host: 'fe80::1', port: 7 });
  for (const text of ['', ':1', 'a:', 'a:1:2', 'a b:1', '-a:1', 'a:-1', 'a:65536', '[a', `${'x'.repeat(300)}:1`]) {
    t.is(parseAddress(text), undefined, text);
  }
  t.deepEqual(parsePeer('b=h:1'), { name: 'b', host: 'h', port: 1 });
  t.deepEqual(parsePeer('h:1'), { name: '', host: 'h', port: 1 });
  for (const text of ['B=h:1', '=h:1', 'h:0', 'b=', 'b=c=h:1']) t.is(parsePeer(text), undefined, text);
  t.true(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback));
  t.false(['0.0.0.0', '::', '127.example.com', '10.0.0.1'].some(isLoopback));
  t.is(addressText({ host: '::1', port: 7 }), '[::1]:7');
});

/** What is given, and what the message must contain. */
const BROKEN: readonly (Given & { readonly says: readonly RegExp[]; readonly code: string })[] = [
  { flags: { tickHz: '0' }, code: 'ERR_CONFIG_VALUE', says: [/tickHz is "0"/, /flag --tick-hz/, /from 1 to 240/] },
  { flags: { tickHz: '1.5' }, code: 'ERR_CONFIG_VALUE', says: [/whole number/] },
  { flags: { tickHz: 'fast' }, code: 'ERR_CONFIG_VALUE', says: [/"fast"/, /"--tick-hz 20"/] },
  { flags: { tickHz: '' }, code: 'ERR_CONFIG_VALUE', says: [/""/] },
  { flags: { tickHz: 'NaN' }, code: 'ERR_CONFIG_VALUE', says: [/"NaN"/] },
  { flags: { tickHz: '1e999' }, code: 'ERR_CONFIG_VALUE', says: [/1e999/] },
  {
    environment: { WORLDMESH_PORT: '65536' },
    code: 'ERR_CONFIG_VALUE',
    says: [/environment WORLDMESH_PORT/, /0 to 65535/],
  },
  { environment: { WORLDMESH_PORT: '-1' }, code: 'ERR_CONFIG_VALUE', says: [/"-1"/, /"WORLDMESH_PORT=7777"/] },
  { environment: { WORLDMESH_VIEWER: 'maybe' }, code: 'ERR_CONFIG_VALUE', says: [/true or false/] },
  { environment: { WORLDMESH_TICKHZ: '20' }, code: 'ERR_CONFIG_UNKNOWN', says: [/did you mean WORLDMESH_TICK_HZ/] },
  { environment: { WORLDMESH_BANANA: '1' }, code: 'ERR_CONFIG_UNKNOWN', says: [/not a setting/, /config print/] },
  { file: 'tickhz: 20', code: 'ERR_CONFIG_UNKNOWN', says: [/did you mean tickHz\?/] },
  { file: 'tick-hz: 20', code: 'ERR_CONFIG_UNKNOWN', says: [/did you mean tickHz\?/] },
  { file: 'tickHz: "20"', code: 'ERR_CONFIG_VALUE', says: [/file .*yaml/, /whole number/] },
  { file: 'tickHz:', code: 'ERR_CONFIG_VALUE', says: [/empty/] },
  { file: 'tickHz: [20]', code: 'ERR_CONFIG_VALUE', says: [/\[20\]/] },
  { file: 'kernel: rust', code: 'ERR_CONFIG_VALUE', says: [/one of simd, typescript/] },
  { file: '- tickHz', code: 'ERR_CONFIG_FILE', says: [/a list at the top/, /name: value/] },
  { file: 'just words', code: 'ERR_CONFIG_FILE', says: [/a string at the top/] },
  { file: 'tickHz: {', code: 'ERR_CONFIG_FILE', says: [/line \d+, column \d+/] },
  { file: '{"tickHz": 20', code: 'ERR_CONFIG_FILE', says: [/not valid YAML or JSON/] },
  { file: 'tickHz: 20\ntickHz: 30', code: 'ERR_CONFIG_FILE', says: [/duplicate key/] },
  { file: `host: ${'x'.repeat(1024 * 1024)}`, code: 'ERR_CONFIG_FILE', says: [/bytes large/] },
  { flags: { inputRingBytes: '100000' }, code: 'ERR_CONFIG_VALUE', says: [/a power of two from 65536/] },
  { flags: { heapBytes: '65537' }, code: 'ERR_CONFIG_VALUE', says: [/a multiple of 32/] },
  { flags: { params: 'botsPerCell' }, code: 'ERR_CONFIG_VALUE', says: [/--param/, /name=value/] },
  { flags: { params: 'bots=many' }, code: 'ERR_CONFIG_VALUE', says: [/name=value/] },
  { file: 'params: { Bad-Name: 1 }', code: 'ERR_CONFIG_VALUE', says: [/params/] },
  {
    flags: { snapshotHz: '15' },
    code: 'ERR_CONFIG_CONFLICT',
    says: [/divisor of tickHz, which is 20/, /snapshotHz to 10/],
  },
  { flags: { hysteresis: '100' }, code: 'ERR_CONFIG_CONFLICT', says: [/quarter of cellSize/] },
  { flags: { worldSize: '131072', cellSize: '16' }, code: 'ERR_CONFIG_CONFLICT', says: [/1048576 cells/] },
  { flags: { backlogBytesSkip: '2097152' }, code: 'ERR_CONFIG_CONFLICT', says: [/backlogBytesMax/] },
  { flags: { messagesBurst: '10' }, code: 'ERR_CONFIG_CONFLICT', says: [/messagesPerSecond/] },
  {
    flags: { authMode: 'token' },
    code: 'ERR_CONFIG_CONFLICT',
    says: [/authSecret is not set/, /WORLDMESH_AUTH_SECRET/],
  },
  { flags: { authMode: 'hook' }, code: 'ERR_CONFIG_CONFLICT', says: [/authFile is not set/, /--auth-file/] },
  { flags: { authKeyFile: 'k.pem' }, code: 'ERR_CONFIG_CONFLICT', says: [/authMode/, /set authMode to token/] },
  { flags: { authFile: 'h.ts' }, code: 'ERR_CONFIG_CONFLICT', says: [/set authMode to hook/] },
  { flags: { origins: 'game.example' }, code: 'ERR_CONFIG_VALUE', says: [/--origin/, /https:\/\/game\.example/] },
  { file: 'origins: ["https://a.example/path"]', code: 'ERR_CONFIG_VALUE', says: [/origins/] },
  { flags: { trustProxy: '10.0.0.0/40' }, code: 'ERR_CONFIG_VALUE', says: [/--trust-proxy/, /IP address/] },
  { flags: { maxMessageBytes: '1048576' }, code: 'ERR_CONFIG_CONFLICT', says: [/bytesBurst to 1048576/] },
  { flags: { clockSkewMaxMs: '1000' }, code: 'ERR_CONFIG_CONFLICT', says: [/clockSkewReportMs, which is 60000/] },
  { flags: { node: 'A' }, code: 'ERR_CONFIG_VALUE', says: [/small letter/, /"--node a"/] },
  { flags: { node: 'a' }, code: 'ERR_CONFIG_CONFLICT', says: [/together with directory/, /--directory sqlite:/] },
  { flags: { directory: 'sqlite:d' }, code: 'ERR_CONFIG_CONFLICT', says: [/together with a node name/, /--node a/] },
  { flags: { directory: 'etcd://h:1' }, code: 'ERR_CONFIG_VALUE', says: [/sqlite:FILE/, /etcd is not supported/] },
  { flags: { listen: 'here' }, code: 'ERR_CONFIG_VALUE', says: [/host:port/, /127\.0\.0\.1:7800/] },
  { flags: { listen: '127.0.0.1:99999' }, code: 'ERR_CONFIG_VALUE', says: [/host:port/] },
  { flags: { ...MEMBER, listen: '0.0.0.0:1' }, code: 'ERR_CONFIG_CONFLICT', says: [/no TLS/, /worldmesh keys init/] },
  { flags: { ...MEMBER, tlsKey: 'k' }, code: 'ERR_CONFIG_CONFLICT', says: [/tlsCert is not set/, /tlsCert and tlsCa/] },
  { flags: { peers: 'b' }, code: 'ERR_CONFIG_VALUE', says: [/flag --peer/, /name=host:port/] },
  { file: 'peers: b=h:1', code: 'ERR_CONFIG_VALUE', says: [/peers/, /\[b=127\.0\.0\.1:7801\]/] },
  { flags: { peers: 'b=h:1' }, code: 'ERR_CONFIG_CONFLICT', says: [/only together with directory/] },
  { flags: { ...MEMBER, peers: 'a=h:1' }, code: 'ERR_CONFIG_CONFLICT', says: [/it is this node/] },
  { flags: { ...MEMBER, peers: 'b=h:1,b=h:2' }, code: 'ERR_CONFIG_CONFLICT', says: [/give "b" once/] },
  { flags: { ...MEMBER, overhang: '300' }, code: 'ERR_CONFIG_CONFLICT', says: [/at most cellSize/] },
  { flags: { ...MEMBER, overhang: '1' }, code: 'ERR_CONFIG_CONFLICT', says: [/at least hysteresis/] },
  { flags: { clientUrl: 'a.example' }, code: 'ERR_CONFIG_VALUE', says: [/http, https, ws or wss/] },
  { flags: { clusterSize: '64' }, code: 'ERR_CONFIG_VALUE', says: [/from 1 to 63/] },
];

test(`${BROKEN.length} broken configurations name setting, value, source, allowed range and remedy`, (t) => {
  for (const { says, code, ...given } of BROKEN) {
    const error = t.throws(() => read(given), { instanceOf: ConfigError }, JSON.stringify(given).slice(0, 100));
    t.is(error.code as string, code, error.message);
    t.regex(error.message, /remedy: {2}\S/);
    for (const pattern of says) t.regex(error.message, pattern);
  }
});

test('a missing file is named', (t) => {
  const error = t.throws(() => readConfig({ flags: new Map(), environment: {}, file: '/nowhere/at/all.yaml' }), {
    instanceOf: ConfigError,
  });
  t.regex(error.message, /\/nowhere\/at\/all\.yaml is not found/);
});

test('all problems are reported at once, overridden values included', (t) => {
  const error = t.throws(
    () =>
      read({ flags: { tickHz: '20' }, environment: { WORLDMESH_TICK_HZ: 'x', WORLDMESH_PORT: 'y' }, file: 'seeed: 1' }),
    { instanceOf: ConfigError },
  );
  t.is(error.problems.length, 3);
});

test('a secret is never printed, whichever way it is wrong', (t) => {
  const secret = 'hunter2-hunter2';
  for (const given of [
    { flags: { authMode: 'token', authSecret: secret } },
    { flags: { authSecret: secret.repeat(1000) } },
    { environment: { WORLDMESH_AUTH_SECRET: secret, WORLDMESH_AUTH_MODE: 'token' } },
    { file: `authSecret: [${secret}]` },
    { file: `authSecret: { ${secret}: 1` },
    { file: `authSecret: *${secret}` },
  ]) {
    const error = t.throws(() => read(given), { instanceOf: ConfigError });
    t.notRegex(error.message, /hunter2/);
    t.notRegex(JSON.stringify(error.problems), /hunter2/);
  }
});

test('the nearest name is suggested only when it is near', (t) => {
  t.is(nearestName('TICKHZ', ['tickHz', 'port']), 'tickHz');
  t.is(nearestName('prot', ['tickHz', 'port']), 'port');
  t.is(nearestName('completelyDifferent', ['tickHz', 'port']), undefined);
  t.is(nearestName('x'.repeat(100_000), ['tickHz']), undefined);
});

const CLUSTER_FILE = `tickHz: 40
directory: sqlite:directory.sqlite
params: { bots: 1, trees: 2 }
nodes:
  a: { port: 9000 }
  b:
    port: 9001
    tickHz: 30
    params: { bots: 5 }
`;

test('a file of a whole cluster gives each node what is common, and above it what is its own', (t) => {
  const a = read({ flags: { node: 'a' }, file: CLUSTER_FILE });
  t.like(a.settings, { node: 'a', port: 9000, tickHz: 40, params: { bots: 1, trees: 2 } });
  const b = read({ environment: { WORLDMESH_NODE: 'b' }, file: CLUSTER_FILE });
  t.like(b.settings, { node: 'b', port: 9001, tickHz: 30, params: { bots: 5, trees: 2 } });
  t.regex(b.origins.get('tickHz') ?? '', /^file .*\.yaml:8$/);
  t.regex(b.origins.get('directory') ?? '', /^file .*\.yaml:2$/);
  t.regex(a.origins.get('port') ?? '', /^file .*\.yaml:5$/);
});

test('whoever is given a file of a whole cluster says which node it is', (t) => {
  const refused = (given: Given): string => t.throws(() => read(given), { instanceOf: ConfigError }).message;
  t.regex(refused({ file: CLUSTER_FILE }), /of a whole cluster, the nodes a, b \(.*\n.*--node a/);
  t.regex(refused({ file: CLUSTER_FILE, flags: { node: 'c' } }), /of the nodes a, b only[\s\S]*instead of "c"/);
  t.regex(refused({ file: 'nodes: [a, b]' }), /under "nodes"/);
  t.regex(refused({ file: 'nodes: {}' }), /without names under "nodes"/);
  t.regex(refused({ file: 'nodes: { A: {} }' }), /under "nodes": "A" is/);
  t.regex(refused({ file: 'nodes: { a: 7 }' }), /under "nodes": "a" is/);
  t.regex(refused({ file: 'nodes: { a: { prot: 1 } }', flags: { node: 'a' } }), /prot .*yaml[\s\S]*did you mean port/);
});

test('what is wrong in a file is found in its line', (t) => {
  const file = 'seed: 1\n\n# a comment\ntickHz: 500\nworld-size: 10\n';
  const { problems } = t.throws(() => read({ file }), { instanceOf: ConfigError });
  t.regex(problems[0].source, /\.yaml:4$/);
  t.regex(problems[1]?.source ?? '', /\.yaml:5$/);
  t.regex(read({ file: '{\n  "seed": 1,\n  "tickHz": 40\n}' }).origins.get('tickHz') ?? '', /\.yaml:3$/);
});
