/** A session through losses, gateways that die, redirects, sleep and wrong clocks: against a server that can be told to misbehave. */
import test from 'ava';
import { f32, text } from '../../src/base/fields.ts';
import { defineWorld } from '../../src/base/world.ts';
import { PROBE_MS_MAX } from '../../src/client/socket-session.ts';
import { connect } from '../../src/client/index.ts';
import type { Client, ClientClock, ConnectOptions, TokenStorage } from '../../src/client/index.ts';
import type { ClientMessage } from '../../src/wire/messages.ts';
import { until } from './real-server.ts';
import { SmallServer } from './small-server.ts';

const world = defineWorld({
  name: 'small',
  version: 1,
  size: 2000,
  components: { look: { name: text(32) } },
  kinds: { player: { components: ['look'] } },
  input: {
    fields: { vx: f32({ min: -50, max: 50 }) },
    apply(self, input) {
      self.vx = input.vx;
    },
  },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});
type Small = typeof world;

const HOUR_MS = 3_600_000;
const quick = { minMs: 20, maxMs: 100 };

function join(url: string | string[], options: ConnectOptions<Small> = {}): Client<Small> {
  return connect<Small>(url, { world, backoff: quick, ...options });
}

async function joined(client: Client<Small>): Promise<void> {
  await until('self and a clock', () => client.self !== undefined && client.statistics.rttMs > 0);
}

function received<Type extends ClientMessage['type']>(
  server: SmallServer,
  type: Type,
): Extract<ClientMessage, { type: Type }>[] {
  return server.received.filter((message): message is Extract<ClientMessage, { type: Type }> => message.type === type);
}

/** Sends an input, and waits until it is at the server. */
async function send(client: Client<Small>, server: SmallServer, vx: number): Promise<void> {
  client.input({ vx });
  await until('sent', () => received(server, 'input').some(({ input }) => input['vx'] === vx));
}

test('a gateway dies: the session goes on at another one that the server had named', async (t) => {
  await using server = await SmallServer.open(world);
  const other = await server.openGateway();
  server.gateways = [other];
  using client = join(server.url);
  await joined(client);
  const { self } = client;
  const dead = server.url;
  t.deepEqual(client.gateways, [dead, other]);
  const statuses: string[] = [];
  client.onStatus((status) => statuses.push(status.kind));
  await server.killGateway(dead);
  await until('another gateway', () => client.status.kind === 'online' && client.gateways[0] === other);
  t.deepEqual(client.status, { kind: 'online', resumed: true });
  const { tick } = client.statistics;
  await until('snapshots', () => client.statistics.tick > tick + 4);
  t.false(client.isStale);
  t.is(client.self, self);
  t.is(server.sessions.length, 1);
  t.is(statuses[0], 'reconnecting');
  t.true(client.statistics.longestGapMs > 0);
});

test('of several URLs the first that answers is taken', async (t) => {
  await using server = await SmallServer.open(world);
  const dead = await server.openGateway();
  await server.killGateway(dead);
  using client = join(['ws://127.0.0.1:1/', server.url]);
  await joined(client);
  t.is(client.gateways[0], server.url);
});

test('direct mode: no snapshot is missed, each input acts once, and the old connection is closed', async (t) => {
  await using server = await SmallServer.open(world);
  const target = await server.openGateway();
  server.durableLag = 2;
  using client = join(server.url, { mode: 'direct' });
  await joined(client);
  t.is(received(server, 'hello')[0]?.mode, 'direct');
  for (let vx = 1; vx <= 4; vx++) await send(client, server, vx);
  await until('applied', () => client.statistics.inputsUnacknowledged === 0);
  const { self } = client;
  const told: string[] = [];
  client.onStatus((status) => told.push(status.kind));
  client.onLeave(() => told.push('leave'));
  client.onEnter(() => told.push('enter'));
  const ticks: number[] = [];
  client.onSnapshot(({ tick }) => ticks.push(tick));
  server.redirect(target);
  await until('redirected', () => client.statistics.redirects === 1);
  const switchedAt = ticks.length;
  await until('ten snapshots', () => ticks.length > switchedAt + 10);
  t.deepEqual(told, []);
  t.is(client.self, self);
  t.deepEqual(
    ticks,
    ticks.map((_, index) => ticks[0]! + 2 * index),
    'every second tick, none twice',
  );
  t.is(client.gateways[0], target);
  t.is(received(server, 'hello').at(-1)?.lastKnownTick, 0);
  // Those that are not durable yet were sent again.
  const sequences = received(server, 'input').map(({ sequence }) => sequence);
  t.deepEqual(sequences.slice(0, 4), [1, 2, 3, 4]);
  t.deepEqual(new Set(sequences.slice(4)), new Set([3, 4]));
  await send(client, server, 9);
  await until('applied', () => server.sessions[0]?.inputSequence === 5);
});

