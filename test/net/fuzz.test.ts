/** A bounded slice of test/long/client-fuzz.test.ts. */
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { fuzzDecoder, fuzzGateway } from './client-fuzz.ts';
import { startRig, TestClient } from './fixture.ts';

const SEED = 20_261_121;

test('the decoder takes or refuses whatever it is given', (t) => {
  const { taken, refused } = fuzzDecoder(new Random(SEED), 100_000);
  t.true(taken > 10_000 && refused > 10_000, `${taken} taken, ${refused} refused`);
});

test('a live gateway survives hostile clients, and other players do not notice', async (t) => {
  const rig = await startRig(
    { messagesPerSecond: 1e6, messagesBurst: 1e6, resumeGraceMs: 0, headersTimeoutMs: 1000 },
    { sessionsMax: 64 },
  );
  t.teardown(() => rig.dispose());
  const { client, welcome } = await TestClient.join(rig.url);
  const { connections } = await fuzzGateway(rig, new Random(SEED), 20_000);
  const report = await rig.gateway.report();
  t.true(report.messagesIn > 10_000, `${report.messagesIn} messages over ${connections} connections`);
  t.true(report.errors['ERR_PROTOCOL_MALFORMED']! > 100);
  t.is(client.closed, undefined);
  rig.world.sendSnapshot(welcome.session, { tick: 4 });
  t.is((await client.next('snapshot')).tick, 4);
});
