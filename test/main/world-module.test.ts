import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { ModuleError } from '../../src/base/errors.ts';
import { loadWorldModule, moduleUrl } from '../../src/main/world-module.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-module-'));
writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
const API = new URL('../../src/index.ts', import.meta.url).href;
let files = 0;

function file(content: string, name = `world-${files++}.ts`): string {
  const filePath = path.join(folder, name);
  writeFileSync(filePath, content.replaceAll("'worldmesh'", JSON.stringify(API)));
  return filePath;
}

const WORLD = `import { defineWorld, u8 } from 'worldmesh';
import { SIZE } from './size.ts';
export default defineWorld({
  name: 'small', version: 3, size: SIZE, params: { bots: 4 },
  components: { look: { colour: u8() } },
  kinds: { player: { components: ['look'] } },
  systems: { nothing: { run() {} } },
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});
`;

async function refusalOf(content: string): Promise<ModuleError> {
  const url = pathToFileURL(file(content)).href;
  try {
    await loadWorldModule(url);
  } catch (error) {
    if (error instanceof ModuleError) return error;
    throw error;
  }
  throw new Error('the module was accepted');
}

test('a module is described, with the files it is made of', async (t) => {
  const size = file('export const SIZE = 512;', 'size.ts');
  const main = file(WORLD);
  const world = await loadWorldModule(moduleUrl(path.basename(main), { folder }));
  t.is(world.schema.name, 'small');
  t.is(world.size, 512);
  t.is(world.edge, 'bounce');
  t.deepEqual(world.params, { bots: 4 });
  t.deepEqual(world.systems, ['nothing']);
  t.deepEqual([...world.files].sort(), [size, main].sort());
});

test('a change of an imported file is seen by the next load', async (t) => {
  file('export const SIZE = 64;', 'width.ts');
  const url = pathToFileURL(file(WORLD.replace('./size.ts', './width.ts'))).href;
  t.is((await loadWorldModule(url)).size, 64);
  file('export const SIZE = 128;', 'width.ts');
  t.is((await loadWorldModule(url)).size, 128);
});

test('a file that is not there is named', (t) => {
  const error = t.throws(() => moduleUrl('nowhere.ts', { folder }), { instanceOf: ModuleError });
  t.is(error.code, 'ERR_MODULE_LOAD');
  t.regex(error.message, /nowhere\.ts: there is no such file/);
  t.throws(() => moduleUrl('file://host/%00', { folder }), { instanceOf: ModuleError });
});

test('syntax errors say file and line', async (t) => {
  const typescript = await refusalOf('const a: number = 1;\nconst b = {;\nexport default a;\n');
  t.regex(typescript.field, /world-\d+\.ts:2$/);
  t.regex(typescript.message, /const b = \{;/);
  const unsupported = await refusalOf('enum Colour { red }\nexport default Colour;\n');
  t.regex(unsupported.field, /world-\d+\.ts:1$/);
  t.regex(unsupported.message, /enum is not supported/);
});

test('an error while loading says where it was thrown', async (t) => {
  const error = await refusalOf('const a = {} as any;\n\na.b.c = 1;\nexport default a;\n');
  t.is(error.code, 'ERR_MODULE_LOAD');
  t.regex(error.field, /world-\d+\.ts:3$/);
  t.regex(error.message, /TypeError: Cannot set properties of undefined/);
});

test('missing imports, missing worlds and process.exit are told apart', async (t) => {
  t.regex((await refusalOf("import './missing.ts';\n")).message, /Cannot find module .*missing\.ts/);
  t.regex((await refusalOf('export default 7;\n')).message, /export default defineWorld/);
  t.regex((await refusalOf('export const world = 7;\n')).message, /export default defineWorld/);
  t.regex((await refusalOf('process.exit(3);\n')).message, /process\.exit/);
  t.regex((await refusalOf("throw 'a string';\n")).message, /threw a string/);
});

test('a mistake in the declaration names its field', async (t) => {
  const error = await refusalOf(
    WORLD.replace("'./size.ts'", "'./size.ts'").replace('size: SIZE', 'size: 1e9 + SIZE * 0'),
  );
  t.is(error.code, 'ERR_MODULE_VALUE');
  t.is(error.field, 'size');
  t.notRegex(error.message, /size: size:/);
});
