/** A gateway of a cluster, with both the simulation's and the peer thread's side of the rings in the hands of the test. */
import test from 'ava';
import { SignJWT } from 'jose';
import type { SessionIndex } from '../../src/base/brand.ts';
import {
  readGatewayFrame,
  writeTunnelEnded,
  writeTunnelResumed,
  writeTunnelRoute,
  writeTunnelSnapshot,
} from '../../src/memory/tunnel.ts';
import type { EndedReason, TunnelHead, TunnelResumed, TunnelState } from '../../src/memory/tunnel.ts';
import type { Welcome } from '../../src/wire/messages.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';
import { EMPTY_SNAPSHOT, HELLO, schema, startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

type Frame = { readonly kind: string; readonly head: TunnelHead } & Record<string, unknown>;

/** The peer thread's part, on the test's own thread. */
class PeerStandIn {
  readonly frames: Frame[] = [];
  readonly #rig: Rig;
  readonly #timer: NodeJS.Timeout;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.#timer = setInterval(() => this.#pump(), 5);
  }

  pause(): void {
    clearInterval(this.#timer);
  }

  of(kind: string): Frame[] {
    return this.frames.filter((frame) => frame.kind === kind);
  }

  sequences(): number[] {
    return this.of('input').map((frame) => frame['sequence'] as number);
  }

  states(): TunnelState[] {
    return this.of('state').map((frame) => frame['state'] as TunnelState);
  }

  route(
    session: number,
    { node, seq, name, entity = 9 }: { node: number; seq: number; name: string; entity?: number },
  ): void {
    const { store } = this.#rig;
    const row = session as SessionIndex;
    store.sessions.setRoute(row, node);
    const generation = store.sessions.generation(row);
    writeTunnelRoute(store.peerToGateway, { row, generation, node, seq, entity, name });
    store.control.ringDoorbell();
  }

  snapshot(session: number, { node, tick, keyframe }: { node: number; tick: number; keyframe: boolean }): void {
    const { store } = this.#rig;
    const generation = store.sessions.generation(session as SessionIndex);
    const bytes = encodeSnapshot({ ...EMPTY_SNAPSHOT, keyframe, tick }, schema);
    writeTunnelSnapshot(store.peerToGateway, { row: session, generation, node, bytes });
    store.control.ringDoorbell();
  }

  end(session: number, reason: EndedReason): void {
    const { store } = this.#rig;
    const generation = store.sessions.generation(session as SessionIndex);
    writeTunnelEnded(store.peerToGateway, { row: session, generation, reason });
    store.control.ringDoorbell();
  }

  #pump(): void {
    const { gatewayToPeer } = this.#rig.store;
    gatewayToPeer.drain((at) =>
      readGatewayFrame(gatewayToPeer, at, {
        input: (head, { sequence }) => this.frames.push({ kind: 'input', head, sequence }),
        state: (head, state) => this.frames.push({ kind: 'state', head, state }),
        leave: (head) => this.frames.push({ kind: 'leave', head }),
        login: (head, player) => this.frames.push({ kind: 'login', head, player }),
        heard: (head) => this.frames.push({ kind: 'heard', head }),
        resume: (head, resume) => this.frames.push({ kind: 'resume', head, resume }),
      }),
    );
  }
}

const SECRET = 'a secret of at least thirty-two bytes';
const CLUSTER = { cluster: { node: 'a' } } as const;

async function startCluster(
  settings: Parameters<typeof startRig>[0] = {},
  store: Parameters<typeof startRig>[1] = {},
): Promise<{ rig: Rig; peer: PeerStandIn }> {
  const rig = await startRig({ ...CLUSTER, ...settings }, { cluster: { peerRingBytes: 65_536 }, ...store });
  return { rig, peer: new PeerStandIn(rig) };
}

/** Comes back with a token; the peer thread has the answer. */
async function comeBack(
  { rig, peer }: { rig: Rig; peer: PeerStandIn },
  resumeToken: string,
  resumed: Partial<TunnelResumed>,
  hello: Partial<typeof HELLO> = {},
): Promise<{ client: TestClient; welcome: Welcome }> {
  const client = await TestClient.open(rig.url);
  const asked = peer.of('resume').length;
  client.send({ ...HELLO, ...hello, resumeToken });
  await until(() => peer.of('resume').length > asked, 'the player is looked for');
  const { row, generation } = peer.of('resume').at(-1)!.head;
  const found: TunnelResumed = { outcome: 'found', view: 'reset', node: 3, seq: 5, entity: 9, name: 'c', ...resumed };
  if (resumed.view === 'continued') Object.assign(found, { node: 0, name: '' });
  writeTunnelResumed(rig.store.peerToGateway, { row, generation, ...found });
  rig.store.control.ringDoorbell();
  return { client, welcome: await client.welcome() };
}

