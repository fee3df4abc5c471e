/** Who may play, over real connections: keys that change, tokens that are not what they say, and hooks that fail. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { SignJWT } from 'jose';
import { KEYS_MAX, KeyProblem, findKey, readKeys, secretKey } from '../../src/net/authentication-keys.core.ts';
import { LoginLimits } from '../../src/net/login-limits.core.ts';
import { HELLO, startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

const SECRET = 'a secret of at least thirty-two bytes';
const AUTH = { error: 'ERR_AUTH_TOKEN', code: 4003 };
const TRY_LATER = { error: 'ERR_SERVER_OVERLOADED', code: 1013 };

const ada = generateKeyPairSync('ed25519');
const grace = generateKeyPairSync('ed25519');

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function jwk(key: KeyObject, more: object): object {
  return { ...key.export({ format: 'jwk' }), ...more };
}

interface Signing {
  readonly key: KeyObject | Uint8Array;
  readonly alg: string;
  readonly kid?: string;
  readonly claims?: Record<string, unknown>;
}

function sign({ key, alg, kid, claims = {} }: Signing): Promise<string> {
  return new SignJWT({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + 3600, ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .sign(key);
}

/** What comes of a hello: the account that joined, or how the connection ended. */
async function login(
  rig: Rig,
  hello: Partial<typeof HELLO>,
): Promise<string | { error: string | undefined; code: number }> {
  const client = await TestClient.open(rig.url);
  client.send({ ...HELLO, ...hello });
  await until(() => client.closed !== undefined || client.messages.length > 0, 'the hello is answered');
  if (client.messages[0]?.type !== 'welcome') return client.end();
  const { session } = await client.welcome();
  await until(() => rig.world.of('join', session).length > 0, 'the join arrives');
  return rig.world.of('join', session).at(-1)?.account ?? '';
}

async function folder(t: ExecutionContext): Promise<string> {
  const created = await mkdtemp(path.join(tmpdir(), 'worldmesh-'));
  t.teardown(() => rm(created, { recursive: true }));
  return created;
}

test('a public key in a file lets in whom its owner has signed, and nobody by a trick', async (t) => {
  const file = path.join(await folder(t), 'login.pub');
  await writeFile(file, pem(ada.publicKey));
  const rig = await startRig({ authMode: 'token', authKeyFile: file }, { sessionsMax: 20 });
  t.teardown(() => rig.dispose());
  const eddsa = { key: ada.privateKey, alg: 'EdDSA' };
  t.is(await login(rig, { token: await sign(eddsa) }), 'ada');
  t.is(await login(rig, { token: await sign({ ...eddsa, kid: 'whatever' }) }), 'ada');
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const good = await sign(eddsa);
  const [head = '', body = '', signature = ''] = good.split('.');
  const forged: readonly string[] = [
    await sign({ key: grace.privateKey, alg: 'EdDSA' }),
    // The public key taken for a secret: the classic confusion of algorithms.
    await sign({ key: Buffer.from(pem(ada.publicKey)), alg: 'HS256' }),
    await sign({ key: Buffer.from(SECRET), alg: 'HS256' }),
    `${encode({ alg: 'none' })}.${body}.`,
    `${encode({ alg: 'EdDSA', crit: ['x'], x: 1 })}.${body}.${signature}`,
    `${head}.${encode({ sub: 'root', exp: 9_999_999_999 })}.${signature}`,
    `${head}.${body}.${signature.slice(0, -2)}`,
    `${head}.${body}`,
    `${good}.${good}`,
    await sign({ ...eddsa, claims: { sub: 7 } }),
    await sign({ ...eddsa, claims: { sub: '' } }),
    await sign({ ...eddsa, claims: { sub: 'a\nb' } }),
    await sign({ ...eddsa, claims: { sub: 'ä'.repeat(33) } }),
    await sign({ ...eddsa, claims: { exp: 'never' } }),
    await sign({ ...eddsa, claims: { nbf: Math.floor(Date.now() / 1000) + 600 } }),
    await sign({ ...eddsa, claims: { exp: Math.floor(Date.now() / 1000) - 60 } }),
  ];
  for (const token of forged) t.deepEqual(await login(rig, { token }), AUTH, token);
});

