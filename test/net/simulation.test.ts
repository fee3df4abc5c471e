/** The gateway and the real simulation, by a real client. */
import test from 'ava';
import { Store } from '../../src/memory/store.ts';
import { Simulation } from '../../src/main/simulation.ts';
import { GatewayThread } from '../../src/net/gateway-thread.ts';
import { GATEWAY_DEFAULTS } from '../../src/net/settings.ts';
import type { Snapshot } from '../../src/wire/messages.ts';
import { STORE_OPTIONS, TestClient, until } from './fixture.ts';

async function startNode(entitiesMax: number) {
  const store = Store.create({ ...STORE_OPTIONS, entitiesMax }, { incarnation: 1 });
  const simulation = await Simulation.start(
    {
      store,
      moduleUrl: new URL('harbour-world.ts', import.meta.url).href,
      phases: {
        seed: 1,
        tickHz: 20,
        params: {},
        kernel: 'typescript',
        aoiRadius: 128,
        aoiHysteresis: 4,
        viewEntitiesMax: 255,
        backlogBytesSkip: 65_536,
        snapshotBytesPerSecond: 16_384,
        pauseOnFailure: false,
      },
      snapshotHz: 10,
      catchUpTicksMax: 5,
      record: false,
      onEvent: () => {},
    },
    { populate: true },
  );
  simulation.run();
  const settings = { ...GATEWAY_DEFAULTS, port: 0, resumeGraceMs: 200 };
  const gateway = await GatewayThread.start({ store: store.handle, settings, shownSettings: {} });
  return {
    gateway,
    store,
    url: `ws://127.0.0.1:${gateway.port}/connect`,
    async dispose() {
      await gateway.stop({ drainMs: 0 });
      await simulation.stop();
    },
  };
}

function snapshots(client: TestClient): Snapshot[] {
  return client.messages.filter((message) => message.type === 'snapshot');
}

test('players join, see each other, walk, resume and leave', async (t) => {
  const node = await startNode(64);
  t.teardown(() => node.dispose());
  const { client: ada, welcome } = await TestClient.join(node.url, { name: 'Ada' });
  const { client: grace } = await TestClient.join(node.url, { name: 'Grace' }, { json: true });
  const names = (client: TestClient) =>
    snapshots(client).flatMap(({ enters }) => enters.map(({ components }) => components.get(0)?.['name']));
  await until(() => names(ada).includes('Grace') && names(grace).includes('Ada'), 'they see each other');
  t.true(snapshots(ada)[0]?.keyframe);

  ada.send({ type: 'input', sequence: 5, back: 0, input: { moveX: 1, gear: 0, say: '' } });
  const walked = () => snapshots(ada).at(-1);
  await until(() => walked()?.inputSequence === 5 && (walked()?.self?.x ?? 0) > 0.5, 'Ada walks');
  t.is(walked()?.self?.vx, 5);

  ada.webSocket.terminate();
  const { client: again, welcome: resumed } = await TestClient.join(node.url, { resumeToken: welcome.resumeToken });
  t.true(resumed.resumed);
  await until(() => snapshots(again).length > 0, 'Ada is sent a keyframe');
  const first = snapshots(again)[0]!;
  t.true(first.keyframe);
  t.is(first.inputSequence, 5);
  t.true(first.self!.x > 0.5);

  again.send({ type: 'bye' });
  await until(() => snapshots(grace).some(({ leaves }) => leaves.length > 0), 'Grace sees Ada leave');
  grace.webSocket.terminate();
  await until(() => node.store.entityCount === 0, 'after her grace, Grace is gone');
  t.is((await node.gateway.report()).sessions, 0);
});

test('a world without room refuses, and has room again when somebody leaves', async (t) => {
  const node = await startNode(2);
  t.teardown(() => node.dispose());
  const { client } = await TestClient.join(node.url);
  await TestClient.join(node.url);
  await until(() => node.store.entityCount === 2, 'both are in the world');
  const { client: third } = await TestClient.join(node.url);
  t.deepEqual(await third.end(), { error: 'ERR_LIMIT_SESSIONS', code: 1013 });
  client.send({ type: 'bye' });
  await until(() => node.store.entityCount === 1, 'one has left');
  const { client: fourth } = await TestClient.join(node.url);
  await until(() => snapshots(fourth).some(({ self }) => self !== undefined), 'the fourth is in the world');
  t.pass();
});
