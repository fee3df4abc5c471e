/** A million hostile frames: typed errors only, no crash, no growth of memory. */
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { fuzzDecoder, fuzzGateway } from '../net/client-fuzz.ts';
import { startRig, TestClient, until } from '../net/fixture.ts';
import type { Rig } from '../net/fixture.ts';

const SEED = Number(process.env['SEED'] ?? 20_261_121);
const DECODER_FRAMES = 1_000_000;
const GATEWAY_FRAMES = 300_000;
const WARM_UP_FRAMES = 60_000;
const ROUNDS = 4;
/** Heap that a collection has not reached yet, and allocator slack; a leak of 1 KB a connection would be 10 MB. */
const GROWTH_BYTES_MAX = 24 * 1024 * 1024;

test(`a million frames through the decoder (seed ${SEED})`, (t) => {
  const { taken, refused } = fuzzDecoder(new Random(SEED), DECODER_FRAMES);
  t.log(`${taken} taken, ${refused} refused`);
  t.is(taken + refused, DECODER_FRAMES);
});

test(`hostile clients on a live gateway (seed ${SEED})`, async (t) => {
  t.timeout(1_200_000);
  const rig = await startRig(
    { messagesPerSecond: 1e6, messagesBurst: 1e6, resumeGraceMs: 0, headersTimeoutMs: 1000 },
    { sessionsMax: 64 },
  );
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  const random = new Random(SEED);
  await fuzzGateway(rig, random, WARM_UP_FRAMES);
  const heaps = [await leastHeapBytes(rig)];
  for (let round = 0; round < ROUNDS; round++) {
    const { connections } = await fuzzGateway(rig, random, GATEWAY_FRAMES / ROUNDS);
    rig.world.intakes.length = 0;
    heaps.push(await leastHeapBytes(rig));
    const { messagesIn, errors } = await rig.gateway.report();
    t.log(`${connections} connections, ${messagesIn} messages so far`, errors, `gateway heap ${heaps.at(-1)}`);
  }
  t.true(heaps.at(-1)! - heaps[0]! < GROWTH_BYTES_MAX, `gateway heap ${heaps.join(', ')}`);
  t.is(client.closed, undefined);
  t.is((await fetch(`${rig.http}/readyz`)).status, 200);
});

/** The least of some readings: between collections the heap holds garbage. */
async function leastHeapBytes(rig: Rig): Promise<number> {
  const readings: number[] = [];
  await until(async () => {
    const text = await (await fetch(`${rig.http}/metrics`)).text();
    readings.push(Number(/^worldmesh_gateway_heap_bytes (\d+)/m.exec(text)?.[1]));
    return readings.length === 30;
  }, 'the heap was read');
  return Math.min(...readings);
}
