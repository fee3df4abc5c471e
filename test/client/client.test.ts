import test from 'ava';
import { WebSocket as NodeWebSocket } from 'ws';
import { bool, f32, text } from '../../src/base/fields.ts';
import { defineWorld } from '../../src/base/world.ts';
import { ClientError, connect } from '../../src/client/index.ts';
import type { Client, ClientStatus, SocketConstructor } from '../../src/client/index.ts';
import { CLOSE_CODE } from '../../src/wire/messages.ts';
import { SmallServer, TICK_HZ } from './small-server.ts';

const world = defineWorld({
  name: 'small',
  version: 1,
  size: 2000,
  components: { look: { name: text(32) } },
  kinds: { player: { components: ['look'] } },
  input: {
    fields: { vx: f32({ min: -50, max: 50 }), vz: f32({ min: -50, max: 50 }), stop: bool() },
    apply(self, input) {
      self.vx = input.stop ? 0 : input.vx;
      self.vz = input.stop ? 0 : input.vz;
    },
  },
  events: {},
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});
type Small = typeof world;

const quick = { minMs: 20, maxMs: 100 };
const DEADLINE_MS = 10_000;

/** Polls, as conditions here have no event of their own. */
async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

function statusesOf(client: Client<Small>): string[] {
  const kinds: string[] = [];
  client.onStatus((status) => kinds.push(status.kind));
  return kinds;
}

function closedWith(status: ClientStatus): ClientError | undefined {
  return status.kind === 'closed' ? status.error : undefined;
}

test('without a module, the schema comes with the welcome', async (t) => {
  await using server = await SmallServer.open(world);
  const npc = server.addBeing(12.34);
  using client = connect(server.url, { name: 'Ada' });
  t.is(client.status.kind, 'connecting');
  await client.whenOnline();
  await until('self in view', () => client.self !== undefined);
  t.deepEqual(client.schema, world.schema);
  t.is(client.self?.kind, 'player');
  t.deepEqual(client.self?.components['look'], { name: 'Ada' });
  t.is(client.entities.get(npc.id)?.x, 12.34);
  await until('a clock', () => client.statistics.rttMs > 0);
  t.true(Math.abs(client.serverTimeMs - Date.now()) < 100);
});

test('others enter, move and leave, and their aliases are used again', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world });
  const told: string[] = [];
  client.onEnter((entity) => told.push(`enter ${entity.components.look.name}`));
  const offLeave = client.onLeave((entity) => told.push(`leave ${entity.components.look.name}`));
  await until('self', () => client.self !== undefined);
  const first = server.addBeing(5, 'first');
  await until('first', () => client.entities.has(first.id));
  first.vx = 10;
  await until('first moves', () => (client.entities.get(first.id)?.x ?? 0) > 6);
  server.removeBeing(first);
  const second = server.addBeing(7, 'second');
  await until('second', () => client.entities.has(second.id));
  t.false(client.entities.has(first.id));
  t.deepEqual(told, ['enter ', 'enter first', 'leave first', 'enter second']);
  offLeave();
  server.removeBeing(second);
  await until('second left', () => !client.entities.has(second.id));
  t.is(told.length, 4);
});

test('the own entity answers at once, and the server agrees', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world });
  await until('self and a clock', () => client.self !== undefined && client.statistics.rttMs > 0);
  server.appliesInputs = false;
  client.update();
  t.is(client.self?.renderX, 0);
  t.true(client.input({ vx: 20 }));
  await until('it moves before the server knows', () => {
    client.update();
    return (client.self?.renderX ?? 0) > 0.3;
  });
  t.is(server.sessions[0]?.being.x, 0);
  server.appliesInputs = true;
  await until('acknowledged', () => client.statistics.inputsUnacknowledged === 0);
  let correctionMax = 0;
  let snapshots = 0;
  client.onSnapshot(() => {
    snapshots++;
    if (snapshots > 10) correctionMax = Math.max(correctionMax, client.statistics.correctionMetres);
  });
  await until('30 snapshots', () => snapshots > 30);
  // Steady movement: what remains is the estimate of time, at most a tick's way.
  t.true(correctionMax < 1, `${correctionMax} m`);
  client.update();
  t.true(client.self!.renderX >= server.sessions[0]!.being.x - 1);
});

