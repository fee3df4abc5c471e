/** Links over a network that fails, and peers that break the rules. */
import test from 'ava';
import type { LinkErrorCode } from '../../src/peer/link-error.ts';
import { FRAME_TYPE } from '../../src/peer/link-frame.wire.ts';
import { encodePing } from '../../src/peer/link-hello.wire.ts';
import { TcpProxy } from '../fixtures/tcp-proxy.ts';
import { TestNode, ledgerOf, until } from './link-fixture.ts';
import { RawPeer } from './raw-peer.ts';

const REDIAL = { minMs: 10, maxMs: 50 };
const DETECTOR = { heartbeatMs: 50, silenceMsMin: 300, silenceMsMax: 1000 };

test('a reset link is dialled again', async (t) => {
  await using a = await TestNode.open(1, { redial: REDIAL });
  await using b = await TestNode.open(2);
  await using proxy = await TcpProxy.open(b.links.address);
  a.dial(2, proxy);
  await a.up(2);
  await b.up(1);
  for (let round = 0; round < 3; round++) {
    proxy.reset();
    t.is((await a.next('down', round)).code, 'ERR_LINK_RESET');
    await a.next('up', round + 1);
    await b.next('up', round + 1);
  }
  proxy.refuse();
  proxy.reset();
  await a.next('down', 3);
  await until(() => a.of('unreachable').length + a.of('refused').length >= 3, 'tries');
  t.is(a.links.send(2, 'control', 1, new Uint8Array(1)), 'down');
  proxy.heal();
  await a.next('up', 4);
});

for (const directions of [['forward', 'backward'], ['forward'], ['backward']] as const) {
  test(`a link that falls silent (${directions.join(' and ')}) is noticed at both ends and made anew`, async (t) => {
    await using a = await TestNode.open(1, { redial: REDIAL, detector: DETECTOR });
    await using b = await TestNode.open(2, { redial: REDIAL, detector: DETECTOR });
    await using proxy = await TcpProxy.open(b.links.address);
    a.dial(2, proxy);
    await Promise.all([a.up(2), b.up(1)]);
    const cutMs = performance.now();
    proxy.cut(...directions);
    const [down] = await Promise.all([a.next('down'), b.next('down')]);
    const tookMs = performance.now() - cutMs;
    // The one that hears nothing says so; the other may hear it, or find nothing heard itself.
    const codes = [down.code, b.of('down')[0]!.code];
    t.true(codes.includes('ERR_LINK_SILENT'), codes.join());
    t.true(tookMs > 200, `${tookMs} ms`);
    proxy.heal();
    await Promise.all([a.next('up', 1), b.next('up', 1)]);
  });
}

test('bytes that change on the way end the link with a code, and it is made anew', async (t) => {
  await using a = await TestNode.open(1, { redial: REDIAL });
  await using b = await TestNode.open(2);
  await using proxy = await TcpProxy.open(b.links.address);
  a.dial(2, proxy);
  await Promise.all([a.up(2), b.up(1)]);
  proxy.corruptNext('forward', 40);
  a.links.send(2, 'bulk', 1, new Uint8Array(1000));
  t.is((await b.next('down')).code, 'ERR_LINK_CHECKSUM');
  const down = await a.next('down');
  t.is(down.code, 'ERR_LINK_CHECKSUM', 'the other side is told');
  await a.next('up', 1);
  proxy.corruptNext('backward', 1);
  t.is((await a.next('down', 1)).code, 'ERR_LINK_MAGIC');
  t.is(b.of('frame').length, 0);
});

test('a frame that is cut off and ends: the link is lost, and nothing of it is delivered', async (t) => {
  await using b = await TestNode.open(2);
  await using peer = await RawPeer.up(b.links.address);
  peer.write(
    peer.frame(FRAME_TYPE.data, Buffer.from('0103020001'.padEnd(16, '0'), 'hex'), { count: 1 }).subarray(0, 36),
  );
  peer.end();
  t.is((await b.next('down')).code, 'ERR_LINK_RESET');
  t.is(b.of('frame').length, 0);
});