async function dispose({ rig, peer }: { rig: Rig; peer: PeerStandIn }): Promise<void> {
  peer.pause();
  await rig.dispose();
}

function ticksOf(client: TestClient): number[] {
  return client.messages.flatMap((message) => (message.type === 'snapshot' ? [message.tick] : []));
}

function input(sequence: number) {
  return { type: 'input', sequence, back: 0, input: { moveX: 0.5, gear: 2, say: '' } } as const;
}

test('inputs follow the player to another node and back', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  const { session } = welcome;
  const head = { row: session, generation: 1, session: 2 ** 32 + 1 };
  t.is(rig.store.sessions.sessionId(session as SessionIndex), head.session);
  client.send(input(1));
  await until(() => rig.world.of('input', session).length === 1, 'the first input is for the world');
  peer.route(session, { node: 3, seq: 5, name: 'c' });
  t.deepEqual(await client.next('handover'), { type: 'handover', seq: 5, node: 'c' });
  rig.store.sessions.setSlotPlusOne(session as SessionIndex, 0);
  client.send(input(2));
  client.send(input(3));
  await until(() => peer.of('input').length === 2, 'inputs go by the tunnel');
  t.deepEqual(
    peer.of('input').map(({ head: of, sequence }) => [of, sequence]),
    [
      [head, 2],
      [head, 3],
    ],
  );
  peer.route(session, { node: 4, seq: 6, name: 'd' });
  t.is((await client.next('handover')).node, 'd');
  peer.route(session, { node: 0, seq: 7, name: 'a' });
  t.is((await client.next('handover')).node, 'a');
  client.send(input(4));
  await until(() => peer.of('input').length === 3, 'until the world has the player, by the tunnel');
  rig.store.sessions.setSlotPlusOne(session as SessionIndex, 1);
  client.send(input(5));
  await until(() => rig.world.of('input', session).length === 2, 'then inputs are for the world again');
  peer.route(session, { node: 3, seq: 8, name: 'c' });
  await client.next('handover');
  client.send({ type: 'bye' });
  await until(() => peer.of('leave').length === 1, 'the leave follows');
  t.deepEqual(peer.of('leave')[0]?.head, head);
  t.is(rig.world.of('leave', session).length, 0);
  const report = await rig.gateway.report();
  t.like(report, { inputsAccepted: 5, inputsTunnelled: 3, handoversTold: 4, sessions: 0 });
});

test('the answer to a handover is counted, once', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  client.send({ type: 'handoverAck', seq: 5 });
  peer.route(welcome.session, { node: 3, seq: 5, name: 'c' });
  await client.next('handover');
  client.send({ type: 'handoverAck', seq: 4 });
  client.send({ type: 'handoverAck', seq: 5 });
  client.send({ type: 'handoverAck', seq: 5 });
  client.send(input(7));
  await until(() => peer.of('input').length === 1, 'an input after them');
  t.like(await rig.gateway.report(), { handoversAnswered: 1 });
});

test('each owner hears once that the client has said something', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { peer, rig } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  client.send({ type: 'ping', nonce: 1 });
  client.send({ type: 'ping', nonce: 2 });
  await until(() => peer.of('heard').length === 1, 'the first is told');
  peer.route(welcome.session, { node: 3, seq: 5, name: 'c' });
  await until(() => peer.of('heard').length === 2, 'the next owner is told, too');
  client.send(input(1));
  await until(() => peer.of('input').length === 1, 'and then no more');
  t.is(peer.of('heard').length, 2);
});

