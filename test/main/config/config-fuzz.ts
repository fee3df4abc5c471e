/** Random configurations: whatever is given, the answer is valid settings or a ConfigError, and never a secret. */
import { ConfigError } from '../../../src/main/config/config-error.ts';
import { environmentValues } from '../../../src/main/config/read.ts';
import { resolveConfig } from '../../../src/main/config/resolve.ts';
import type { ConfigSource } from '../../../src/main/config/resolve.ts';
import { SETTING_NAMES, accepts, environmentNameOf, metaOf } from '../../../src/main/config/settings.ts';
import { Random } from '../../../src/base/random.ts';

const SECRET = 'sesame-open-sesame';
const ODD_VALUES: readonly unknown[] = [
  null,
  undefined,
  true,
  '',
  ' ',
  '0x10',
  '1e3',
  '-0',
  'NaN',
  'Infinity',
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0.5,
  2 ** 53,
  [],
  [1, 2],
  {},
  { a: { b: 1 } },
  { a: 'x' },
  '\u0000',
  '🙂'.repeat(50),
  'x'.repeat(10_000),
  'a=1,b=2',
  '=,=,=',
  10n,
  new Date(0),
  Symbol.iterator,
  () => 1,
];
const ODD_NAMES = ['', '__proto__', 'constructor', 'toString', 'tickHx', 'PORT', 'worlsSize', 'x'.repeat(5000)];

export interface FuzzResult {
  readonly valid: number;
  readonly refused: number;
}

/** @throws Error that names the seed when a configuration is neither accepted nor refused properly. */
export function fuzzConfigs({ count, seed }: { count: number; seed: number }): FuzzResult {
  const random = new Random(seed);
  let valid = 0;
  let refused = 0;
  for (let round = 0; round < count; round++) {
    const sources = randomSources(random);
    try {
      const { settings } = resolveConfig(sources);
      for (const name of SETTING_NAMES) {
        const isFine = accepts(name, settings[name]) || (name === 'worldSize' && settings[name] === undefined);
        if (!isFine) throw new Error(`${name} is ${String(settings[name])}`);
      }
      valid++;
    } catch (error) {
      const isProper =
        error instanceof ConfigError && !JSON.stringify([error.message, error.problems]).includes(SECRET);
      if (!isProper) throw new Error(`seed ${seed}, round ${round}: ${String(error)}`, { cause: error });
      refused++;
    }
  }
  return { valid, refused };
}

function randomSources(random: Random): ConfigSource[] {
  const flags = new Map<string, unknown>();
  const environment: Record<string, string> = {};
  const file = new Map<string, unknown>();
  const entries = random.below(6);
  for (let entry = 0; entry < entries; entry++) {
    const name = randomName(random);
    const value = randomValue(name, random);
    const kind = random.below(3);
    if (kind === 0) flags.set(name, value);
    else if (kind === 1) environment[environmentNameOf(name as never)] = String(value);
    else file.set(name, value);
  }
  return [
    { kind: 'flag', path: '', values: flags },
    { kind: 'environment', path: '', values: environmentValues(environment) },
    { kind: 'file', path: 'fuzz.yaml', values: file },
  ];
}

function randomName(random: Random): string {
  const names = random.below(40) === 0 ? ODD_NAMES : SETTING_NAMES;
  return names[random.below(names.length)] ?? '';
}

function randomValue(name: string, random: Random): unknown {
  if (name === 'authSecret') return random.below(4) === 0 ? SECRET.repeat(300) : SECRET;
  if (random.below(8) === 0) return ODD_VALUES[random.below(ODD_VALUES.length)];
  const meta = (SETTING_NAMES as readonly string[]).includes(name) ? metaOf(name as never) : undefined;
  if (meta?.choices) return meta.choices[random.below(meta.choices.length)];
  if (meta?.kind === 'boolean') return random.below(2) === 0;
  if (meta?.kind === 'text') return random.below(2) === 0 ? (meta.example ?? 'some text') : 'some text';
  if (meta?.kind === 'list') return random.below(2) === 0 ? meta.example : [meta.example];
  if (meta?.kind === 'params') return { bots: random.next() };
  if (meta?.powerOfTwo) return 2 ** random.below(34);
  const value = random.between((meta?.min ?? 0) * 0.9, (meta?.max ?? 1) * 1.1);
  return random.below(3) === 0 ? value : Math.round(value);
}