test('delay shows in the round trip, and the link holds', async (t) => {
  await using a = await TestNode.open(1);
  await using b = await TestNode.open(2);
  await using proxy = await TcpProxy.open(b.links.address);
  proxy.delay(30);
  a.dial(2, proxy);
  await a.up(2);
  await until(() => (a.links.stats()[0]?.rttMs ?? 0) >= 60, 'a round trip of 60 ms');
  t.true(a.links.stats()[0]!.answerTimeoutMs > 60);
  t.is(a.of('down').length, 0);
});

const ping = encodePing(7);
const data = Buffer.from('01030100ff', 'hex');
const BROKEN: readonly [name: string, code: LinkErrorCode, act: (peer: RawPeer) => void][] = [
  ['a frame again', 'ERR_LINK_REPLAYED', (peer) => peer.say(FRAME_TYPE.ping, ping, { sequence: peer.sequence })],
  [
    'a frame too early',
    'ERR_LINK_OUT_OF_ORDER',
    (peer) => peer.say(FRAME_TYPE.ping, ping, { sequence: peer.sequence + 2 }),
  ],
  ['another source', 'ERR_LINK_SESSION', (peer) => peer.say(FRAME_TYPE.ping, ping, { source: 5 })],
  ['another target', 'ERR_LINK_SESSION', (peer) => peer.say(FRAME_TYPE.data, data, { count: 1, target: 5 })],
  ['a second HELLO', 'ERR_LINK_UNEXPECTED', (peer) => peer.sayHello()],
  [
    'an acknowledgement of what was never sent',
    'ERR_LINK_ACKNOWLEDGEMENT',
    (peer) => peer.say(FRAME_TYPE.ping, ping, { acknowledged: 999 }),
  ],
  [
    'an acknowledgement taken back',
    'ERR_LINK_ACKNOWLEDGEMENT',
    (peer) => peer.say(FRAME_TYPE.ping, ping, { acknowledged: 0xffff_ffff }),
  ],
  ['a PING that is too long', 'ERR_LINK_TRUNCATED', (peer) => peer.say(FRAME_TYPE.ping, data)],
  ['an acknowledgement with a payload', 'ERR_LINK_RANGE', (peer) => peer.say(FRAME_TYPE.acknowledge, data)],
  ['fewer messages than bytes', 'ERR_LINK_RANGE', (peer) => peer.say(FRAME_TYPE.data, data, { count: 0 })],
  [
    'a message longer than its frame',
    'ERR_LINK_TRUNCATED',
    (peer) => peer.say(FRAME_TYPE.data, data.subarray(0, 4), { count: 1 }),
  ],
  [
    'a part without a beginning',
    'ERR_LINK_CHUNK',
    (peer) => peer.say(FRAME_TYPE.data, Buffer.from('01020000', 'hex'), { count: 1 }),
  ],
  [
    'a message beyond the limit',
    'ERR_LINK_SIZE',
    (peer) => peer.say(FRAME_TYPE.data, Buffer.from('01010400ffffffff', 'hex'), { count: 1 }),
  ],
  ['an unknown frame type', 'ERR_LINK_TYPE', (peer) => peer.say(99, data)],
  ['garbage', 'ERR_LINK_MAGIC', (peer) => void peer.write(Buffer.alloc(100, 3))],
  [
    'the checksum of another connection',
    'ERR_LINK_CHECKSUM',
    (peer) => {
      peer.seed = (peer.seed ^ 1) >>> 0;
      peer.say(FRAME_TYPE.ping, ping);
    },
  ],
];

for (const [name, code, act] of BROKEN) {
  test(`a link ends with ${code}: ${name}`, async (t) => {
    await using b = await TestNode.open(2, { messageBytesMax: 1 << 20 });
    await using peer = await RawPeer.up(b.links.address);
    act(peer);
    t.is(await peer.closeCode(), code);
    t.is((await b.next('down')).code, code);
    t.deepEqual(b.of('frame'), []);
    t.is(b.links.send(9, 'control', 1, data), 'down');
    await until(() => peer.isEnded, 'the end of the connection');
  });
}