test('only the owner’s snapshots are shown, from a keyframe on, and one is asked for', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  const { session } = welcome;
  rig.world.sendSnapshot(session, { tick: 1 });
  peer.snapshot(session, { node: 3, tick: 901, keyframe: true });
  await until(() => ticksOf(client).length === 1, 'the first');
  peer.route(session, { node: 3, seq: 5, name: 'c' });
  await until(() => client.messages.some(({ type }) => type === 'handover'), 'the handover');
  rig.world.sendSnapshot(session, { tick: 2, keyframe: false });
  peer.snapshot(session, { node: 4, tick: 902, keyframe: true });
  peer.snapshot(session, { node: 3, tick: 903, keyframe: false });
  await until(async () => (await rig.gateway.report()).snapshotsStale >= 4, 'none of these');
  const asked = () => peer.states().filter(({ viewReset }) => viewReset).length;
  await until(() => asked() === 1, 'a keyframe is asked for');
  await until(() => {
    peer.snapshot(session, { node: 3, tick: 904, keyframe: false });
    return asked() === 2;
  }, 'and asked for again');
  peer.snapshot(session, { node: 3, tick: 905, keyframe: true });
  peer.snapshot(session, { node: 3, tick: 906, keyframe: false });
  await until(() => ticksOf(client).includes(906), 'the owner’s are shown');
  t.deepEqual(ticksOf(client), [1, 905, 906]);
  rig.store.sessions.takeViewReset(session as SessionIndex);
  peer.route(session, { node: 0, seq: 6, name: 'a' });
  await until(() => rig.store.sessions.takeViewReset(session as SessionIndex), 'the world begins with a keyframe');
  await until(() => {
    rig.world.sendSnapshot(session, { tick: 50, keyframe: false });
    return rig.store.sessions.takeViewReset(session as SessionIndex);
  }, 'the world is asked for a keyframe');
  rig.world.sendSnapshot(session, { tick: 51 });
  await until(() => ticksOf(client).includes(51), 'the world’s are shown');
});

test('the owner elsewhere hears when the client goes, comes back, and falls behind', async (t) => {
  const cluster = await startCluster({ backlogBytesSkip: 1000, backlogBytesMax: 1 << 26 });
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  const { session } = welcome;
  peer.route(session, { node: 3, seq: 5, name: 'c' });
  await until(() => peer.states().length === 1, 'the owner is told the state');
  t.deepEqual(peer.states()[0], { state: 1, backlogBytes: 0, viewReset: false });
  client.webSocket.terminate();
  await until(() => peer.states().at(-1)?.state === 2, 'the client is gone');
  const { client: again, welcome: next } = await comeBack(cluster, welcome.resumeToken, { view: 'reset' });
  t.true(next.resumed);
  t.deepEqual(await again.next('handover'), { type: 'handover', seq: 5, node: 'c' });
  await until(() => peer.states().at(-1)?.viewReset === true, 'the client is back');
  t.is(peer.states().at(-1)?.state, 1);
  again.webSocket.pause();
  await until(() => {
    for (let count = 0; count < 200; count++) peer.snapshot(next.session, { node: 3, tick: 1, keyframe: true });
    return peer.states().some(({ backlogBytes }) => backlogBytes > 1000);
  }, 'the backlog is told');
});