test('a change of owner is told, and nothing else is noticed of it', async (t) => {
  await using server = await SmallServer.open(world);
  const npc = server.addBeing(5, 'npc');
  npc.vx = 4;
  using client = connect<Small>(server.url, { world });
  await until('self and a clock', () => client.self !== undefined && client.statistics.rttMs > 0);
  await until('npc', () => client.entities.has(npc.id));
  const entity = client.entities.get(npc.id)!;
  const told: string[] = [];
  client.onEnter(() => told.push('enter'));
  client.onLeave(() => told.push('leave'));
  client.onOwner(({ node, seq }) => told.push(`${node} ${seq}`));
  const ticks: number[] = [];
  client.onSnapshot(({ tick }) => ticks.push(tick));
  await until('snapshots', () => ticks.length > 12);
  t.is(client.owner, undefined);
  server.appliesInputs = false;
  t.true(client.input({ vx: 10 }));
  await until('the input is there', () => server.sessions[0]!.pending.length > 0);
  client.update();
  let shownX = entity.renderX;
  let stepMax = 0;
  const counts = [
    { node: 'b', seq: 3, ticks: 400_000, aliasFirst: 9 },
    { node: 'a', seq: 4, ticks: -400_000, aliasFirst: 1 },
  ];
  for (const handover of counts) {
    const seen = ticks.length;
    server.handOver(handover);
    await until('snapshots of the new owner', () => {
      client.update();
      stepMax = Math.max(stepMax, Math.abs(entity.renderX - shownX));
      shownX = entity.renderX;
      return ticks.length > seen + 20;
    });
    t.deepEqual(client.owner, { node: handover.node, seq: handover.seq });
    t.is(client.statistics.inputsUnacknowledged, 1);
    t.is(client.entities.get(npc.id), entity);
  }
  // At 4 m/s frames that are even 200 ms apart are less than a metre apart.
  t.true(stepMax < 1, `${stepMax} m`);
  t.deepEqual(told, ['b 3', 'a 4']);
  t.deepEqual(
    ticks.toSorted((a, b) => a - b),
    ticks,
  );
  t.true(ticks.at(-1)! - ticks[0]! < 500);
  const acks = server.received.filter((message) => message.type === 'handoverAck');
  t.deepEqual(
    acks.map(({ seq }) => seq),
    [3, 4],
  );
  // Sent at first, again to each new owner, and whenever nothing came of it; the server drops by sequence.
  const inputs = server.received.filter((message) => message.type === 'input');
  t.true(inputs.length >= 3 && inputs.every(({ sequence, back }) => sequence === 1 && back === 0), `${inputs.length}`);
  server.appliesInputs = true;
  await until('acknowledged', () => client.statistics.inputsUnacknowledged === 0);
});

test('inputs are sent at most once a tick, the latest counts', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world });
  await until('self', () => client.self !== undefined);
  const startMs = performance.now();
  for (let count = 1; count <= 40; count++) client.input({ vx: count });
  await until('the last came', () =>
    server.received.some((message) => message.type === 'input' && message.input['vx'] === 40),
  );
  const inputs = server.received.filter((message) => message.type === 'input');
  const ticks = Math.ceil(((performance.now() - startMs) * TICK_HZ) / 1000);
  t.true(inputs.length <= ticks + 1, `${inputs.length} inputs in ${ticks} ticks`);
  t.deepEqual(
    inputs.map((message) => message.sequence),
    inputs.map((_, index) => index + 1),
  );
  const error = t.throws(() => client.input({ vx: Number.NaN }), { instanceOf: ClientError });
  t.is(error?.code, 'ERR_CLIENT_INPUT');
  t.regex(error?.message ?? '', /"vx"/);
});

test('after a loss it comes back to its session, with the same entities, and inputs act once', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world, backoff: quick });
  await until('self', () => client.self !== undefined);
  const self = client.self;
  const left: unknown[] = [];
  client.onLeave((entity) => left.push(entity));
  const statuses = statusesOf(client);
  server.appliesInputs = false;
  client.input({ vx: 3 });
  await until('the input came', () => server.sessions[0]?.pending.length === 1);
  server.cut();
  await until('lost', () => client.status.kind === 'reconnecting');
  t.false(client.input({ vx: 4 }));
  await until('back', () => client.status.kind === 'online');
  t.deepEqual(client.status, { kind: 'online', resumed: true });
  await until('sent again', () => server.received.filter((message) => message.type === 'input').length === 2);
  server.appliesInputs = true;
  await until('acknowledged', () => client.statistics.inputsUnacknowledged === 0);
  t.is(server.sessions.length, 1);
  t.is(server.sessions[0]?.inputSequence, 1);
  t.is(client.self, self);
  t.deepEqual(left, []);
  t.deepEqual(statuses, ['reconnecting', 'online']);
});

test('a session that is gone begins anew', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world, backoff: quick });
  await until('self', () => client.self !== undefined);
  const first = client.self?.id;
  const selves: unknown[] = [];
  client.onStatus(({ kind }) => kind === 'online' && selves.push(client.self));
  server.removeBeing(server.sessions[0]!.being);
  server.sessions.length = 0;
  server.closeAll(CLOSE_CODE.restart);
  await until('another self', () => client.self !== undefined && client.self.id !== first);
  t.deepEqual(client.status, { kind: 'online', resumed: false });
  t.deepEqual(selves, [undefined], 'nobody of the old session is there when the new one begins');
  t.false(client.entities.has(first!));
});