test('what a recorded link said does not pass on a new one', async (t) => {
  await using b = await TestNode.open(2);
  const recorded: Buffer[] = [];
  {
    await using peer = await RawPeer.up(b.links.address);
    recorded.push(peer.frame(FRAME_TYPE.data, data, { count: 1 }));
    peer.write(recorded[0]!);
    await b.next('frame');
  }
  await b.next('down');
  await using again = await RawPeer.up(b.links.address, {});
  again.write(recorded[0]!);
  t.is(await again.closeCode(), 'ERR_LINK_CHECKSUM');
  t.is(b.of('frame').length, 1);
});

const STRANGERS: readonly [
  name: string,
  code: LinkErrorCode,
  act: (address: { host: string; port: number }) => Promise<RawPeer>,
][] = [
  ['another cluster', 'ERR_LINK_CLUSTER', (to) => hello(to, { cluster: 'elsewhere' })],
  ['a newer release only', 'ERR_LINK_PROTOCOL', (to) => hello(to, { protocol: { min: 2, max: 3 } })],
  ['who wants somebody else', 'ERR_LINK_IDENTITY', (to) => hello(to, { targetName: 'n7' })],
  [
    'my own name',
    'ERR_LINK_NAME_TAKEN',
    (to) => hello(to, { peer: { node: 9, ledger: ledgerOf(9), incarnation: 990, name: 'n2' } }),
  ],
  [
    'my own number',
    'ERR_LINK_IDENTITY',
    (to) => hello(to, { peer: { node: 2, ledger: ledgerOf(9), incarnation: 990, name: 'n9' } }),
  ],
  [
    'a node number out of range',
    'ERR_LINK_RANGE',
    (to) => hello(to, { peer: { node: 64, ledger: ledgerOf(9), incarnation: 990, name: 'n9' } }),
  ],
  ['who wants another incarnation', 'ERR_LINK_INCARNATION', (to) => hello(to, {}, { target: 19 })],
  [
    'a fenced incarnation',
    'ERR_LINK_FENCED',
    (to) => hello(to, { peer: { node: 9, ledger: ledgerOf(9), incarnation: 13, name: 'n9' } }),
  ],
  ['no HELLO first', 'ERR_LINK_UNEXPECTED', async (to) => say(to, FRAME_TYPE.ping, ping)],
  ['a HELLO that is cut off', 'ERR_LINK_TRUNCATED', async (to) => say(to, FRAME_TYPE.hello, ping)],
];

async function hello(
  to: { host: string; port: number },
  more: Parameters<typeof RawPeer.connect>[1],
  header = {},
): Promise<RawPeer> {
  const peer = await RawPeer.connect(to, more);
  peer.sayHello(header);
  return peer;
}

async function say(to: { host: string; port: number }, type: number, payload: Buffer): Promise<RawPeer> {
  const peer = await RawPeer.connect(to);
  peer.say(type, payload);
  return peer;
}

for (const [name, code, act] of STRANGERS) {
  test(`refused with ${code}: ${name}`, async (t) => {
    await using b = await TestNode.open(2);
    b.links.fence(13);
    await using peer = await act(b.links.address);
    t.is(await peer.closeCode(), code);
    const refused = await b.next('refused');
    t.is(refused.code, code);
    t.false(refused.isFromPeer);
    t.is(b.of('up').length, 0);
  });
}

test('who says nothing, or never agrees, is shown the door', async (t) => {
  await using b = await TestNode.open(2, { helloMs: 100 });
  await using silent = await RawPeer.connect(b.links.address);
  t.is(await silent.closeCode(), 'ERR_LINK_HELLO_TIMEOUT');
  await using undecided = await RawPeer.connect(b.links.address);
  undecided.sayHello();
  t.is(await undecided.closeCode(), 'ERR_LINK_HELLO_TIMEOUT');
  t.is(b.of('up').length, 0);
});

test('no more strangers than the limit', async (t) => {
  await using b = await TestNode.open(2, { helloMs: 5000 });
  const strangers = await Promise.all(Array.from({ length: 64 }, () => RawPeer.connect(b.links.address)));
  await using late = await RawPeer.connect(b.links.address);
  await until(() => late.isEnded, 'the end of the 65th');
  t.is((await b.next('refused')).code, 'ERR_LINK_LIMIT');
  await Promise.all(strangers.map((stranger) => stranger[Symbol.asyncDispose]()));
  await using peer = await RawPeer.up(b.links.address);
  t.false(peer.isEnded);
});