test('a player with an account is looked for in the cluster', async (t) => {
  const cluster = await startCluster({ authMode: 'token', authSecret: SECRET });
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const token = await new SignJWT({ sub: 'acc-1' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  const { client, welcome } = await TestClient.join(rig.url, { token });
  const { session } = welcome;
  await until(() => peer.of('login').length === 1, 'a login');
  t.deepEqual(peer.of('login')[0]?.['player'], { name: 'Ada', account: 'acc-1' });
  t.is(rig.world.of('join', session).length, 0);
  client.send(input(1));
  await until(() => peer.of('input').length === 1, 'its input goes the same way');
  // It rested here: no handover.
  rig.store.sessions.setSlotPlusOne(session as SessionIndex, 9);
  client.send(input(2));
  await until(() => rig.world.of('input', session).length === 1, 'then directly');
  t.false(client.messages.some(({ type }) => type === 'handover'));
  // A newer session somewhere else has the player now.
  peer.end(session, 'replaced');
  t.deepEqual(await client.end(), { error: 'ERR_SESSION_REPLACED', code: 4006 });
});

test('each reason of an end has its code, and the session is gone', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const codes: [EndedReason, number][] = [
    ['replaced', 4006],
    ['refused', 1013],
    ['overloaded', 1013],
    ['gone', 1012],
    ['stopping', 1012],
  ];
  for (const [reason, code] of codes) {
    const { client, welcome } = await TestClient.join(rig.url);
    peer.route(welcome.session, { node: 3, seq: 5, name: 'c' });
    await client.next('handover');
    peer.end(welcome.session, reason);
    t.is((await client.end()).code, code, reason);
    const late = await comeBack(cluster, welcome.resumeToken, { outcome: 'over' });
    t.false(late.welcome.resumed);
    late.client.send({ type: 'bye' });
    await until(async () => (await rig.gateway.report()).sessions === 0, 'nobody is left');
  }
  await until(() => peer.of('leave').length === codes.length, 'every owner hears of the end');
});

test('full rings: nothing is lost but inputs, and these are counted', async (t) => {
  const cluster = await startCluster({}, { inputRingBytes: 64 * 4, cluster: { peerRingBytes: 256 } });
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  const { session } = welcome;
  await until(() => rig.world.of('join', session).length === 1, 'it is in');
  rig.world.pause();
  peer.pause();
  for (let sequence = 1; sequence <= 20; sequence++) client.send(input(sequence));
  await until(async () => (await rig.gateway.report()).inputsDropped > 0, 'the input ring is full');
  const { inputsAccepted, inputsDropped } = await rig.gateway.report();
  t.is(inputsAccepted + inputsDropped, 20);
  peer.route(session, { node: 3, seq: 5, name: 'c' });
  await client.next('handover');
  rig.world.pump();
  t.is(rig.world.of('input', session).length, inputsAccepted);
  for (let sequence = 22; sequence <= 50; sequence++) client.send(input(sequence));
  await until(async () => (await rig.gateway.report()).inputsDropped > inputsDropped, 'the tunnel is full');
  const late = new PeerStandIn(rig);
  t.teardown(() => late.pause());
  client.send({ type: 'bye' });
  await until(() => late.of('leave').length === 1, 'the leave comes when there is room');
  const sequences = late.sequences();
  t.true(sequences.length > 0);
  t.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
  );
  t.is((await rig.gateway.report()).inputsTunnelled, sequences.length);
});

test('a client that comes back waits for its player, and goes on with the view that it has', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  await until(() => rig.world.of('join', welcome.session).length === 1, 'it is in');
  client.webSocket.terminate();
  const { client: again, welcome: next } = await comeBack(
    cluster,
    welcome.resumeToken,
    { view: 'continued', entity: 77 },
    { lastKnownTick: 41 },
  );
  t.like(peer.of('resume')[0]?.['resume'], { from: 2 ** 32 + 1, entity: 0, isRedirect: false, lastKnownTick: 41 });
  t.like(next, { resumed: true, mode: 'tunnel' });
  t.not(next.session, welcome.session);
  t.not(next.resumeToken, welcome.resumeToken);
  // A delta goes on from what the client has.
  rig.world.sendSnapshot(next.session, { tick: 42, keyframe: false });
  await until(() => ticksOf(again).includes(42), 'no keyframe is needed');
  // Its token names the player now, and the session that it has become.
  again.webSocket.terminate();
  await comeBack(cluster, next.resumeToken, { view: 'resync' });
  t.like(peer.of('resume')[1]?.['resume'], { from: 2 ** 32 + 2, entity: 77 });
  t.like(await rig.gateway.report(), { resumesAttached: 2, resumesExpired: 0, resumesRefused: 0, sessionsResumed: 2 });
});

test('whose player is gone begins anew, and so does who shows what is no token of ours', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  client.webSocket.terminate();
  const late = await comeBack(cluster, welcome.resumeToken, { outcome: 'over' });
  t.false(late.welcome.resumed);
  t.is((await late.client.next('error')).code, 'ERR_SESSION_EXPIRED');
  const last = welcome.resumeToken.at(-1) === 'A' ? 'E' : 'A';
  const forged = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken.slice(0, -1) + last });
  t.false(forged.welcome.resumed);
  t.like(await rig.gateway.report(), { resumesAttached: 0, resumesExpired: 1, resumesRefused: 1 });
});