test('issuer, audience and tolerance are obeyed', async (t) => {
  const settings = { authIssuer: 'https://login.example', authAudience: 'harbour', authToleranceMs: 120_000 };
  const rig = await startRig({ authMode: 'token', authSecret: SECRET, ...settings }, { sessionsMax: 20 });
  t.teardown(() => rig.dispose());
  const token = (claims: Record<string, unknown>) => sign({ key: Buffer.from(SECRET), alg: 'HS256', claims });
  const right = { iss: 'https://login.example', aud: ['other', 'harbour'] };
  t.is(await login(rig, { token: await token(right) }), 'ada');
  t.is(await login(rig, { token: await token({ ...right, exp: Math.floor(Date.now() / 1000) - 60 }) }), 'ada');
  for (const wrong of [
    { iss: 'https://elsewhere.example' },
    { aud: 'other' },
    { aud: undefined },
    { iss: undefined },
  ]) {
    t.deepEqual(await login(rig, { token: await token({ ...right, ...wrong }) }), AUTH, JSON.stringify(wrong));
  }
});

test('keys of a JWKS are told apart by kid, and exchanged while the gateway runs', async (t) => {
  const secret = randomBytes(32);
  const file = path.join(await folder(t), 'jwks.json');
  const put = async (keys: unknown) => {
    // As a deployment does it: whole, or not at all.
    await writeFile(`${file}.new`, typeof keys === 'string' ? keys : JSON.stringify({ keys }));
    await rename(`${file}.new`, file);
  };
  const adaKey = jwk(ada.publicKey, { kid: 'ada', alg: 'EdDSA', use: 'sig' });
  const graceKey = jwk(grace.publicKey, { kid: 'grace' });
  const shared = { kty: 'oct', k: secret.toString('base64url'), kid: 'shared' };
  const rsa = jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey, { kid: 'rsa' });
  await put([adaKey, shared, rsa]);
  const rig = await startRig(
    { authMode: 'token', authKeyFile: file, loginsPerMinute: 100, sessionsPerAccount: 50 },
    { sessionsMax: 50 },
  );
  t.teardown(() => rig.dispose());
  const byAda = await sign({ key: ada.privateKey, alg: 'EdDSA', kid: 'ada' });
  const byGrace = await sign({ key: grace.privateKey, alg: 'EdDSA', kid: 'grace' });
  t.is(await login(rig, { token: byAda }), 'ada');
  t.is(await login(rig, { token: await sign({ key: secret, alg: 'HS256', kid: 'shared' }) }), 'ada');
  // One key fits the algorithm, so it need not be named; a wrong name is not overlooked.
  t.is(await login(rig, { token: await sign({ key: ada.privateKey, alg: 'EdDSA' }) }), 'ada');
  t.deepEqual(await login(rig, { token: await sign({ key: ada.privateKey, alg: 'EdDSA', kid: 'shared' }) }), AUTH);
  t.deepEqual(await login(rig, { token: byGrace }), AUTH);

  await put([adaKey, graceKey]);
  await until(async () => (await rig.gateway.report()).keyFilesRead === 1, 'the new keys are taken');
  t.is(await login(rig, { token: byGrace }), 'ada');
  t.is(await login(rig, { token: byAda }), 'ada');
  t.deepEqual(
    await login(rig, { token: await sign({ key: ada.privateKey, alg: 'EdDSA' }) }),
    AUTH,
    'which of the two?',
  );

  await put('{"keys": [');
  await until(async () => (await rig.gateway.report()).keyFilesRefused === 1, 'the broken file is noticed');
  t.is(await login(rig, { token: byGrace }), 'ada');
  await rm(file);
  await until(async () => (await rig.gateway.report()).keyFilesRefused === 2, 'the missing file is noticed');
  t.is(await login(rig, { token: byGrace }), 'ada');
  await put([graceKey]);
  await until(async () => (await rig.gateway.report()).keyFilesRead === 2, 'the mended file is taken');
  t.is(await login(rig, { token: byGrace }), 'ada');
  t.deepEqual(await login(rig, { token: byAda }), AUTH);
});

test('a gateway without usable keys or hook does not start', async (t) => {
  const created = await folder(t);
  const put = async (name: string, text: string) => {
    const file = path.join(created, name);
    await writeFile(file, text);
    return file;
  };
  const privatePem = ada.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  for (const text of [
    '',
    'text',
    '{}',
    '{"keys":[]}',
    privatePem,
    JSON.stringify(ada.privateKey.export({ format: 'jwk' })),
  ]) {
    const authKeyFile = await put('key', text);
    const error = await t.throwsAsync(startRig({ authMode: 'token', authKeyFile }), { code: 'ERR_AUTH_KEYS' });
    if (text.length > 20) t.false(error.message.includes(text.slice(30, 50)));
  }
  await t.throwsAsync(startRig({ authMode: 'token', authKeyFile: path.join(created, 'none') }), {
    code: 'ERR_AUTH_KEYS',
  });
  const hooks = [
    'export const authenticate = 7;',
    'throw new Error("no database");',
    'export default 1;',
    'syntax error',
  ];
  for (const [index, text] of hooks.entries()) {
    const authFile = await put(`hook-${index}.mjs`, text);
    await t.throwsAsync(startRig({ authMode: 'hook', authFile }), { code: 'ERR_AUTH_HOOK' }, text);
  }
});

