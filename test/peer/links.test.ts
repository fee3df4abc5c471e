/** Links over real sockets: how they come up, what they carry, and how they go down. */
import test from 'ava';
import { TestNode, until } from './link-fixture.ts';

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
