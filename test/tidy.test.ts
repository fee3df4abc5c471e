/** The rules of the tree that no linter knows. CONTRIBUTING.md has the reasons. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import test from 'ava';

const ROOT = path.join(import.meta.dirname, '..');
const SOURCE_FOLDERS = ['src', 'test', 'bench', 'scripts', 'examples', 'viewer'];
const IGNORED = new Set(['node_modules', 'dist', 'golden']);
const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

interface SourceFile {
  /** From the root, with slashes. */
  readonly name: string;
  readonly text: string;
  readonly lines: readonly string[];
}

const files: readonly SourceFile[] = SOURCE_FOLDERS.flatMap((folder) => listFiles(folder))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const text = readFileSync(path.join(ROOT, name), 'utf8');
    return { name, text, lines: text.split('\n') };
  });
const source = files.filter(({ name }) => name.startsWith('src/'));

function listFiles(folder: string): string[] {
  const absolute = path.join(ROOT, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { withFileTypes: true })
    .filter((entry) => !IGNORED.has(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? listFiles(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`]));
}

/** What a file imports, as written. */
function importsOf({ text }: SourceFile): string[] {
  return [...text.matchAll(/(?:^|\s)(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

/** The file that a relative import means, from the root. */
function resolveImport(file: SourceFile, specifier: string): string {
  return path.posix.normalize(path.posix.join(path.posix.dirname(file.name), specifier));
}

/** Each line of code (comments left out) that matches, as `file:line`. */
function matches(among: readonly SourceFile[], pattern: RegExp): string[] {
  return among.flatMap(({ name, lines }) =>
    lines.flatMap((line, index) =>
      pattern.test(line) && !/^\s*(?:\*|\/\/|\/\*)/.test(line) ? [`${name}:${index + 1}`] : [],
    ),
  );
}

const ALLOWED_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  base: ['base'],
  wire: ['base', 'wire'],
  memory: ['base', 'wire', 'memory'],
  workers: ['base', 'wire', 'memory', 'workers'],
  net: ['base', 'wire', 'memory', 'net'],
  peer: ['base', 'wire', 'memory', 'peer'],
  client: ['base', 'wire', 'client'],
  testing: ['base', 'wire', 'memory', 'workers', 'testing'],
  main: ['base', 'wire', 'memory', 'workers', 'net', 'peer', 'client', 'main', 'scripts', 'package.json'],
  viewer: ['base', 'wire', 'client', 'viewer'],
};

test('imports point one way', (t) => {
  const wrong: string[] = [];
  for (const file of files.filter(({ name }) => /^(?:src\/[^/]+|viewer)\//.test(name))) {
    const folder = file.name.startsWith('viewer/') ? 'viewer' : file.name.split('/')[1]!;
    for (const specifier of importsOf(file).filter((target) => target.startsWith('.'))) {
      const target = resolveImport(file, specifier);
      const targetFolder = target.startsWith('src/') ? target.split('/')[1]! : target.split('/')[0]!;
      if (!ALLOWED_FOLDERS[folder]?.includes(targetFolder)) wrong.push(`${file.name} imports ${target}`);
    }
  }
  t.deepEqual(wrong, []);
});

test('what runs in a browser reaches no Node module', (t) => {
  const byName = new Map(files.map((file) => [file.name, file]));
  const pending = files.filter(({ name }) => name.startsWith('src/client/') || name.startsWith('viewer/'));
  const seen = new Set(pending.map(({ name }) => name));
  const wrong: string[] = [];
  for (const file of pending) {
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('node:')) wrong.push(`${file.name} imports ${specifier}`);
      const target = byName.get(resolveImport(file, specifier));
      if (target === undefined || seen.has(target.name)) continue;
      seen.add(target.name);
      pending.push(target);
    }
  }
  t.deepEqual(wrong, []);
});

test('relative imports name their file, built-in modules carry node:', (t) => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) =>
        specifier.startsWith('.')
          ? !/\.(?:ts|css|json)$/.test(specifier)
          : builtinModules.includes(specifier) && !specifier.startsWith('node:'),
      )
      .map((specifier) => `${file.name} imports ${specifier}`),
  );
  t.deepEqual(wrong, []);
});

test('no default export in src', (t) => {
  // A world module is loaded by its default export, also the one that `worldmesh bench` runs.
  const own = source.filter(({ name }) => !name.endsWith('-world.ts'));
  t.deepEqual(matches(own, /^export default|export \{[^}]*\bas default\b/), []);
});

test('no enum, no namespace, no parameter property', (t) => {
  const handwritten = source.filter(({ name }) => !name.endsWith('.d.ts') && !name.endsWith('.assembly.ts'));
  t.deepEqual(matches(handwritten, /^\s*(?:export )?(?:const )?(?:enum|namespace) \w/), []);
  t.deepEqual(matches(handwritten, /constructor\((?:private|public|protected|readonly) /), []);
});

test('no mutable module state', (t) => {
  t.deepEqual(matches(source, /^(?:export )?(?:let|var) /), []);
});

test('Atomics only in src/memory', (t) => {
  const elsewhere = [...source, ...files.filter(({ name }) => name.startsWith('viewer/'))].filter(
    ({ name }) => !name.startsWith('src/memory/'),
  );
  t.deepEqual(matches(elsewhere, /\bAtomics\./), []);
});

test('environment and arguments are read in one place', (t) => {
  const elsewhere = source.filter(({ name }) => !name.startsWith('src/main/config/') && name !== 'src/main/cli.ts');
  t.deepEqual(matches(elsewhere, /\bprocess\.(?:env|argv)\b/), []);
});

test('nothing is left to do, and no test is left out', (t) => {
  // Spelled so that this file does not find itself.
  const marks = new RegExp(['TO_DO', 'FIX_ME', 'XX_X'].map((mark) => `\b${mark.replace('_', '')}\b`).join('|'));
  t.deepEqual(
    files.flatMap(({ name, lines }) => lines.flatMap((line, at) => (marks.test(line) ? [`${name}:${at + 1}`] : []))),
    [],
  );
  const tests = files.filter(({ name }) => name.startsWith('test/'));
  t.deepEqual(matches(tests, /\btest(?:\.serial)?\.(?:only|skip|todo|failing)\(/), []);
});

test('folders and files have names that say something', (t) => {
  const empty = /(?:^|\/)(?:utils?|helpers?|common|types|services?|misc|shared|lib)(?:\/|\.ts$)/;
  const odd = files.filter(({ name }) => empty.test(name) || !/^[a-z0-9./-]+$/.test(name)).map(({ name }) => name);
  t.deepEqual(odd, []);
});

test(`files have at most ${FILE_LINES_MAX} lines`, (t) => {
  const long = files.filter(({ lines }) => lines.length - 1 > FILE_LINES_MAX);
  t.deepEqual(
    long.map(({ name, lines }) => `${name} has ${lines.length - 1}`),
    [],
  );
});

test(`functions have at most ${FUNCTION_LINES_MAX} lines`, (t) => {
  // The kernel is one loop; AssemblyScript does not inline across functions with so many values in hand.
  const own = files.filter(({ name }) => !name.endsWith('.assembly.ts'));
  t.deepEqual(own.flatMap(longFunctions), []);
});

/** The formatter puts the closing brace under the first letter of the line that opens; so no parser is needed. */
function longFunctions({ name, lines }: SourceFile): string[] {
  const opens =
    /(?:\bfunction\b|=>|^\s*\)|^\s*(?:(?:async|static|get|set|override)\s+)*\*?[#\w]+(?:<[^()]*>)?\([^;]*\)).*\{$/;
  const statement = /^\s*(?:\} )?(?:if|for|while|switch|catch|else|do|try|return|throw|class|interface)\b/;
  return lines.flatMap((line, first) => {
    if (!opens.test(line) || statement.test(line)) return [];
    const indent = /^\s*/.exec(line)![0];
    const end = lines.findIndex((candidate, index) => index > first && candidate.startsWith(`${indent}}`));
    const sizeLines = end - first + 1;
    return end > 0 && sizeLines > FUNCTION_LINES_MAX ? [`${name}:${first + 1} has ${sizeLines}`] : [];
  });
}

const documentation = (): string =>
  [...listFiles('docs').filter((name) => name.endsWith('.md')), 'ARCHITECTURE.md']
    .filter((name) => existsSync(path.join(ROOT, name)))
    .map((name) => readFileSync(path.join(ROOT, name), 'utf8'))
    .join('\n');

test('every dependency has its reason in ARCHITECTURE.md', (t) => {
  const architecture = readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as Record<string, object>;
  const names = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((group) =>
    Object.keys(manifest[group] ?? {}),
  );
  t.deepEqual(
    names.filter((name) => !name.startsWith('@types/') && !architecture.includes(name)),
    [],
  );
});

test('every error code is documented', (t) => {
  const text = documentation();
  const codes = new Set(
    source.flatMap((file) => [...file.text.matchAll(/'(ERR_[A-Z0-9_]+)'/g)].map((match) => match[1]!)),
  );
  t.true(codes.size > 20);
  t.deepEqual(
    [...codes].filter((code) => !text.includes(code)),
    [],
  );
});

test('the lockfile records no download address', (t) => {
  t.false(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8').includes('"resolved"'));
});

test('no stray large file', (t) => {
  const SIZE_BYTES_MAX = 1_000_000;
  const large = SOURCE_FOLDERS.flatMap(listFiles).filter(
    (name) => statSync(path.join(ROOT, name)).size > SIZE_BYTES_MAX,
  );
  t.deepEqual(large, []);
});
