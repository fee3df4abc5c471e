/** The rules of deploy/ in a real Prometheus, which scrapes a real gateway. Needs Debian's package prometheus; the whole run is in test/long. */
import test from 'ava';
import { checkRules, Prometheus } from '../../scripts/observe/prometheus.ts';
import { startRig, TestClient, until } from '../net/fixture.ts';

test('promtool is content with configuration, rules and their tests', async (t) => {
  const lines = await checkRules();
  t.is(lines.length, 3);
  for (const line of lines) t.log(line);
});

test('Prometheus scrapes a gateway, works out every rule, and an alert fires and ends with its cause', async (t) => {
  const rig = await startRig({ cluster: { node: 'a' } }, { cluster: { peerRingBytes: 65_536 } });
  t.teardown(() => rig.dispose());
  const { peerStats } = rig.store;
  peerStats.setGauge('leaseValid', 1);
  const { client } = await TestClient.join(rig.url);
  await using prometheus = await Prometheus.start([`127.0.0.1:${rig.port}`]);
  await until(async () => (await prometheus.targets()).some(({ health }) => health === 'up'), 'the target is up');
  await until(async () => {
    const rules = await prometheus.rules();
    return rules.length > 0 && rules.every(({ health }) => health !== 'unknown');
  }, 'every rule is worked out');
  const rules = await prometheus.rules();
  t.deepEqual(
    rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`),
    [],
  );
  t.true(rules.length >= 40);
  t.is(await prometheus.value('worldmesh_gateway_connections'), 1);
  t.deepEqual(await prometheus.firing(), []);

  peerStats.setGauge('oldestInDoubtSeconds', 7);
  await until(async () => (await prometheus.firing()).length > 0, 'the alert fires');
  const [alert, ...others] = await prometheus.firing();
  t.like(alert, { name: 'WorldmeshHandoversStuck', runbook: 'docs/RUNBOOKS.md#worldmeshhandoversstuck' });
  t.deepEqual(others, []);
  peerStats.setGauge('oldestInDoubtSeconds', 0);
  await until(async () => (await prometheus.firing()).length === 0, 'and ends');
  client.webSocket.terminate();
});