test('a redirect to nobody, or with a token that opens nothing, costs nothing', async (t) => {
  await using server = await SmallServer.open(world);
  const target = await server.openGateway();
  using client = join(server.url);
  await joined(client);
  const statuses: string[] = [];
  client.onStatus((status) => statuses.push(status.kind));
  server.redirect('ws://127.0.0.1:1/');
  await until('refused', () => client.statistics.redirectsFailed === 1);
  const { self } = client;
  server.redirect(target, 'known');
  server.sessions[0]!.redirectTokens.clear();
  await until('taken for somebody new', () => client.statistics.redirectsFailed === 2);
  await until('who left', () => received(server, 'bye').length === 1);
  const { tick } = client.statistics;
  await until('it plays on', () => client.statistics.tick > tick + 10);
  t.is(client.self, self);
  t.is(client.gateways[0], server.url);
  t.deepEqual(statuses, []);
});

test('what does not fit is answered by a keyframe, without another connection', async (t) => {
  await using server = await SmallServer.open(world);
  const npc = server.addBeing(5);
  using client = join(server.url);
  await joined(client);
  await until('npc', () => client.entities.has(npc.id));
  const entity = client.entities.get(npc.id);
  // A leave of nobody.
  server.sendRaw(Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 200));
  await until('a keyframe was asked for', () => received(server, 'keyframe').length === 1);
  const { tick } = client.statistics;
  await until('snapshots go on', () => client.statistics.tick > tick + 10);
  t.is(client.entities.get(npc.id), entity);
  t.is(server.hellos, 1);
  t.is(received(server, 'keyframe').length, 1);
});

test('a resync goes on from the view that was held: who is not told of is gone', async (t) => {
  await using server = await SmallServer.open(world);
  server.resyncs = true;
  const [stays, goes] = [server.addBeing(5, 'stays'), server.addBeing(6, 'goes')];
  using client = join(server.url);
  await until('both', () => client.entities.size === 3);
  const told: string[] = [];
  client.onEnter((entity) => told.push(`enter ${entity.components.look.name}`));
  client.onLeave((entity) => told.push(`leave ${entity.components.look.name}`));
  client.onUpdate((entity) => told.push(`update ${entity.components.look.name}`));
  const held = client.entities.get(stays.id);
  server.cut();
  server.removeBeing(goes);
  server.addBeing(7, 'comes');
  await until('back', () => client.entities.size === 3 && !client.entities.has(goes.id));
  t.deepEqual(told, ['leave goes', 'enter comes']);
  t.is(client.entities.get(stays.id), held);
  t.true((received(server, 'hello').at(-1)?.lastKnownTick ?? 0) > 1000);
});

test('inputs are kept until they are durable, and those that were lost are sent again', async (t) => {
  await using server = await SmallServer.open(world);
  server.durableLag = 255;
  using client = join(server.url);
  await joined(client);
  for (let vx = 1; vx <= 3; vx++) await send(client, server, vx);
  await until('applied', () => client.statistics.inputsUnacknowledged === 0);
  t.is(client.statistics.inputsUndurable, 3);
  server.lost.add(4);
  await send(client, server, 4);
  await until('it was given away', () => received(server, 'input').some(({ sequence }) => sequence === 4));
  server.lost.clear();
  await until('sent again', () => client.statistics.inputsUnacknowledged === 0);
  t.is(server.sessions[0]?.inputSequence, 4);
  t.true(received(server, 'input').every(({ sequence, back }) => back === sequence - 1));
  server.durableLag = 0;
  await until('durable', () => client.statistics.inputsUndurable === 0);
});

test('a new session begins with input 1, and knows nothing of the last one', async (t) => {
  await using server = await SmallServer.open(world);
  server.durableLag = 255;
  using client = join(server.url);
  await joined(client);
  for (let vx = 1; vx <= 3; vx++) await send(client, server, vx);
  server.sessions.length = 0;
  const count = received(server, 'input').length;
  server.cut();
  const before = client.self?.id;
  await until('a new session', () => client.self !== undefined && client.self.id !== before);
  await send(client, server, 7);
  await until('applied', () => server.sessions[0]?.inputSequence === 1);
  t.deepEqual(
    received(server, 'input')
      .slice(count)
      .map(({ sequence }) => sequence),
    [1],
  );
});