const HOOK = `
let waiting = 0;
export async function authenticate({ token, name, address, origin }, { signal }) {
  switch (token) {
    case 'good': return { account: 'account of ' + name, name: 'Grace' };
    case 'seen': return { account: JSON.stringify([address, origin ?? null]) };
    case 'bad': return { refused: 'not\\ntoday' };
    case 'throws': throw new Error('no database');
    case 'deaf': return new Promise(() => {});
    case 'slow': return new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    case 'account': return { account: 'x'.repeat(65) };
    case 'name': return { account: 'x', name: 'x'.repeat(33) };
    case 'nothing': return undefined;
    default: return { account: 7 };
  }
}
`;

test('a hook decides, and its faults let nobody in', async (t) => {
  const authFile = path.join(await folder(t), 'hook.mjs');
  await writeFile(authFile, HOOK);
  const rig = await startRig({ authMode: 'hook', authFile, authTimeoutMs: 100, authConcurrencyMax: 3 });
  t.teardown(() => rig.dispose());
  t.is(await login(rig, { token: 'good', name: 'Ada' }), 'account of Ada');
  t.is(rig.world.intakes.at(-1)?.name, 'Grace');
  t.is(await login(rig, { token: 'seen' }), '["127.0.0.1",null]');
  t.deepEqual(await login(rig, { token: 'bad' }), AUTH);
  for (const token of ['throws', 'slow', 'account', 'name', 'nothing', 'else']) {
    t.deepEqual(await login(rig, { token }), TRY_LATER, token);
  }
  t.is((await rig.gateway.report()).authenticationsFailed, 6);
  // Who does not even listen to its signal keeps its place, so that such calls are bounded.
  for (let calls = 0; calls < 3; calls++) t.deepEqual(await login(rig, { token: 'deaf' }), TRY_LATER);
  t.deepEqual(await login(rig, { token: 'good' }), TRY_LATER);
  t.is((await rig.gateway.report()).authenticationsCrowded, 1);
  await until(
    async () => (await login(rig, { token: 'good', name: 'Ada' })) === 'account of Ada',
    'places are given up in the end',
  );
});

test('who guesses has to wait longer and longer, at one address only', async (t) => {
  const rig = await startRig({
    authMode: 'token',
    authSecret: SECRET,
    authFailuresMax: 2,
    trustProxy: ['127.0.0.1'],
    connectionsPerMinute: 60_000,
    connectionsBurst: 1000,
  });
  t.teardown(() => rig.dispose());
  const from = async (address: string, token: string) => {
    const client = await TestClient.open(rig.url, { headers: { 'x-forwarded-for': address } });
    client.send({ ...HELLO, token });
    await until(() => client.closed !== undefined || client.messages.length > 0, 'the hello is answered');
    return client.messages[0]?.type === 'welcome' ? 'welcome' : client.end();
  };
  const good = await sign({ key: Buffer.from(SECRET), alg: 'HS256' });
  for (let tries = 0; tries < 3; tries++) t.deepEqual(await from('203.0.113.9', 'guess'), AUTH);
  t.deepEqual(await from('203.0.113.9', 'guess'), { error: 'ERR_LIMIT_RATE', code: 4004 });
  t.deepEqual(await from('203.0.113.9', good), { error: 'ERR_LIMIT_RATE', code: 4004 });
  t.is(await from('203.0.113.10', good), 'welcome');
  t.is((await rig.gateway.report()).loginsHeldOff, 2);
  await until(async () => (await from('203.0.113.9', good)) === 'welcome', 'the wait is over');
});

