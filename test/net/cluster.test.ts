/** A gateway of a cluster, with both the simulation's and the peer thread's side of the rings in the hands of the test. */
import test from 'ava';
import { SignJWT } from 'jose';
import type { SessionIndex } from '../../src/base/brand.ts';
import { writeMark } from '../../src/memory/intake.ts';
import { readGatewayFrame, writeTunnelEnded, writeTunnelRoute, writeTunnelSnapshot } from '../../src/memory/tunnel.ts';
import type { EndedReason, TunnelHead, TunnelState } from '../../src/memory/tunnel.ts';
import { encodeSnapshot } from '../../src/wire/snapshot.wire.ts';
import { EMPTY_SNAPSHOT, schema, startRig, TestClient, until } from './fixture.ts';
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

  route(session: number, { node, seq, name }: { node: number; seq: number; name: string }): void {
    const { store } = this.#rig;
    const row = session as SessionIndex;
    store.sessions.setRoute(row, node);
    writeTunnelRoute(store.peerToGateway, { row, generation: store.sessions.generation(row), node, seq, name });
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
        handedOver: (head, seq) => this.frames.push({ kind: 'handedOver', head, seq }),
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

test('inputs follow the player to another node and back, in order, behind a mark', async (t) => {
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
  t.deepEqual(
    rig.world.intakes.map(({ kind }) => kind),
    ['join', 'input', 'mark'],
  );
  // From one node to the next there is nothing in the input ring to mark the end of.
  peer.route(session, { node: 4, seq: 6, name: 'd' });
  t.is((await client.next('handover')).node, 'd');
  peer.route(session, { node: 0, seq: 7, name: 'a' });
  t.is((await client.next('handover')).node, 'a');
  client.send(input(4));
  await until(() => peer.of('input').length === 3, 'what is on its way is not overtaken');
  rig.store.sessions.setInputSequence(session as SessionIndex, 4);
  client.send(input(5));
  await until(() => rig.world.of('input', session).length === 2, 'then inputs are for the world again');
  t.is(rig.world.of('mark', session).length, 1);
  peer.route(session, { node: 3, seq: 8, name: 'c' });
  await until(() => rig.world.of('mark', session).length === 2, 'the next way out has a mark of its own');
  client.send({ type: 'bye' });
  await until(() => peer.of('leave').length === 1, 'the leave follows');
  t.deepEqual(peer.of('leave')[0]?.head, head);
  t.is(rig.world.of('leave', session).length, 0);
  const report = await rig.gateway.report();
  t.like(report, { inputsAccepted: 5, inputsTunnelled: 3, handoversTold: 4, sessions: 0 });
});

test('the answer to a handover is counted, and what a client sends again goes to the owner', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => dispose(cluster));
  const { rig, peer } = cluster;
  const { client, welcome } = await TestClient.join(rig.url);
  client.send(input(7));
  await until(() => rig.world.of('input', welcome.session).length === 1, 'an input');
  client.send({ type: 'handoverAck', seq: 5 });
  peer.route(welcome.session, { node: 3, seq: 5, name: 'c' });
  await client.next('handover');
  client.send({ type: 'handoverAck', seq: 4 });
  client.send({ type: 'handoverAck', seq: 5 });
  client.send({ type: 'handoverAck', seq: 5 });
  client.send(input(7));
  await until(() => peer.of('input').length === 1, 'it is sent again');
  t.deepEqual(
    peer.of('handedOver').map(({ seq }) => seq),
    [5],
  );
  t.like(await rig.gateway.report(), { handoversAnswered: 1, inputsRepeated: 1 });
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
  const again = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
  t.true(again.welcome.resumed);
  t.deepEqual(await again.client.next('handover'), { type: 'handover', seq: 5, node: 'c' });
  await until(() => peer.states().at(-1)?.viewReset === true, 'the client is back');
  t.is(peer.states().at(-1)?.state, 1);
  again.client.webSocket.pause();
  await until(() => {
    for (let count = 0; count < 200; count++) peer.snapshot(session, { node: 3, tick: 1, keyframe: true });
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
  // It rested here: no handover, and after what was sent is applied, the short way.
  rig.store.sessions.setSlotPlusOne(session as SessionIndex, 9);
  rig.store.sessions.setInputSequence(session as SessionIndex, 1);
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
    const late = await TestClient.join(rig.url, { resumeToken: welcome.resumeToken });
    t.false(late.welcome.resumed);
    late.client.send({ type: 'bye' });
    await until(async () => (await rig.gateway.report()).sessions === 0, 'nobody is left');
  }
  t.is(peer.of('leave').length, codes.length);
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
  // Nobody else writes now: there must not even be room for a mark.
  while (writeMark(rig.store.inputRing, { session: 6, generation: 9 }));
  peer.route(session, { node: 3, seq: 5, name: 'c' });
  await client.next('handover');
  client.send(input(21));
  await until(async () => (await rig.gateway.report()).inputsDropped > inputsDropped, 'no input before the mark');
  rig.world.pump();
  await until(() => {
    rig.world.pump();
    return rig.world.of('mark', session).length === 1;
  }, 'the mark comes when there is room');
  t.is(rig.world.of('input', session).length, inputsAccepted);
  for (let sequence = 22; sequence <= 50; sequence++) client.send(input(sequence));
  await until(async () => (await rig.gateway.report()).inputsTunnelled > 0, 'inputs go by the tunnel');
  const late = new PeerStandIn(rig);
  t.teardown(() => late.pause());
  client.send({ type: 'bye' });
  await until(() => late.of('leave').length === 1, 'the leave comes when there is room');
  const sequences = late.sequences();
  t.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
  );
});
