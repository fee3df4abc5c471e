/** Links over real sockets: how they come up, what they carry, and how they go down. */
import test from 'ava';
import { TestNode, ledgerOf, until } from './link-fixture.ts';

test('two nodes: up, messages both ways, down', async (t) => {
  await using a = await TestNode.open(1);
  await using b = await TestNode.open(2);
  t.deepEqual(a.events[0], { kind: 'plain', host: '127.0.0.1', port: a.links.address.port });
  t.is(a.links.send(2, 'control', 1, new Uint8Array(1)), 'down');
  a.dial(2, b.links.address);
  await a.up(2);
  await b.up(1);
  t.is((await a.next('up')).peer.name, 'n2');
  t.is(a.links.send(2, 'handover', 7, Buffer.from('over')), 'sent');
  t.is(b.links.send(1, 'ghost', 255, new Uint8Array(0)), 'sent');
  const over = await b.next('frame');
  t.is(over.type, 7);
  t.is(over.priority, 'handover');
  t.is(Buffer.from(over.payload).toString(), 'over');
  t.is(over.peer.incarnation, 10);
  t.is((await a.next('frame')).payload.length, 0);
  await until(() => a.links.stats()[0]!.rttMs !== undefined, 'a round trip');
  await a.links.close();
  const down = await b.next('down');
  t.is(down.code, 'ERR_LINK_CLOSED');
  t.regex(down.reason, /n1 stops/);
});

test('both dial at once, many times over: exactly one link stays, and both agree which', async (t) => {
  for (let round = 0; round < 20; round++) {
    await using a = await TestNode.open(1);
    await using b = await TestNode.open(2);
    a.dial(2, b.links.address);
    b.dial(1, a.links.address);
    await Promise.all([a.up(2), b.up(1)]);
    for (let number = 0; number < 50; number++) {
      await until(() => a.links.send(2, 'control', number, Buffer.of(1)) === 'sent', 'sent');
      await until(() => b.links.send(1, 'control', number, Buffer.of(2)) === 'sent', 'sent');
    }
    await until(() => a.of('frame').length === 50 && b.of('frame').length === 50, 'all messages');
    t.deepEqual([...a.of('refused'), ...b.of('refused')], []);
    t.is(a.links.stats().length + b.links.stats().length, 2);
  }
});

for (const [mine, theirs, version] of [
  [{ min: 1, max: 1 }, { min: 1, max: 2 }, 1],
  [{ min: 1, max: 2 }, { min: 1, max: 1 }, 1],
  [{ min: 1, max: 2 }, { min: 2, max: 3 }, 2],
  [{ min: 2, max: 3 }, { min: 1, max: 2 }, 2],
  [{ min: 1, max: 2 }, { min: 1, max: 2 }, 2],
  [{ min: 1, max: 2 }, { min: 3, max: 4 }, undefined],
] as const) {
  test(`protocol ${mine.min} to ${mine.max} meets ${theirs.min} to ${theirs.max}: ${version ?? 'refused'}`, async (t) => {
    await using a = await TestNode.open(1, { protocol: mine });
    await using b = await TestNode.open(2, { protocol: theirs });
    a.dial(2, b.links.address);
    if (version === undefined) {
      t.is((await a.next('refused')).code, 'ERR_LINK_PROTOCOL');
      t.true(a.of('refused')[0]!.isFromPeer);
      t.false((await b.next('refused')).isFromPeer);
      return;
    }
    t.is((await a.next('up')).protocol, version);
    t.is((await b.next('up')).protocol, version);
  });
}

test('a message of 1 MB goes in parts, and what is urgent overtakes it', async (t) => {
  await using a = await TestNode.open(1);
  await using b = await TestNode.open(2);
  a.dial(2, b.links.address);
  await a.up(2);
  const large = Buffer.alloc(1_000_000, 'worldmesh ');
  for (let number = 0; number < 5; number++) t.is(a.links.send(2, 'bulk', number, large), 'sent');
  // The first quarter of a megabyte is with the system by now; the rest has to wait for its turn.
  a.links.flush();
  t.is(a.links.send(2, 'ghost', 50, large.subarray(0, 10)), 'sent');
  t.is(a.links.send(2, 'handover', 51, large.subarray(0, 200_000)), 'sent');
  t.is(a.links.send(2, 'control', 52, large.subarray(0, 30)), 'sent');
  await until(() => b.of('frame').length === 8, 'all messages');
  t.deepEqual(
    b.of('frame').map(({ type }) => type),
    [52, 51, 50, 0, 1, 2, 3, 4],
  );
  for (const { type, payload } of b.of('frame')) t.true(large.subarray(0, payload.length).equals(payload), `${type}`);
  t.throws(() => a.links.send(2, 'bulk', 1, new Uint8Array((16 << 20) + 1)), { code: 'ERR_LINK_SIZE' });
});