test('the wait of an address grows to a minute, and all is forgotten in time', (t) => {
  const limits = new LoginLimits({ failuresMax: 3, loginsPerMinute: 10 });
  const waits = Array.from({ length: 14 }, () => {
    limits.failed('203.0.113.9', 1000);
    return limits.waitMs('203.0.113.9', 1000);
  });
  t.deepEqual(waits, [0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
  t.is(limits.waitMs('203.0.113.9', 31_000), 30_000);
  t.is(limits.waitMs('203.0.113.9', 61_000), 0);
  limits.failed('203.0.113.9', 1000 + 9 * 30_000);
  t.is(limits.waitMs('203.0.113.9', 1000 + 9 * 30_000), 0);
  limits.failed('127.0.0.1', 0);
  for (let address = 0; address < 100_000; address++) {
    limits.failed(`10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`, 1000);
    limits.takeLogin(`account ${address}`, 1000);
  }
  t.true(limits.size <= 2 * 16_384, `${limits.size}`);
});

test('whatever a key file holds, it gives keys or a reason that does not quote it', (t) => {
  const word = fc.constantFrom(
    'oct',
    'OKP',
    'Ed25519',
    'sig',
    'EdDSA',
    'HS256',
    'verify',
    'enc',
    SECRET,
    '',
    'a'.repeat(200),
  );
  const value = fc.oneof(word, fc.integer(), fc.constant(null), fc.array(word), fc.string());
  const key = fc.dictionary(fc.constantFrom('kty', 'crv', 'kid', 'use', 'alg', 'k', 'x', 'd', 'key_ops'), value);
  const fitting = fc.constantFrom(jwk(ada.publicKey, { kid: 'a' }), { kty: 'oct', k: SECRET.repeat(2), kid: 'b' });
  const file = fc.oneof(
    fc.record({ keys: fc.array(fc.oneof(key, fitting, value), { maxLength: 5 }) }).map((json) => JSON.stringify(json)),
    fc.oneof(key, fitting).map((json) => JSON.stringify(json)),
    fc.string(),
    fc.string({ maxLength: 60 }).map((text) => `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----`),
  );
  let taken = 0;
  fc.assert(
    fc.property(file, (text) => {
      try {
        const keys = readKeys(text);
        taken++;
        return (
          keys.length > 0 &&
          keys.every(({ algorithm, key: { type } }) => (algorithm === 'HS256') === (type === 'secret'))
        );
      } catch (cause) {
        return cause instanceof KeyProblem && !cause.message.includes(SECRET);
      }
    }),
    { numRuns: 3000 },
  );
  t.true(taken > 50, `${taken} taken`);
  const many = Array.from({ length: KEYS_MAX + 1 }, (_, index) => jwk(ada.publicKey, { kid: String(index) }));
  t.throws(() => readKeys(JSON.stringify({ keys: many })), { instanceOf: KeyProblem });
});

test('a key is never found for another algorithm than its own', (t) => {
  const keys = [
    secretKey(SECRET),
    ...readKeys(JSON.stringify({ keys: [jwk(ada.publicKey, { kid: 'a' }), jwk(grace.publicKey, { kid: '' })] })),
  ];
  const header = fc.record({
    alg: fc.oneof(fc.constantFrom('HS256', 'EdDSA', 'none', 'RS256', undefined), fc.anything()),
    kid: fc.oneof(fc.constantFrom('a', '', undefined), fc.anything()),
  });
  fc.assert(
    fc.property(header, (given) => {
      const found = findKey(keys, given);
      return found === undefined || found.algorithm === given.alg;
    }),
  );
  t.is(findKey(keys, { alg: 'EdDSA', kid: 'a' })?.kid, 'a');
  t.is(findKey(keys, { alg: 'EdDSA', kid: undefined }), undefined);
  t.is(findKey(keys, { alg: 'HS256', kid: undefined })?.algorithm, 'HS256');
});

test('made-up tokens are refused, and the gateway goes on', async (t) => {
  const rig = await startRig({ authMode: 'token', authSecret: SECRET }, { sessionsMax: 20 });
  t.teardown(() => rig.dispose());
  const good = await sign({ key: Buffer.from(SECRET), alg: 'HS256' });
  const part = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.json({ maxDepth: 2 }).map((json) => Buffer.from(json).toString('base64url')),
    fc.constantFrom(...good.split('.')),
  );
  const tokens = fc.sample(fc.array(part, { minLength: 1, maxLength: 5 }), { numRuns: 200, seed: 20_261_121 });
  for (const parts of tokens) {
    const token = parts.join('.');
    if (token === good || Buffer.byteLength(token) > 2048) continue;
    t.deepEqual(await login(rig, { token }), AUTH, token);
  }
  t.is(await login(rig, { token: good }), 'ada');
});
