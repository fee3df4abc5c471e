/** Logins at a whole node: what stops it at the start, and what its log says later. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { SignJWT } from 'jose';
import { GatewayLog } from '../../src/net/gateway-log.ts';
import type { GatewayLogLine } from '../../src/net/gateway-log.ts';
import { HELLO, TestClient, until } from '../net/fixture.ts';
import { RunningCommand, temporaryFolder, worldmesh } from './command-line.ts';

const MEADOW = new URL('../../examples/meadow.ts', import.meta.url).pathname;
const SERVE = ['serve', MEADOW, '--port', '0', '--log-format', 'json', '--no-viewer'];

async function connectUrl(command: RunningCommand): Promise<string> {
  const [line] = await command.waitFor(/\{[^\n]*"msg":"ready"\}/);
  return `${(JSON.parse(line) as { url: string }).url.replace('http', 'ws')}connect`;
}

async function hello(url: string, token: string): Promise<string> {
  const client = await TestClient.open(url);
  client.send({ ...HELLO, schemaHash: 0, token });
  await until(() => client.closed !== undefined || client.messages.length > 0, 'the hello is answered');
  const [first] = client.messages;
  client.webSocket.terminate();
  return first?.type === 'error' ? first.code : (first?.type ?? 'nothing');
}

test.serial('a node whose keys cannot be used says so and ends', async (t) => {
  const { code, stderr } = await worldmesh([...SERVE, '--auth-mode', 'token', '--auth-key-file', 'nowhere.pem']);
  t.is(code, 1);
  t.regex(stderr, /ERR_AUTH_KEYS: nowhere\.pem cannot be used: not readable \(ENOENT\) \[ERR_NODE_AUTH\]/);
});

test.serial('keys that change, and keys that cannot be used, are in the log', async (t) => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'login.pub');
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  writeFileSync(file, pem);
  await using command = new RunningCommand([...SERVE, '--auth-mode', 'token', '--auth-key-file', 'login.pub'], {
    folder,
  });
  const url = await connectUrl(command);
  const token = await new SignJWT({ sub: 'ada' })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setExpirationTime('1h')
    .sign(privateKey);
  t.is(await hello(url, token), 'welcome');
  t.is(await hello(url, 'guess'), 'ERR_AUTH_TOKEN');
  writeFileSync(file, 'broken');
  await command.waitFor(
    /"code":"ERR_AUTH_KEYS","msg":"login\.pub has changed and cannot be used: neither PEM nor JSON/,
  );
  t.is(await hello(url, token), 'welcome');
  writeFileSync(file, `${pem}\n`);
  await command.waitFor(/"keys":1,"msg":"the keys in login\.pub have changed"/);
});

test.serial('a hook in TypeScript logs in, and its faults are in the log', async (t) => {
  const folder = temporaryFolder();
  const source = `export async function authenticate({ token }: { token: string }): Promise<{ account: string }> {
    if (token !== 'good') throw new Error('no database');
    return { account: 'ada' };
  }`;
  writeFileSync(path.join(folder, 'login.ts'), source);
  await using command = new RunningCommand([...SERVE, '--auth-mode', 'hook', '--auth-file', 'login.ts'], { folder });
  const url = await connectUrl(command);
  t.is(await hello(url, 'good'), 'welcome');
  t.is(await hello(url, 'bad'), 'ERR_SERVER_OVERLOADED');
  await command.waitFor(/"code":"ERR_AUTH_HOOK","msg":"authenticate of login\.ts threw: Error: no database"/);
});

test('a client cannot fill the log, and what was not said is counted', (t) => {
  const lines: GatewayLogLine[] = [];
  let nowMs = 0;
  const log = new GatewayLog(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (; nowMs < 100_000; nowMs += 10) log.warn('hook', 'again', { nowMs });
  log.info('clock', 'another topic');
  t.is(lines.at(-1)?.message, 'another topic');
  const said = lines.slice(0, -1);
  t.true(said.length <= 3 + 10, `${said.length} lines`);
  nowMs += 10_000;
  log.warn('hook', 'again');
  const unsaid = lines.reduce((sum, { details }) => sum + Number(details['unsaid'] ?? 0), 0);
  t.is(unsaid + said.length, 10_000);
});
