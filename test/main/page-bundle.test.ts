import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import type { NodeError } from '../../src/main/node-error.ts';
import { bundlePage } from '../../src/main/page-bundle.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');

async function folderWith(files: Record<string, string>): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'worldmesh-page-'));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test('the example: one script with SDK and world, one style sheet, and a page that names them', async (t) => {
  await using made = await folderWith({ 'page-old.js': 'an earlier one' });
  const { directory, sources } = await bundlePage(path.join(ROOT, 'examples/game/index.html'), {
    directory: made.folder,
  });
  const names = (await readdir(directory)).sort();
  t.is(names.length, 3, names.join(', '));
  const page = await readFile(path.join(directory, 'index.html'), 'utf8');
  for (const name of names.filter((candidate) => candidate !== 'index.html')) t.true(page.includes(`"${name}"`), name);
  t.false(/client\.ts|style\.css/.test(page));
  for (const file of ['index.html', 'client.ts', 'style.css', 'world.ts']) {
    t.true(sources.includes(path.join(ROOT, 'examples/game', file)), file);
  }
});

test('what is imported as a file comes along; other sites and paths of the server are left alone', async (t) => {
  await using made = await folderWith({
    'page.html':
      '<script src="https://example.org/x.js"></script><script type="module" src="/y.js"></script>' +
      '<link href="a.css" rel="stylesheet"><link rel="icon" href="icon.png"><script type="module" src="./a.js"></script>',
    'a.css': 'body { background: url(./dot.png) }',
    'a.js': 'import dot from "./dot.png"; document.title = dot;',
    'dot.png': 'not really',
  });
  const { directory } = await bundlePage(path.join(made.folder, 'page.html'), {
    directory: path.join(made.folder, 'out'),
  });
  const page = await readFile(path.join(directory, 'index.html'), 'utf8');
  t.regex(
    page,
    /^<script src="https:\/\/example\.org\/x\.js"><\/script><script type="module" src="\/y\.js"><\/script><link href="page-\w+\.css" rel="stylesheet"><link rel="icon" href="icon\.png"><script type="module" src="page-\w+\.js"><\/script>$/,
  );
  const image = (await readdir(directory)).find((name) => name.endsWith('.png'));
  const script = (await readdir(directory)).find((name) => name.endsWith('.js'));
  t.true((await readFile(path.join(directory, script!), 'utf8')).includes(image!));
});

test('what is wrong is named, with file and line', async (t) => {
  await using made = await folderWith({
    'broken.html': '<script type="module" src="broken.ts"></script>',
    'broken.ts': 'const one = 1;\nconst two = ;\n',
    'missing.html': '<script type="module" src="nowhere.ts"></script>',
    'large.html': ' '.repeat(1024 * 1024 + 1),
  });
  const refusal = async (page: string): Promise<string> => {
    const directory = path.join(made.folder, 'out');
    const error = await t.throwsAsync<NodeError>(bundlePage(path.join(made.folder, page), { directory }));
    t.is(error?.code, 'ERR_NODE_PAGE');
    return error?.message ?? '';
  };
  t.regex(await refusal('broken.html'), /cannot be bundled: broken\.ts:2: Unexpected ";"/);
  t.regex(await refusal('missing.html'), /cannot be bundled: .*nowhere\.ts/);
  t.regex(await refusal('none.html'), /the page .*none\.html cannot be read: ENOENT/);
  t.regex(await refusal('large.html'), /it has 1048577 bytes, and may have 1048576/);
  t.false((await readdir(made.folder)).includes('out'));
});
