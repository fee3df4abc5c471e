/** A million hostile frames: typed errors only, no crash, no growth of memory. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { Store } from '../../src/memory/store.ts';
import { Gateway } from '../../src/net/gateway.ts';
import { GATEWAY_DEFAULTS } from '../../src/net/settings.ts';
import { fuzzDecoder, fuzzGateway } from '../net/client-fuzz.ts';
import { STORE_OPTIONS, TestClient, WorldStandIn } from '../net/fixture.ts';

const SEED = Number(process.env['SEED'] ?? 20_261_121);
const DECODER_FRAMES = 1_000_000;
const GATEWAY_FRAMES = 300_000;
const WARM_UP_FRAMES = 60_000;
const ROUNDS = 4;
/** Of live memory, after a collection; a leak of 1 KB a connection would be 6 MB. */
const GROWTH_BYTES_MAX = 2 * 1024 * 1024;

test(`a million frames through the decoder (seed ${SEED})`, (t) => {
  const { taken, refused } = fuzzDecoder(new Random(SEED), DECODER_FRAMES);
  t.log(`${taken} taken, ${refused} refused`);
  t.is(taken + refused, DECODER_FRAMES);
});

test(`hostile clients on a live gateway (seed ${SEED})`, async (t) => {
  t.timeout(1_200_000);
  // On this thread, so that its heap can be measured after a collection.
  const store = Store.create({ ...STORE_OPTIONS, sessionsMax: 64 }, { incarnation: 1 });
  store.control.setReady(true);
  const settings = { ...GATEWAY_DEFAULTS, port: 0, resumeGraceMs: 0, headersTimeoutMs: 1000 };
  const { gateway, port } = await Gateway.open({
    store: store.handle,
    settings: { ...settings, messagesPerSecond: 1e6, messagesBurst: 1e6 },
    shownSettings: {},
  });
  t.teardown(() => gateway.stop({ drainMs: 0 }));
  const standIn = new WorldStandIn(store);
  t.teardown(() => standIn.pause());
  const victim = { port, url: `ws://127.0.0.1:${port}/connect` };
  const { client } = await TestClient.join(victim.url);
  const random = new Random(SEED);
  await fuzzGateway(victim, random, WARM_UP_FRAMES);
  const heaps = [heapBytes(standIn)];
  for (let round = 0; round < ROUNDS; round++) {
    const { connections } = await fuzzGateway(victim, random, GATEWAY_FRAMES / ROUNDS);
    heaps.push(heapBytes(standIn));
    const { messagesIn, errors } = gateway.report();
    t.log(`${connections} connections, ${messagesIn} messages so far`, errors);
  }
  t.log(`heap after each round: ${heaps.join(', ')} bytes`);
  t.true(heaps.at(-1)! - heaps[0]! < GROWTH_BYTES_MAX);
  t.is(client.closed, undefined);
  t.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
});

function heapBytes(standIn: WorldStandIn): number {
  standIn.intakes.length = 0;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
