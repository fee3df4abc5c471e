import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { TICK_FIELDS } from '../../src/memory/stats.ts';
import { rawSocket, schema, startRig, TestClient, until } from './fixture.ts';
import type { Rig } from './fixture.ts';

test('health, readiness, schema and the answers to what is not there', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const get = (path: string, init: RequestInit = {}) => fetch(rig.http + path, init);
  t.is((await get('/healthz')).status, 200);
  t.is((await get('/readyz')).status, 200);
  rig.store.control.setReady(false);
  const starting = await get('/readyz');
  t.is(starting.status, 503);
  t.is(await starting.text(), 'starting\n');
  t.deepEqual(await (await get('/schema')).json(), JSON.parse(JSON.stringify(schema)));
  t.is((await get('/nowhere')).status, 404);
  t.is(await (await get('/')).text(), 'the viewer is not built\n');
  t.is((await get('/connect')).status, 426);
  const post = await get('/healthz', { method: 'POST', body: 'x' });
  t.is(post.status, 405);
  t.is(post.headers.get('allow'), 'GET, HEAD');
  const head = await get('/healthz?x=1', { method: 'HEAD' });
  t.is(head.status, 200);
  t.is(await head.text(), '');
});

test('a gateway that says goodbye is not ready', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  client.webSocket.pause();
  // A connection that was there before the stop: it takes no new ones.
  // With the answer to the first request the beginning of the second has arrived, too.
  const { socket, answer } = rawSocket(rig.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /rea');
  await until(() => answer().includes('ok\n'), 'the first answer');
  const stopping = rig.gateway.stop({ drainMs: 2000 });
  await until(async () => {
    const refused = await fetch(`${rig.http}/healthz`).then(
      () => false,
      () => true,
    );
    return refused;
  }, 'the port is closed');
  socket.write('dyz HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => answer().includes('draining'), 'the second answer');
  t.true(answer().includes('HTTP/1.1 503 '));
  client.webSocket.terminate();
  await stopping;
});

test('metrics are Prometheus text with the documented names', async (t) => {
  const rig = await startRig();
  t.teardown(() => rig.dispose());
  const { client } = await TestClient.join(rig.url);
  client.send({ type: 'ping', nonce: 1 });
  await client.next('pong');
  const { stats, control } = rig.store;
  stats.add(0, 'ticksLate', 2);
  stats.add(1, 'ticksLate', 3);
  stats.setGauge('entities', 42);
  stats.setGauge('startedAtMs', 1_700_000_000_500);
  for (let tick = 1; tick <= 5; tick++) {
    stats.recordTick(
      tick,
      Float64Array.from(TICK_FIELDS, (_, index) => (index === 0 ? 1e12 : index)),
    );
    control.setTick(tick);
  }
  const response = await fetch(`${rig.http}/metrics`);
  t.is(response.status, 200);
  t.true(response.headers.get('content-type')?.startsWith('text/plain'));
  const values = parse(await response.text());
  t.is(values.get('worldmesh_ticks_late_total'), 5);
  t.is(values.get('worldmesh_entities'), 42);
  t.is(values.get('worldmesh_started_at_seconds'), 1_700_000_000.5);
  t.is(values.get('worldmesh_tick'), 5);
  t.is(values.get('worldmesh_ready'), 1);
  t.is(values.get('worldmesh_tick_duration_seconds_count'), 5);
  t.is(values.get('worldmesh_tick_duration_seconds_sum'), 0.01);
  t.is(values.get('worldmesh_phase_duration_seconds_count{phase="simulate"}'), 5);
  t.is(values.get('worldmesh_gateway_connections'), 1);
  t.is(values.get('worldmesh_gateway_messages_received_total'), 2);
  t.true(values.get('process_resident_memory_bytes')! > 1e6);
  // Counters do not count twice when asked twice.
  client.webSocket.send('no');
  await client.end();
  await until(async () => (await rig.gateway.report()).connections === 0, 'the connection is gone');
  const again = parse(await (await fetch(`${rig.http}/metrics`)).text());
  t.is(again.get('worldmesh_ticks_late_total'), 5);
  t.is(again.get('worldmesh_tick_duration_seconds_count'), 5);
  t.is(again.get('worldmesh_gateway_errors_total{code="ERR_PROTOCOL_MALFORMED"}'), 1);
  t.is(again.get('worldmesh_gateway_closes_total{code="4000"}'), 1);
});

test('docs/METRICS.md lists the metrics that there are, with their types', async (t) => {
  const served = async (rig: Rig): Promise<string[]> => {
    t.teardown(() => rig.dispose());
    const text = await (await fetch(`${rig.http}/metrics`)).text();
    return [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`).sort();
  };
  const document = await readFile(new URL('../../docs/METRICS.md', import.meta.url), 'utf8');
  const documented = (text: string): string[] =>
    [...text.matchAll(/^\| `(\S+)` \| (\S+) \|/gm)].map(([, name, type]) => `${name} ${type}`).sort();
  t.deepEqual(documented(document), await served(await startRig({ cluster: { node: 'a' } })));
  t.deepEqual(documented(document.replace(/## The cluster[^]*?(?=\n## )/, '')), await served(await startRig()));
});

function parse(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ') || line.startsWith('# TYPE ')) continue;
    const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^}]*\})?) (\S+)$/.exec(line);
    if (match === null) throw new Error(`not Prometheus text: ${line}`);
    values.set(match[1]!, Number(match[2]));
  }
  return values;
}

test('the viewer is served from its folder, and nothing else is', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'worldmesh-'));
  t.teardown(() => rm(parent, { recursive: true }));
  const directory = join(parent, 'dist');
  await mkdir(join(directory, 'assets'), { recursive: true });
  await writeFile(join(parent, 'secret.txt'), 'secret');
  await writeFile(join(directory, '.hidden'), 'secret');
  await symlink(join(parent, 'secret.txt'), join(directory, 'link.txt'));
  await writeFile(join(directory, 'index.html'), '<!doctype html>');
  await writeFile(join(directory, 'assets', 'main.js'), 'export {}');
  const rig = await startRig({ viewerDirectory: directory });
  t.teardown(() => rig.dispose());

  const page = await fetch(`${rig.http}/`);
  t.is(page.headers.get('content-type'), 'text/html; charset=utf-8');
  t.is(page.headers.get('x-content-type-options'), 'nosniff');
  t.is(await page.text(), '<!doctype html>');
  const script = await fetch(`${rig.http}/assets/main.js?v=1`);
  t.is(script.headers.get('content-type'), 'text/javascript; charset=utf-8');
  const etag = script.headers.get('etag')!;
  const cached = await fetch(`${rig.http}/assets/main.js`, { headers: { 'if-none-match': etag } });
  t.is(cached.status, 304);
  const head = await fetch(`${rig.http}/`, { method: 'HEAD' });
  t.is(head.headers.get('content-length'), '15');

  const paths = [
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/assets/../../secret.txt',
    '/assets/..%5c..%5csecret.txt',
    '//etc/passwd',
    '/.hidden',
    '/link.txt',
    '/assets',
    '/assets/',
    '/index.html%00.js',
    '/%zz',
    `/${'a'.repeat(600)}`,
  ];
  for (const path of paths) {
    const { answer, isClosed } = rawSocket(
      rig.gateway.port,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    await until(() => isClosed(), path);
    t.true(answer().startsWith('HTTP/1.1 404 '), path);
    t.false(answer().includes('secret'), path);
  }
});
