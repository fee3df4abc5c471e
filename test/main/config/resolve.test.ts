import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
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