test('another client resumes with the token, and counts on from its inputs', async (t) => {
  await using server = await SmallServer.open(world);
  const before = connect<Small>(server.url, { world });
  await until('self', () => before.self !== undefined);
  before.input({ vx: 1 });
  await until('applied', () => server.sessions[0]?.inputSequence === 1);
  const { resumeToken } = before;
  server.cut();
  before.close();
  using after = connect<Small>(server.url, { world, resumeToken });
  await until('self', () => after.self !== undefined);
  after.input({ vx: 2 });
  await until('applied', () => server.sessions[0]?.inputSequence === 2);
  t.is(server.sessions.length, 1);
});

test('a refusal is final and says why; trouble is tried again', async (t) => {
  await using server = await SmallServer.open(world);
  server.refusal = {
    error: { type: 'error', code: 'ERR_SERVER_OVERLOADED', message: 'full' },
    closeCode: CLOSE_CODE.tryLater,
  };
  using client = connect<Small>(server.url, { world, backoff: quick });
  await until('two tries', () => server.hellos >= 2);
  t.not(client.status.kind, 'closed');
  server.refusal = { error: { type: 'error', code: 'ERR_AUTH_TOKEN', message: 'expired' }, closeCode: CLOSE_CODE.auth };
  const error = await t.throwsAsync(client.whenOnline(), { instanceOf: ClientError });
  t.is(error?.code, 'ERR_CLIENT_REFUSED');
  t.is(error?.serverError, 'ERR_AUTH_TOKEN');
  t.is(error?.closeCode, CLOSE_CODE.auth);
  t.regex(error?.message ?? '', /expired/);
  t.is(closedWith(client.status), error);
});

test('nobody there: it keeps trying, and close ends it', async (t) => {
  const server = await SmallServer.open(world);
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const client = connect<Small>(url, { world, backoff: quick });
  const attempts: number[] = [];
  client.onStatus((status) => {
    if (status.kind === 'reconnecting') attempts.push(status.attempt);
  });
  await until('three tries', () => attempts.length >= 3);
  client.close();
  t.deepEqual(attempts.slice(0, 3), [0, 1, 2]);
  t.deepEqual(client.status, { kind: 'closed', error: undefined });
});

test('what does not fit brings a new connection and a keyframe; again and again, the end', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world, backoff: quick });
  await until('self', () => client.self !== undefined);
  // A leave of nobody.
  server.sendRaw(Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 200, 0, 0, 0, 0, 0));
  await until('a second hello', () => server.hellos === 2);
  await until('self again', () => client.status.kind === 'online' && client.self !== undefined);
  const answer = setInterval(() => server.sendRaw(Uint8Array.of(99)), 1);
  try {
    const error = await t.throwsAsync(
      async () => {
        await until('closed', () => client.status.kind === 'closed');
        await client.whenOnline();
      },
      { instanceOf: ClientError },
    );
    t.is(error?.code, 'ERR_CLIENT_PROTOCOL');
  } finally {
    clearInterval(answer);
  }
});

test('a client of another version of the world is told to reload', async (t) => {
  await using server = await SmallServer.open(world);
  const other = { ...world, schema: { ...world.schema, hash: 1 } };
  using client = connect<Small>(server.url, { world: other });
  const error = await t.throwsAsync(client.whenOnline(), { instanceOf: ClientError });
  t.is(error?.code, 'ERR_CLIENT_SCHEMA');
});

test('JSON, and the WebSocket of ws, do the same', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, {
    world,
    format: 'json',
    WebSocket: NodeWebSocket as unknown as SocketConstructor,
  });
  await until('self', () => client.self !== undefined);
  client.input({ vx: 5 });
  await until('it moves', () => (client.self?.x ?? 0) > 0.2);
  t.is(client.self?.vx, 5);
});

test('an apply or a listener that throws is reported, and the client goes on', async (t) => {
  await using server = await SmallServer.open(world);
  const errors: unknown[] = [];
  const mistake = new Error('mistake');
  const fail = (): never => {
    throw mistake;
  };
  using client = connect<Small>(server.url, { world, predict: fail, onError: (error) => errors.push(error) });
  const off = client.onEnter(fail);
  let entered = 0;
  client.onEnter(() => entered++);
  await until('self', () => client.self !== undefined);
  t.deepEqual(errors, [mistake]);
  t.is(entered, 1);
  off();
  client.input({ vx: 5 });
  client.update();
  t.is(errors.length, 2);
  t.is((errors[1] as ClientError).code, 'ERR_CLIENT_PREDICT');
  await until('it moves all the same', () => (client.self?.x ?? 0) > 0.2);
  client.update();
  t.is(errors.length, 2);
});

test('without prediction the own entity is interpolated', async (t) => {
  await using server = await SmallServer.open(world);
  using client = connect<Small>(server.url, { world, predict: false });
  await until('self', () => client.self !== undefined);
  client.input({ vx: 50 });
  await until('drawn on its way', () => {
    client.update();
    const { x, renderX } = client.self!;
    return renderX > 1 && renderX < x;
  });
  t.pass();
});
