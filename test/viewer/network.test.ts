/** The page's network, over real sockets to a real gateway where it carries something. */
import test from 'ava';
import * as fc from 'fast-check';
import { CONDITIONS_MAX, Lane, PERFECT, PRESETS, isPerfect, presetOf } from '../../viewer/clients/network.core.ts';
import { Network, type NetworkTap } from '../../viewer/clients/network.ts';
import type { RealSocketConstructor } from '../../viewer/clients/shaped-socket.ts';
import { HELLO, startRig, until } from '../net/fixture.ts';
import { decodeServerMessage, encodeClientMessage } from '../../src/wire/client.wire.ts';
import { schema } from '../net/fixture.ts';

const never = (): number => 0.999;

test('a perfect line is no line, latency and jitter add up, and nothing overtakes', (t) => {
  const lane = new Lane();
  const send = (nowMs: number, jitter: number) =>
    lane.arrivalMs(
      { nowMs, sizeBytes: 100, random: sequence([0.99, jitter]) },
      { ...PERFECT, latencyMs: 50, jitterMs: 40 },
    );
  t.is(send(0, 0.5), 70);
  t.is(send(1, 0), 70, 'it waits for the one before');
  t.is(send(100, 0), 150);
  t.is(new Lane().arrivalMs({ nowMs: 7, sizeBytes: 1e6, random: never }, PERFECT), 7);
});

test('bandwidth is a queue, and what is lost comes a retransmission later', (t) => {
  const lane = new Lane();
  const narrow = { ...PERFECT, bytesPerSecond: 1000 };
  t.is(lane.arrivalMs({ nowMs: 0, sizeBytes: 500, random: never }, narrow), 500);
  t.is(lane.arrivalMs({ nowMs: 0, sizeBytes: 500, random: never }, narrow), 1000);
  t.is(lane.arrivalMs({ nowMs: 5000, sizeBytes: 100, random: never }, narrow), 5100);
  const lossy = { ...PERFECT, latencyMs: 30, lossPercent: 5 };
  t.is(new Lane().arrivalMs({ nowMs: 0, sizeBytes: 1, random: sequence([0.04, 0]) }, lossy), 30 + 200 + 60);
  t.is(new Lane().arrivalMs({ nowMs: 0, sizeBytes: 1, random: sequence([0.06, 0]) }, lossy), 30);
});

test('messages keep their order under any conditions', (t) => {
  const share = fc.double({ min: 0, max: 0.999, noNaN: true });
  const message = fc.record({ waitMs: fc.nat(50), sizeBytes: fc.nat(5000), loss: share, jitter: share });
  const conditions = fc.record({
    latencyMs: fc.nat(CONDITIONS_MAX.latencyMs),
    jitterMs: fc.nat(CONDITIONS_MAX.jitterMs),
    lossPercent: fc.nat(CONDITIONS_MAX.lossPercent),
    bytesPerSecond: fc.nat(CONDITIONS_MAX.bytesPerSecond),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), conditions, (messages, line) => {
      const lane = new Lane();
      let nowMs = 0;
      let lastMs = 0;
      for (const { waitMs, sizeBytes, loss, jitter } of messages) {
        nowMs += waitMs;
        const arrivalMs = lane.arrivalMs({ nowMs, sizeBytes, random: sequence([loss, jitter]) }, line);
        if (arrivalMs < lastMs || arrivalMs < nowMs + line.latencyMs) return false;
        lastMs = arrivalMs;
      }
      return true;
    }),
  );
  t.true(isPerfect(PERFECT));
  t.false(isPerfect({ ...PERFECT, lossPercent: 1 }));
  for (const { name, conditions: preset } of PRESETS) t.is(presetOf(preset), name);
  t.is(presetOf({ ...PERFECT, latencyMs: 1 }), undefined);
});

test('a welcome comes later over a slow line, and as it is over a perfect one', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const perfect = open(rig.url);
  await until(() => perfect.types.includes('welcome'), 'the welcome');
  const slow = open(rig.url, (network) => (network.conditions = { ...PERFECT, latencyMs: 60 }));
  const startMs = performance.now();
  await until(() => slow.types.includes('welcome'), 'the welcome over the slow line');
  t.true(performance.now() - startMs >= 4 * 60 + 2 * 60, 'the handshake, then hello and welcome');
  t.true(slow.received > 0 && slow.sent > 0);
  perfect.socket.close();
  slow.socket.close();
  await until(async () => (await rig.gateway.report()).connections === 0, 'the gateway hears of both goodbyes');
});

test('a silent cut holds all that is on its way, and a mended network lets it through', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const client = open(rig.url);
  await until(() => client.types.includes('welcome'), 'the welcome');
  client.network.cutFor('silent', 60_000);
  t.is(client.network.cut?.kind, 'silent');
  client.socket.send(encodeClientMessage({ type: 'ping', nonce: 1 }, schema));
  // Another way to the same gateway shows that it had time to answer.
  const witness = open(rig.url);
  await until(() => witness.types.includes('welcome'), 'the gateway answers others');
  t.false(client.types.includes('pong'));
  t.is(client.closeCode, undefined);
  client.network.mend();
  await until(() => client.types.includes('pong'), 'the answer');
  t.is(client.network.cut, undefined);
});

test('a reset ends the connection at once, and none opens until it is over', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const client = open(rig.url);
  await until(() => client.types.includes('welcome'), 'the welcome');
  client.network.cutFor('reset', 60_000);
  t.is(client.closeCode, 1006);
  const refused = attach(client.network, rig.url);
  await until(() => refused.closeCode === 1006, 'the next is refused');
  client.network.cutFor('reset', 30);
  await until(() => client.network.cut === undefined, 'the cut ends by itself');
  const again = attach(client.network, rig.url);
  await until(() => again.types.includes('welcome'), 'the one after it is welcome');
  t.is(again.closeCode, undefined);
});

test('a socket opened during a silent cut opens after it', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const client = open(rig.url, (network) => network.cutFor('silent', 60_000));
  t.is(client.socket.readyState, 0);
  client.network.mend();
  await until(() => client.types.includes('welcome'), 'the welcome');
  t.throws(() => new client.network.WebSocket('no url'), { instanceOf: SyntaxError });
});

interface Client {
  readonly network: Network;
  readonly socket: InstanceType<Network['WebSocket']>;
  readonly types: string[];
  closeCode: number | undefined;
  received: number;
  sent: number;
}

function open(url: string, prepare: (network: Network) => void = () => {}): Client {
  const counts = { received: 0, sent: 0 };
  const tap: NetworkTap = {
    received: (_socket, data) => (counts.received += typeof data === 'string' ? data.length : data.byteLength),
    sent: (sizeBytes) => (counts.sent += sizeBytes),
    opened: () => {},
  };
  const network = new Network(tap, { RealSocket: globalThis.WebSocket as unknown as RealSocketConstructor });
  prepare(network);
  const client = attach(network, url);
  return Object.defineProperties(client, {
    received: { get: () => counts.received },
    sent: { get: () => counts.sent },
  });
}

function attach(network: Network, url: string): Client {
  const socket = new network.WebSocket(url);
  const client: Client = { network, socket, types: [], closeCode: undefined, received: 0, sent: 0 };
  socket.onopen = () => socket.send(encodeClientMessage(HELLO, schema));
  socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
    client.types.push(decodeServerMessage(new Uint8Array(data), schema).type);
  };
  socket.onclose = ({ code }: { code: number }) => (client.closeCode = code);
  return client;
}

function sequence(values: readonly number[]): () => number {
  let index = 0;
  return () => values[index++ % values.length]!;
}