test('the connection that a newer one replaces is told; one that was sent away may close by itself', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  const { client: newer } = await comeBack(cluster, welcome.resumeToken, { view: 'reset' });
  peer.end(welcome.session, 'replaced');
  t.deepEqual(await client.end(), { error: 'ERR_SESSION_REPLACED', code: 4006 });
  t.is(newer.closed, undefined);
  const { client: mover, welcome: before } = await TestClient.join(rig.url);
  const { client: slow, welcome: slowBefore } = await TestClient.join(rig.url);
  peer.end(before.session, 'moved');
  peer.end(slowBefore.session, 'moved');
  await until(async () => (await rig.gateway.report()).sessionsMoved === 2, 'they have moved');
  rig.world.sendSnapshot(before.session, { tick: 7 });
  mover.send(input(1));
  mover.send({ type: 'ping', nonce: 9 });
  t.is((await mover.next('pong')).nonce, 9);
  mover.webSocket.close(1000);
  t.deepEqual(await mover.end(), { error: undefined, code: 1000 });
  t.deepEqual(ticksOf(mover), []);
  t.is(rig.world.of('input', before.session).length, 0);
  t.deepEqual(await slow.end(), { error: 'ERR_SESSION_MOVED', code: 4009 });
  t.is((await rig.gateway.report()).sessions, 1);
});

const NODES = [
  { node: 3, name: 'c', clientUrl: 'http://127.0.0.1:7903/', state: 'active', incarnation: 9 },
  { node: 4, name: 'd', clientUrl: 'https://d.example/play/', state: 'active', incarnation: 10 },
  { node: 5, name: 'e', clientUrl: 'http://127.0.0.1:7905/', state: 'gone', incarnation: 11 },
  { node: 6, name: 'f', clientUrl: 'no url', state: 'active', incarnation: 12 },
];

test('in direct mode the client is sent to its owner, once for each change, and told of other gateways', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  await rig.gateway.setNodes(NODES);
  const { client, welcome } = await TestClient.join(rig.url, { mode: 'direct' });
  const { client: tunnelled, welcome: other } = await TestClient.join(rig.url, { mode: 'tunnel' });
  t.is(welcome.mode, 'direct');
  t.deepEqual(welcome.gateways, ['ws://127.0.0.1:7903/connect', 'wss://d.example/play/connect']);
  peer.route(welcome.session, { node: 3, seq: 5, name: 'c' });
  peer.route(other.session, { node: 3, seq: 5, name: 'c' });
  const start = await client.next('handoverStart');
  t.like(start, { seq: 5, url: 'ws://127.0.0.1:7903/connect', validMs: 30_000 });
  peer.route(welcome.session, { node: 6, seq: 6, name: 'f' });
  peer.route(welcome.session, { node: 4, seq: 7, name: 'd' });
  t.like(await client.next('handoverStart'), { seq: 7, url: 'wss://d.example/play/connect' });
  await until(() => tunnelled.messages.some(({ type }) => type === 'handover'), 'the other one is in the tunnel');
  t.false(tunnelled.messages.some(({ type }) => type === 'handoverStart'));
  // A redirect is for the gateway that it names.
  const astray = await TestClient.open(rig.url);
  astray.send({ ...HELLO, resumeToken: start.token });
  t.deepEqual(await astray.end(), { error: 'ERR_AUTH_TOKEN', code: 4003 });
  peer.end(welcome.session, 'moved');
  await until(async () => (await rig.gateway.report()).sessionsMoved === 1, 'it has moved');
  t.like(await rig.gateway.report(), { redirectsStarted: 2, redirectsUnused: 1, redirectsAttached: 1 });
});

test('in auto mode only a loaded gateway sends its clients away', async (t) => {
  const cluster = await startCluster({ tunnelBytesPerSecondMax: 20_000 });
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  await rig.gateway.setNodes(NODES);
  const { client, welcome } = await TestClient.join(rig.url, { mode: 'auto' });
  peer.route(welcome.session, { node: 3, seq: 5, name: 'c' });
  await client.next('handover');
  peer.snapshot(welcome.session, { node: 3, tick: 1, keyframe: true });
  await client.next('snapshot');
  t.false(client.messages.some(({ type }) => type === 'handoverStart'));
  await until(() => {
    for (let count = 0; count < 20; count++) peer.snapshot(welcome.session, { node: 3, tick: 1, keyframe: true });
    return client.messages.some(({ type }) => type === 'handoverStart');
  }, 'it is sent away');
  t.is((await rig.gateway.report()).redirectsStarted, 1);
});
