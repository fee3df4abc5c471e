/** Links over TLS 1.3 with certificates of `worldmesh keys`: who gets in, and who does not. */
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import test from 'ava';
import { initKeys, issueKeys } from '../../src/main/keys.ts';
import type { LinkTls } from '../../src/peer/link-tls.ts';
import { isLoopback } from '../../src/peer/link-tls.ts';
import { temporaryFolder } from '../main/command-line.ts';
import { TestNode, until } from './link-fixture.ts';

const folder = temporaryFolder();
test.after.always(() => rmSync(folder, { recursive: true }));

initKeys({ out: path.join(folder, 'ours'), days: 3, now: new Date() });
initKeys({ out: path.join(folder, 'theirs'), days: 3, now: new Date() });

/** The key of a node of one of two clusters. */
function keysOf(
  node: string,
  authority: 'ours' | 'theirs' = 'ours',
  more: { days?: number; now?: Date } = {},
): LinkTls {
  const out = path.join(folder, `${authority}-${node}-${Math.random()}`);
  issueKeys({ node, ca: path.join(folder, authority), out, days: 1, now: new Date(), ...more });
  const read = (name: string): string => readFileSync(path.join(out, name), 'utf8');
  return { ca: read('ca.crt'), cert: read(`${node}.crt`), key: read(`${node}.key`) };
}

const REDIAL = { minMs: 10, maxMs: 50 };

test('two nodes with certificates of one authority, both dialling; the wire is TLS 1.3 and asks for a certificate', async (t) => {
  await using a = await TestNode.open(1, { tls: keysOf('n1') });
  await using b = await TestNode.open(2, { tls: keysOf('n2') });
  t.deepEqual(a.of('plain'), []);
  a.dial(2, b.links.address);
  b.dial(1, a.links.address);
  await Promise.all([a.up(2), b.up(1)]);
  const large = Buffer.alloc(1_000_000, 'worldmesh ');
  await until(() => a.links.send(2, 'bulk', 3, large) === 'sent', 'sent');
  await until(() => b.of('frame').length === 1, 'the message');
  t.true(large.equals(b.of('frame')[0]!.payload));
  const anonymous = connect({ ...b.links.address, rejectUnauthorized: false });
  anonymous.on('error', () => anonymous.destroy());
  await until(() => anonymous.getProtocol() === 'TLSv1.3' || anonymous.destroyed, 'a handshake');
  await until(() => b.of('refused').length > 0, 'a refusal');
  t.is(b.of('refused')[0]!.code, 'ERR_LINK_CERTIFICATE');
  anonymous.destroy();
});

test('a certificate of another authority is refused by both sides', async (t) => {
  await using a = await TestNode.open(1, { tls: keysOf('n1', 'theirs'), redial: REDIAL });
  await using b = await TestNode.open(2, { tls: keysOf('n2') });
  a.dial(2, b.links.address);
  t.is((await a.next('refused')).code, 'ERR_LINK_CERTIFICATE');
  // The dialler accepts the acceptor's authority, but not the other way round.
  await using c = await TestNode.open(3, { tls: { ...keysOf('n3', 'theirs'), ca: keysOf('n3').ca }, redial: REDIAL });
  c.dial(2, b.links.address);
  await until(() => b.of('refused').some(({ code }) => code === 'ERR_LINK_CERTIFICATE'), 'a refusal by the acceptor');
  t.is(a.of('up').length + b.of('up').length + c.of('up').length, 0);
});

test('a node that calls itself other than its certificate is refused, dialling or dialled', async (t) => {
  await using a = await TestNode.open(1, { tls: keysOf('n9'), redial: REDIAL });
  await using b = await TestNode.open(2, { tls: keysOf('n2'), redial: REDIAL });
  a.dial(2, b.links.address);
  t.is((await b.next('refused')).code, 'ERR_LINK_CERTIFICATE_NAME');
  t.is((await a.next('refused')).code, 'ERR_LINK_CERTIFICATE_NAME');
  a.links.setPeers([]);
  b.dial(1, a.links.address);
  await until(() => b.of('refused').some(({ isFromPeer, reason }) => !isFromPeer && /n9/.test(reason)), 'a refusal');
  t.is(a.of('up').length + b.of('up').length, 0);
});

test('an expired certificate is refused', async (t) => {
  const expired = keysOf('n1', 'ours', { now: new Date(Date.now() - 3 * 86_400_000) });
  await using a = await TestNode.open(1, { tls: expired, redial: REDIAL });
  await using b = await TestNode.open(2, { tls: keysOf('n2') });
  a.dial(2, b.links.address);
  t.is((await b.next('refused')).code, 'ERR_LINK_CERTIFICATE');
  t.regex(b.of('refused')[0]!.reason, /expired/i);
});

test('who does not speak TLS, or speaks an older one, is refused', async (t) => {
  await using b = await TestNode.open(2, { tls: keysOf('n2'), helloMs: 300 });
  await using a = await TestNode.open(1, { redial: REDIAL });
  a.dial(2, b.links.address);
  t.is((await b.next('refused')).code, 'ERR_LINK_CERTIFICATE');
  const old = connect({
    ...b.links.address,
    ...keysOf('n3'),
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
  });
  old.on('error', () => old.destroy());
  await b.next('refused', 1);
  const mute = connectPlain(b.links.address);
  mute.on('error', () => mute.destroy());
  mute.resume();
  await until(() => mute.destroyed, 'the end of one who says nothing');
  t.is(b.of('up').length, 0);
});

test('loopback addresses', (t) => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', '::ffff:127.0.0.1']) t.true(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org', 'example.org', ''])
    t.false(isLoopback(host), host);
});
