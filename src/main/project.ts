/**
 * A new game, as `worldmesh new` writes it: the files of `templates/game` with its name in them, and how it is started, which depends on
 * how this program came here.
 *
 *   clone     package.json with a dependency on the clone's folder
 *   package   package.json with a dependency on this version
 *   binary    start.sh and test.sh, which call the binary; the types beside them, since there is no package to hold them
 */
import { chmodSync, cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { WorldmeshError } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { within } from './installation.ts';

export type Origin = 'clone' | 'package' | 'binary';

export interface ProjectOptions {
  /** Absolute; made if it is not there. */
  readonly folder: string;
  readonly name: string;
  readonly origin: Origin;
  /** What package.json says of worldmesh; not used with the binary. */
  readonly dependency: string;
  /** Where the binary lies. */
  readonly binary: string;
}

const TEMPLATE = 'templates/game';
/** npm leaves files of their real name out of a package. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: '.gitignore' };
const WORLD_NAME_LENGTH_MAX = 32;
const START = 'dev world.ts --page page/index.html';
const DEVELOPMENT = { '@types/node': '^24.0.0', typescript: '^7.0.0' };

export class ProjectError extends WorldmeshError {
  override readonly name = 'ProjectError';
  readonly code: 'ERR_PROJECT_NOT_EMPTY' | 'ERR_PROJECT_FILES';

  constructor(code: ProjectError['code'], message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** Returns the names of the files, from the project's folder. @throws ProjectError */
export function writeProject(options: ProjectOptions): string[] {
  const { folder } = options;
  try {
    makeFolder(folder);
    const isEmpty = readdirSync(folder).length === 0;
    if (isEmpty) return writeFiles(options);
  } catch (cause) {
    if (typeof (cause as NodeJS.ErrnoException).code !== 'string') throw cause;
    const what = `the game cannot be written to ${folder} (${(cause as NodeJS.ErrnoException).code})`;
    throw new ProjectError('ERR_PROJECT_FILES', `${what}; name a folder that this user may write`, { cause });
  }
  throw new ProjectError('ERR_PROJECT_NOT_EMPTY', `${folder} is not empty; name a new folder`);
}

function writeFiles(options: ProjectOptions): string[] {
  const { folder, origin } = options;
  const template = within(TEMPLATE);
  const names = readdirSync(template, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(template, path.join(entry.parentPath, entry.name)));
  const files = new Map(names.map((name) => [RENAMED[name] ?? name, readFileSync(path.join(template, name), 'utf8')]));
  files.set('package.json', packageJson(options));
  if (origin === 'binary') addScripts(files, options);
  for (const [name, text] of files) {
    const file = path.join(folder, name);
    makeFolder(path.dirname(file));
    writeFileSync(file, filledIn(text, options));
    if (name.endsWith('.sh')) chmodSync(file, 0o755);
  }
  if (origin === 'binary') {
    cpSync(within('templates/binary/types'), path.join(folder, 'types'), { recursive: true });
    cpSync(within('dist/types'), path.join(folder, 'types', 'worldmesh'), { recursive: true });
  }
  return [...files.keys()].sort();
}

function filledIn(text: string, { name, origin }: ProjectOptions): string {
  return text
    .replaceAll('{{NAME}}', name)
    .replaceAll('{{WORLD}}', worldName(name))
    .replaceAll('{{COMMANDS}}', origin === 'binary' ? BINARY_COMMANDS : PACKAGE_COMMANDS);
}

/** A world's name has letters and digits only. */
function worldName(name: string): string {
  return name.replaceAll(/[^a-z0-9]/g, '').slice(0, WORLD_NAME_LENGTH_MAX);
}

function packageJson({ name, origin, dependency }: ProjectOptions): string {
  const common = { name, version: '0.1.0', private: true, type: 'module' };
  const scripts = {
    start: `worldmesh ${START}`,
    test: 'worldmesh test',
    check: 'tsc',
    serve: 'worldmesh serve world.ts --page page/index.html',
  };
  const packages = { dependencies: { worldmesh: dependency }, devDependencies: DEVELOPMENT };
  return `${JSON.stringify(origin === 'binary' ? common : { ...common, scripts, ...packages }, null, 2)}\n`;
}

function addScripts(files: Map<string, string>, { binary }: ProjectOptions): void {
  const quoted = `'${binary.replaceAll("'", String.raw`'\''`)}'`;
  const script = (what: string): string => `#!/bin/sh
# Another binary: WORLDMESH=/path/to/worldmesh $0
cd "$(dirname "$0")" || exit 1
binary=${quoted}
exec "\${WORLDMESH:-$binary}" ${what} "$@"
`;
  files.set('start.sh', script(START));
  files.set('test.sh', script('test'));
  const configuration = JSON.parse(files.get('tsconfig.json')!) as { compilerOptions: object; include: string[] };
  const paths = {
    worldmesh: ['./types/worldmesh/index.d.ts'],
    'worldmesh/client': ['./types/worldmesh/client/index.d.ts'],
    'worldmesh/testing': ['./types/worldmesh/testing/index.d.ts'],
  };
  const { compilerOptions, include } = configuration;
  const changed = { compilerOptions: { ...compilerOptions, types: [], paths }, include: [...include, 'types/*.d.ts'] };
  files.set('tsconfig.json', `${JSON.stringify(changed, null, 2)}\n`);
}

const PACKAGE_COMMANDS = `| command | what it does |
|---|---|
| \`npm start\` | runs the world and its page, and goes on with every change |
| \`npm test\` | the tests of the world |
| \`npm run check\` | types of world, page and tests |
| \`npm run serve\` | the same as a server for others: \`npm run serve -- --host 0.0.0.0 --port 7777\` |
| \`npx worldmesh cluster world.ts --page page/index.html\` | several processes, one world |`;

const BINARY_COMMANDS = `| command | what it does |
|---|---|
| \`./start.sh\` | runs the world and its page, and goes on with every change |
| \`./test.sh\` | the tests of the world |
| \`worldmesh serve world.ts --page page/index.html\` | the same as a server for others, with \`--host 0.0.0.0 --port 7777\` |
| \`worldmesh cluster world.ts --page page/index.html\` | several processes, one world |

Neither Node nor npm is needed. Editors find the types in \`types/\`.`;