test('timers that were stopped: at wake it looks, and comes back at once', async (t) => {
  await using server = await SmallServer.open(world);
  let sleptMs = 0;
  const now = (): number => performance.now() + sleptMs;
  using client = join(server.url, { now, backoff: { minMs: 60_000, maxMs: 60_000 } });
  await joined(client);
  sleptMs = 40_000;
  client.checkConnection();
  t.is(client.status.kind, 'reconnecting');
  t.is(client.status.kind === 'reconnecting' ? client.status.nextTryInMs : -1, 0);
  t.true(client.isStale);
  await until('online', () => client.status.kind === 'online');
  t.is(server.hellos, 2);
  await until('snapshots', () => !client.isStale);
});

test('a wall clock that is set is no sleep: the server answers, and nothing happens', async (t) => {
  await using server = await SmallServer.open(world);
  let setMs = 0;
  using client = join(server.url, { utcNow: () => Date.now() + setMs });
  await joined(client);
  setMs = 90_000;
  const pings = received(server, 'ping').length;
  await until('more pings', () => received(server, 'ping').length > pings + 6);
  t.is(server.hellos, 1);
  t.is(client.status.kind, 'online');
});

test('a silent server is noticed by a probe, not only after ten seconds', async (t) => {
  await using server = await SmallServer.open(world);
  using client = join(server.url);
  await joined(client);
  server.sendsSnapshots = false;
  server.answersPings = false;
  const losses: string[] = [];
  client.onStatus((status) => {
    if (status.kind === 'reconnecting' && status.error) losses.push(status.error.message);
  });
  client.checkConnection();
  await until('another hello', () => server.hellos === 2);
  t.deepEqual(losses, [`no answer within ${PROBE_MS_MAX} ms`]);
});

test('a clock three hours off is refused, measured, and said right; the skew can be seen', async (t) => {
  await using server = await SmallServer.open(world);
  server.skewMsMax = HOUR_MS;
  const utcNow = (): number => Date.now() + 3 * HOUR_MS;
  const clocks: ClientClock[] = [];
  using client = join(server.url, { utcNow });
  client.onClock((clock) => clocks.push(clock));
  await joined(client);
  t.is(server.hellos, 2);
  const said = received(server, 'hello').at(-1)?.clientTimeMs ?? 0;
  t.true(Math.abs(said - Date.now()) < 10_000);
  t.true(Math.abs(client.clock.skewMs - 3 * HOUR_MS) < 1000, `${client.clock.skewMs}`);
  t.true(Math.abs(client.serverTimeMs - Date.now()) < 1000);
  t.is(clocks.length, 1);
  t.is(client.clock.quality, 'good');
  using strict = join(server.url, { utcNow, clock: 'strict' });
  const error = await t.throwsAsync<Error & { code: string }>(strict.whenOnline());
  t.is(error?.code, 'ERR_CLIENT_CLOCK');
});

test('the token is kept where the next page finds it, and forgotten when the session ends', async (t) => {
  await using server = await SmallServer.open(world);
  const kept = new Map<string, string>();
  const storage: TokenStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
  const page = join(server.url, { storage });
  await joined(page);
  await send(page, server, 3);
  await until('applied', () => page.statistics.inputsUnacknowledged === 0);
  t.is(kept.get(`worldmesh ${server.url}`), page.resumeToken);
  // As a page that is left: it says nothing.
  server.cut();
  const reloaded = join(server.url, { storage });
  page.close();
  await joined(reloaded);
  t.deepEqual(reloaded.status, { kind: 'online', resumed: true });
  t.true(reloaded.input({ vx: 5 }));
  await until('counted on', () => server.sessions[0]?.inputSequence === 2);
  t.is(kept.size, 1);
  reloaded.close();
  t.is(kept.size, 0);
});

test('numbers out of range become the nearest inside, here as there; what is no number is refused', async (t) => {
  await using server = await SmallServer.open(world);
  using client = join(server.url);
  await joined(client);
  t.true(client.input({ vx: 1e9 }));
  await until('applied', () => server.sessions[0]?.being.vx === 50);
  t.throws(() => client.input({ vx: 'fast' as unknown as number }), { code: 'ERR_CLIENT_INPUT' });
});

test('without interpolation others are where the last snapshot had them', async (t) => {
  await using server = await SmallServer.open(world);
  const npc = server.addBeing(5);
  npc.vx = 10;
  using client = join(server.url, { interpolate: false });
  await until('it moved', () => (client.entities.get(npc.id)?.x ?? 0) > 6);
  client.update();
  const { x, renderX } = client.entities.get(npc.id)!;
  t.is(renderX, x);
});
