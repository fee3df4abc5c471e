/** Each sink against the real thing: files, and an HTTP server that misbehaves. PostgreSQL: test/system. */
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { SinkServer } from '../../../scripts/outbox/sink-server.ts';
import { FileSink } from '../../../src/main/outbox/file-sink.ts';
import type { Publication } from '../../../src/main/outbox/sink.ts';
import { SinkError } from '../../../src/main/outbox/sink.ts';
import { WebhookSink } from '../../../src/main/outbox/webhook-sink.ts';
import { publication } from './publication.ts';

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-sink-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as Publication).id);
}

test('file: lines are appended, a torn last line is cut off, a full file is named by its time', async (t) => {
  const folder = path.join(folderOf(t), 'outbox');
  const file = path.join(folder, 'a.ndjson');
  {
    await using sink = new FileSink({ folder, node: 'a', fileBytesMax: 1000 });
    await sink.deliver([publication(1, 1), publication(2, 1)]);
    await sink.deliver([publication(1, 2)]);
  }
  t.deepEqual(linesOf(file), ['1:1', '2:1', '1:2']);
  appendFileSync(file, '{"id":"1:3","ent');
  await using again = new FileSink({ folder, node: 'a', fileBytesMax: 1000 });
  await again.deliver([publication(1, 3)]);
  t.deepEqual(linesOf(file), ['1:1', '2:1', '1:2', '1:3']);
  for (let number = 4; number < 12; number++) await again.deliver([publication(1, number)]);
  const files = readdirSync(folder).toSorted();
  t.true(files.length > 1, 'it was rotated');
  t.true(files.every((name) => statSync(path.join(folder, name)).size <= 1000));
  const ids = files.flatMap((name) => linesOf(path.join(folder, name)));
  t.deepEqual(ids.toSorted(), ['1:1', '1:10', '1:11', '1:2', '1:3', '1:4', '1:5', '1:6', '1:7', '1:8', '1:9', '2:1']);
});

test('file: a folder that cannot be made is a sink that is down', async (t) => {
  const file = path.join(folderOf(t), 'taken');
  appendFileSync(file, 'not a folder');
  await using sink = new FileSink({ folder: file, node: 'a', fileBytesMax: 1000 });
  const error = await t.throwsAsync(sink.deliver([publication(1, 1)]));
  t.false(error instanceof SinkError);
});

test('webhook: what it takes, refuses, and how it is down', async (t) => {
  await using server = await SinkServer.open();
  await using sink = new WebhookSink({ url: server.url, token: 'secret', timeoutMs: 20_000 });
  await using hasty = new WebhookSink({ url: server.url, token: '', timeoutMs: 200 });
  await sink.deliver([publication(1, 1), publication(1, 2)]);
  t.deepEqual([...server.taken.get(1)!.keys()], [1, 2]);
  t.is(server.headers[0]!.authorization, 'Bearer secret');
  server.refuses = ({ number }) => number === 3;
  await server.setMood('choosy');
  const refused = await t.throwsAsync(sink.deliver([publication(1, 3)]), { instanceOf: SinkError });
  t.is(refused.code, 'ERR_SINK_REFUSED');
  t.regex(refused.message, /422 no such thing/);
  for (const mood of ['unavailable', 'hangs', 'forgetful', 'closed'] as const) {
    await server.setMood(mood);
    const asked = mood === 'hangs' ? hasty : sink;
    const error = await t.throwsAsync(asked.deliver([publication(2, 1)]), undefined, mood);
    t.true(error instanceof SinkError && error.code === 'ERR_SINK_DOWN', mood);
  }
  await server.setMood('up');
  await sink.deliver([publication(2, 1)]);
  t.is(server.repeats, 1, 'the forgetful one had taken it');
  t.deepEqual(server.violations, []);
});
