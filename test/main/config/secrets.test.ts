import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { checkJson, checkText } from '../../../src/main/cli/config-command.ts';
import { checkConfigs } from '../../../src/main/config/check/check.ts';
import {
  SETTING_NAMES,
  defaultSettings,
  environmentNameOf,
  flagOf,
  metaOf,
  schemaOf,
} from '../../../src/main/config/settings.ts';
import type { WorldModule } from '../../../src/main/world-module.ts';
import { shownSettings } from '../../../src/main/node-settings.ts';
import { settingsJsonSchema } from '../../../src/main/config/settings-schema.ts';
import { temporaryFolder, worldmesh } from '../command-line.ts';

const SECRETS = SETTING_NAMES.filter((name) => metaOf(name).secret === true);
const SESAME = 'sesame-open-sesame-open-sesame-open';
/** Of many shapes, so that some setting takes one of them, and none of them all. */
const VALUES: readonly unknown[] = [
  SESAME,
  SESAME.repeat(300),
  `https://user:${SESAME}@sink.example/hook`,
  `postgres://user:${SESAME}@127.0.0.1/world`,
  [SESAME],
  { [SESAME]: SESAME },
];

test('what sounds like a secret is one, or the name of a file', (t) => {
  t.true(SECRETS.includes('authSecret'));
  for (const name of SETTING_NAMES) {
    if (!/secret|password|credential/i.test(name)) continue;
    t.true(metaOf(name).secret === true || /file/i.test(metaOf(name).description), name);
  }
});

for (const name of SECRETS) {
  test(`${name}: config check never says it, whatever it is and wherever it stands`, async (t) => {
    const folder = temporaryFolder();
    for (const [index, value] of VALUES.entries()) {
      const file = path.join(folder, `${index}.json`);
      // Beside something that is wrong, so that there is something to say.
      writeFileSync(file, JSON.stringify({ [name]: value, [`${name}s`]: value, dataDir: file }));
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      for (const source of ['file', 'flag', 'environment'] as const) {
        const result = await checkConfigs({
          flags: new Map(source === 'flag' ? [[name, text]] : []),
          environment: source === 'environment' ? { [environmentNameOf(name)]: text } : {},
          file: undefined,
          files: source === 'file' ? [file] : [],
          nodes: 0,
          gateways: 0,
          defaultModule: 'nowhere.ts',
          folder,
          now: new Date(),
        });
        t.true(result.findings.length > 0);
        t.notRegex(checkText(result) + JSON.stringify(checkJson(result)), /sesame/);
      }
    }
  });
}

test('config print says of every secret only that there is one', async (t) => {
  const environment = Object.fromEntries(
    SECRETS.map((name) => [
      environmentNameOf(name),
      VALUES.find((value) => schemaOf(name).safeParse(value).success) as string,
    ]),
  );
  for (const flags of [[], ['--json'], ['--given']]) {
    const { code, stdout, stderr } = await worldmesh(['config', 'print', ...flags], { environment });
    t.is(code, 0, stderr);
    t.notRegex(stdout, /sesame/);
    for (const name of SECRETS) t.regex(stdout, new RegExp(`${name}\\W.*set \\(hidden\\)`));
  }
});

test('what a node shows of its settings has neither secrets nor passwords', (t) => {
  const settings = { ...defaultSettings(), page: `https://user:${SESAME}@host.example/` };
  for (const name of SECRETS) Object.assign(settings, { [name]: SESAME });
  const world = { url: '', schema: { name: 'w' }, size: 64, params: {}, systems: [], files: [], edge: 'stop' };
  const shown = shownSettings(settings, world as unknown as WorldModule);
  t.notRegex(JSON.stringify(shown), /sesame/);
  t.is(shown['page'], 'https://user:(hidden)@host.example/');
});

test('a mistyped flag with a secret is told without it', async (t) => {
  for (const name of SECRETS) {
    const { code, stderr } = await worldmesh(['config', 'print', `${flagOf(name)}x=${SESAME}`]);
    t.is(code, 2);
    t.notRegex(stderr, /sesame/);
  }
});

test('the JSON schema describes every setting, and has no secret for a default', (t) => {
  const { properties } = settingsJsonSchema() as {
    properties: Record<string, { description?: string; default?: unknown }>;
  };
  for (const name of SETTING_NAMES) t.regex(properties[name]?.description ?? '', /\(.+\)$/, name);
  for (const name of SECRETS) t.false(Object.hasOwn(properties[name] ?? {}, 'default'));
  t.is(properties['tickHz']?.default, 20);
});