test('BUSY before anything grows; each priority has a window of its own; credits come back', async (t) => {
  await using a = await TestNode.open(1, { windowBytes: [50_000, 50_000, 50_000, 50_000] });
  await using b = await TestNode.open(2, { windowBytes: [1 << 20, 20_000, 1 << 20, 1 << 20] });
  a.dial(2, b.links.address);
  await a.up(2);
  const payload = new Uint8Array(996);
  const fill = (priority: 'handover' | 'bulk'): number => {
    let count = 0;
    while (a.links.send(2, priority, 1, payload) === 'sent') count++;
    return count;
  };
  t.is(fill('bulk'), 50);
  t.is(fill('handover'), 20, 'the window that the peer announced');
  t.is(a.links.send(2, 'control', 1, payload), 'sent');
  t.true(a.links.stats()[0]!.queueBytes <= 71_000);
  t.is(a.links.stats()[0]!.credits[1], 0);
  await until(() => b.of('frame').length === 71, 'what was taken');
  await until(() => a.links.send(2, 'handover', 1, payload) === 'sent', 'credit again');
  await until(() => a.links.stats()[0]!.credits[3] === 50_000, 'all credit');
});

test('a second live node of one name is refused; after the death of the first it is taken', async (t) => {
  await using a = await TestNode.open(1);
  await using b = await TestNode.open(2, { redial: { minMs: 10, maxMs: 40 } });
  await using second = await TestNode.open(2, { incarnation: 25, ledger: 7, redial: { minMs: 10, maxMs: 40 } });
  b.dial(1, a.links.address);
  await Promise.all([b.up(1), a.up(2)]);
  second.dial(1, a.links.address);
  const refused = await second.next('refused');
  t.is(refused.code, 'ERR_LINK_NAME_TAKEN');
  t.regex(refused.reason, /n2 .*live node.*give the second node another name/);
  t.is(a.of('down').length, 0);
  await b.links.close();
  await second.up(1);
  t.is((await a.next('up', 1)).peer.ledger, ledgerOf(7));
});

test('a higher incarnation of the same node voids the older link, and the older one does not come back', async (t) => {
  await using a = await TestNode.open(1);
  await using old = await TestNode.open(2, { redial: { minMs: 10, maxMs: 40 } });
  await using again = await TestNode.open(2, { incarnation: 21 });
  old.dial(1, a.links.address);
  await a.up(2);
  await old.up(1);
  again.dial(1, a.links.address);
  await again.up(1);
  const down = await a.next('down');
  t.is(down.code, 'ERR_LINK_REPLACED');
  t.is(down.peer.incarnation, 20);
  await until(() => old.of('refused').some(({ code }) => code === 'ERR_LINK_STALE'), 'a refusal of the older one');
  t.is((await a.next('up', 1)).peer.incarnation, 21);
  t.true(again.isUp(1));
});

test('fence: the link goes down and no other comes, from either side', async (t) => {
  await using a = await TestNode.open(1, { redial: { minMs: 10, maxMs: 40 } });
  await using b = await TestNode.open(2, { redial: { minMs: 10, maxMs: 40 } });
  a.dial(2, b.links.address);
  b.dial(1, a.links.address);
  await Promise.all([a.up(2), b.up(1)]);
  a.links.fence(20);
  t.is(a.of('down')[0]?.code, 'ERR_LINK_FENCED');
  t.is(a.links.send(2, 'control', 1, new Uint8Array(1)), 'down');
  t.is((await b.next('down')).code, 'ERR_LINK_FENCED');
  await until(() => b.of('refused').filter(({ code }) => code === 'ERR_LINK_FENCED').length >= 2, 'refusals');
  t.is(a.of('up').length, 1);
  await using again = await TestNode.open(2, { incarnation: 21 });
  again.dial(1, a.links.address);
  await again.up(1);
});

