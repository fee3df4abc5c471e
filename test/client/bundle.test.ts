/** The SDK as it is published: built into a folder of its own, weighed, typed, and played with. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { WebSocket } from 'ws';
import tag from '../../examples/tag.ts';
import { buildClient, buildTypes } from '../../scripts/build-client.ts';
import type * as sdk from '../../src/client/index.ts';
import { openNode, until } from './real-server.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const GZIPPED_BYTES_MAX = 20_000;
const run = promisify(execFile);

const WORLD = `import { component, defineWorld, f32, text, u16 } from 'worldmesh';
export default defineWorld({
  name: 'typed', version: 1, size: 64,
  components: {
    look: { name: text(8) },
    bag: component({ coins: u16() }, { visible: 'owner' }),
    plan: component({ step: u16() }, { visible: 'none' }),
  },
  kinds: { player: { components: ['look', 'bag', 'plan'] } },
  input: { fields: { vx: f32({ min: -1, max: 1 }) }, apply(self, input) { self.vx = input.vx; } },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});
`;
const PROGRAM = `import { connect } from 'worldmesh/client';
import type { EntityOf } from 'worldmesh/client';
import world from './world.ts';
const client = connect<typeof world>(['ws://a', 'ws://b'], { world, mode: 'direct' });
client.input({ vx: 1 });
// @ts-expect-error there is no such input
client.input({ vy: 1 });
type Names = keyof EntityOf<typeof world>['components'];
export const seen: [Names] extends ['look' | 'bag'] ? (['look' | 'bag'] extends [Names] ? true : false) : false = true;
`;

const directory = mkdtempSync(path.join(tmpdir(), 'worldmesh-client-'));
test.after.always(() => rmSync(directory, { recursive: true }));
const bundle = buildClient(directory);

test('it is small, and nothing of Node or of the JSON format is in it', async (t) => {
  const bytes = readFileSync(await bundle);
  const gzippedBytes = gzipSync(bytes, { level: 9 }).length;
  t.log(`${bytes.length} bytes, ${gzippedBytes} gzipped`);
  t.true(gzippedBytes < GZIPPED_BYTES_MAX, `${gzippedBytes} bytes`);
  const text = bytes.toString('utf8');
  const imports = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1]);
  t.deepEqual(imports, ['./worldmesh-client-json.js']);
  t.false(/\bprocess\.|\brequire\(|\bBuffer\b/.test(text));
});

for (const format of ['binary', 'json'] as const) {
  test(`it plays against a real server, ${format}`, async (t) => {
    await using server = await openNode(tag);
    const { connect } = (await import(pathToFileURL(await bundle).href)) as typeof sdk;
    using client = connect<typeof tag>(server.url, {
      world: tag,
      name: 'Ada',
      format,
      WebSocket: WebSocket as unknown as sdk.SocketConstructor,
    });
    await until('self', () => client.self !== undefined);
    t.is(client.self?.components.look.name, 'Ada');
    t.true(client.input({ moveX: 1, moveZ: 0 }));
    await until('the input was applied', () => client.self?.vx === 6 && client.statistics.inputsUnacknowledged === 0);
  });
}

test('installed, a client is typed by its world module', async (t) => {
  const user = path.join(directory, 'user');
  const installed = path.join(user, 'node_modules', 'worldmesh');
  mkdirSync(installed, { recursive: true });
  buildTypes(path.join(installed, 'dist', 'types'));
  cpSync(path.join(ROOT, 'package.json'), path.join(installed, 'package.json'));
  const target = { module: 'nodenext', target: 'es2022', lib: ['esnext', 'dom'], noEmit: true };
  const options = { ...target, strict: true, allowImportingTsExtensions: true };
  writeFileSync(path.join(user, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['program.ts'] }));
  writeFileSync(path.join(user, 'world.ts'), WORLD);
  writeFileSync(path.join(user, 'program.ts'), PROGRAM);
  const compiler = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = await run(process.execPath, [compiler, '-p', user]).catch((failed: { stdout: string }) => failed);
  t.is(stdout, '');
});
