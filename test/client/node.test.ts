/** The SDK against a real node: the same session, prediction and interpolation as a player has them. */
import test from 'ava';
import { WebSocket } from 'ws';
import tag from '../../examples/tag.ts';
import { connect } from '../../src/client/index.ts';
import type { Client, SocketConstructor } from '../../src/client/index.ts';
import { openNode, until } from './real-server.ts';

type Tag = typeof tag;

const SPEED = 6;

async function joined(client: Client<Tag>): Promise<void> {
  await until('self and a clock', () => client.self !== undefined && client.statistics.rttMs > 0);
}

test('what is predicted is what the server does', async (t) => {
  await using server = await openNode(tag);
  using client = connect<Tag>(server.url, { world: tag, name: 'Ada' });
  await joined(client);
  t.is(client.self?.components.look.name, 'Ada');
  const corrections: number[] = [];
  client.onSnapshot(() => corrections.push(client.statistics.correctionMetres));
  let turns = 0;
  let turnAtMs = 0;
  let lastX = client.self!.x;
  let lastZ = client.self!.z;
  let lastMs = performance.now();
  let stepMetresMax = 0;
  client.update();
  lastX = client.self!.renderX;
  lastZ = client.self!.renderZ;
  await until('eight turns', () => {
    const nowMs = performance.now();
    if (nowMs >= turnAtMs) {
      const heading = turns++ * 2.1;
      client.input({ moveX: Math.cos(heading), moveZ: Math.sin(heading) });
      turnAtMs = nowMs + 400;
    }
    client.update(nowMs);
    const { renderX, renderZ } = client.self!;
    // What a frame moved beyond what the speed explains: jerks.
    const allowed = (SPEED * (nowMs - lastMs)) / 1000;
    stepMetresMax = Math.max(stepMetresMax, Math.hypot(renderX - lastX, renderZ - lastZ) - allowed);
    [lastX, lastZ, lastMs] = [renderX, renderZ, nowMs];
    return turns > 8;
  });
  corrections.sort((a, b) => a - b);
  t.log({ p50: corrections[corrections.length >> 1], max: corrections.at(-1), jerk: stepMetresMax });
  // An input that arrives a tick earlier or later than foreseen is off by one tick's way, twice that when it turns back.
  t.true((corrections[corrections.length >> 1] ?? 1) < 0.01);
  t.true((corrections.at(-1) ?? 1) < 1.3);
  client.input({ moveX: 0, moveZ: 0 });
  await until('it stands where it stands', () => {
    client.update();
    const { x, z, renderX, renderZ, vx } = client.self!;
    return vx === 0 && Math.hypot(renderX - x, renderZ - z) < 0.001 && client.statistics.inputsUnacknowledged === 0;
  });
});

test('others are seen to walk evenly', async (t) => {
  await using server = await openNode(tag);
  using watcher = connect<Tag>(server.url, { world: tag });
  using walker = connect<Tag>(server.url, { world: tag });
  await joined(watcher);
  await joined(walker);
  await until('seen', () => watcher.entities.size === 2);
  const seen = watcher.entities.get(walker.self!.id)!;
  walker.input({ moveX: 1, moveZ: 0 });
  await until('it walks', () => {
    watcher.update();
    return Math.abs(seen.vx - SPEED) < 0.5 && watcher.statistics.tick > 40;
  });
  const speeds: number[] = [];
  let lastMs = performance.now();
  watcher.update(lastMs);
  let lastX = seen.renderX;
  await until('a hundred frames', () => {
    const nowMs = performance.now();
    watcher.update(nowMs);
    speeds.push(((seen.renderX - lastX) * 1000) / (nowMs - lastMs));
    lastX = seen.renderX;
    lastMs = nowMs;
    return speeds.length > 100;
  });
  speeds.sort((a, b) => a - b);
  t.log({ least: speeds[0], median: speeds[50], greatest: speeds.at(-1) });
  t.true((speeds[0] ?? 0) > SPEED * 0.5);
  t.true((speeds.at(-1) ?? 99) < SPEED * 1.6);
});

test('a cut connection is resumed with the same entity', async (t) => {
  await using server = await openNode(tag);
  const sockets: WebSocket[] = [];
  const recording = class extends WebSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  } as unknown as SocketConstructor;
  using client = connect<Tag>(server.url, { world: tag, WebSocket: recording, backoff: { minMs: 20, maxMs: 100 } });
  await joined(client);
  const self = client.self;
  client.input({ moveX: 1, moveZ: 0 });
  await until('acknowledged', () => client.statistics.inputsUnacknowledged === 0);
  sockets.at(-1)?.terminate();
  await until('lost', () => client.status.kind === 'reconnecting');
  await client.whenOnline();
  t.deepEqual(client.status, { kind: 'online', resumed: true });
  const tick = client.statistics.tick;
  await until('it walks on', () => client.statistics.tick > tick + 5 && client.self?.vx === SPEED);
  t.is(client.self, self);
  t.is(await server.node.sessionCount(), 1);
});

test('a server that stops tells its clients to come again', async (t) => {
  const server = await openNode(tag);
  using client = connect<Tag>(server.url, { world: tag });
  await joined(client);
  const lost = Promise.withResolvers<number>();
  client.onStatus((status) => {
    if (status.kind === 'reconnecting') lost.resolve(status.error.closeCode);
  });
  await server[Symbol.asyncDispose]();
  t.is(await lost.promise, 1012);
});