test('the incarnation of the directory: older links go, other answers are refused', async (t) => {
  await using a = await TestNode.open(1, { redial: { minMs: 10, maxMs: 40 } });
  await using b = await TestNode.open(2);
  a.dial(2, b.links.address, { incarnation: 19 });
  t.is((await a.next('refused')).code, 'ERR_LINK_INCARNATION');
  a.dial(2, b.links.address, { incarnation: 20 });
  await a.up(2);
  a.dial(2, b.links.address, { incarnation: 22 });
  t.is((await a.next('down')).code, 'ERR_LINK_STALE');
});

test('who answers under another name or number than was dialled is refused', async (t) => {
  await using a = await TestNode.open(1);
  await using b = await TestNode.open(2);
  a.dial(3, b.links.address);
  t.is((await a.next('refused')).code, 'ERR_LINK_IDENTITY');
  a.links.setPeers([{ name: 'n2', node: 4, ...b.links.address }]);
  await until(() => a.of('refused').some(({ reason }) => /node 4/.test(reason)), 'a refusal of the number');
  t.is(a.of('up').length + b.of('up').length, 0);
});

test('three nodes: messages go where they are sent', async (t) => {
  const nodes = await Promise.all([1, 2, 3].map((number) => TestNode.open(number)));
  t.teardown(() => Promise.all(nodes.map((node) => node.links.close())));
  for (const node of nodes) {
    node.links.setPeers(
      nodes.map(({ links }, index) => ({ name: `n${index + 1}`, node: index + 1, ...links.address })),
    );
  }
  await Promise.all(nodes.flatMap((node, from) => [1, 2, 3].filter((to) => to !== from + 1).map((to) => node.up(to))));
  nodes.forEach((node, from) =>
    [1, 2, 3].forEach((to) => node.links.send(to, 'ghost', 10 * (from + 1) + to, new Uint8Array(3))),
  );
  await until(() => nodes.every((node) => node.of('frame').length === 2), 'two messages each');
  nodes.forEach((node, at) => {
    for (const { type, peer } of node.of('frame')) t.is(type, 10 * peer.node + at + 1);
  });
});

test('plain TCP beyond the loopback is refused', async (t) => {
  const error = await t.throwsAsync(() => TestNode.open(1, { listen: { host: '0.0.0.0', port: 0 } }), {
    code: 'ERR_LINK_PLAIN_ADDRESS',
  });
  t.regex(error.message, /worldmesh keys/);
  await using a = await TestNode.open(1);
  t.throws(() => a.dial(2, { host: '192.0.2.1', port: 1 }), { code: 'ERR_LINK_PLAIN_ADDRESS' });
  await t.throwsAsync(() => TestNode.open(2, { listen: a.links.address }), { code: 'ERR_LINK_LISTEN' });
});

test('after close nothing is left: no timer, no socket, no listener', async (t) => {
  const before = process.getActiveResourcesInfo().length;
  const nodes = await Promise.all([1, 2, 3].map((number) => TestNode.open(number)));
  nodes[0]!.dial(2, nodes[1]!.links.address);
  nodes[2]!.dial(9, { host: '127.0.0.1', port: 1 });
  await nodes[0]!.up(2);
  nodes[0]!.links.send(2, 'bulk', 1, new Uint8Array(1 << 20));
  await Promise.all(nodes.map(({ links }) => links.close()));
  await nodes[0]!.links.close();
  await until(() => process.getActiveResourcesInfo().length <= before, process.getActiveResourcesInfo().join());
  t.is(nodes[0]!.links.send(2, 'control', 1, new Uint8Array(1)), 'down');
});

test('drop: all links end and are made anew', async (t) => {
  await using a = await TestNode.open(1, { redial: { minMs: 10, maxMs: 40 } });
  await using b = await TestNode.open(2);
  a.dial(2, b.links.address);
  await Promise.all([a.up(2), b.up(1)]);
  a.links.drop('a test');
  t.is(a.of('down').length, 1);
  t.false(a.isUp(2));
  t.is((await b.next('down')).reason, 'a test');
  await Promise.all([a.next('up', 1), b.next('up', 1)]);
});
