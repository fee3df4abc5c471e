import test from 'ava';
import { ModuleError } from '../../src/base/errors.ts';
import { checkWorld } from '../../src/base/world-check.ts';
import { COMPONENTS_MAX, KINDS_MAX } from '../../src/base/schema.ts';
import type { Schema } from '../../src/base/schema.ts';
import { hashOfSchema } from '../../src/memory/record-schema.ts';
import { fuzzWorlds } from './world-fuzz.ts';

test('fuzz: 5,000 random modules give a schema or a ModuleError that names the field', (t) => {
  const schemas: Schema[] = [];
  const counts = fuzzWorlds(t, { rounds: 5000, seed: 1, accept: (schema) => schemas.push(schema) });
  t.true(counts.accepted > 500 && counts.refused > 500, JSON.stringify(counts));
  for (const schema of schemas) {
    const copy = JSON.parse(JSON.stringify(schema)) as Schema;
    t.deepEqual(copy, schema);
    t.is(hashOfSchema(copy), schema.hash);
    t.true(schema.components.length <= COMPONENTS_MAX && schema.kinds.length <= KINDS_MAX);
    for (const kind of schema.kinds) {
      t.is(
        kind.components.reduce((mask, component) => mask + 2 ** component, 0),
        kind.componentMask,
      );
    }
  }
});

const world = (changes: object): unknown => ({
  name: 'specimen',
  version: 2,
  size: 512,
  components: { body: { hp: { type: 'u8' } } },
  kinds: { thing: { components: ['body'] } },
  systems: {},
  join: () => ({ kind: 'thing', x: 0, z: 0 }),
  ...changes,
});

const WRONG: readonly [object, string, string][] = [
  [{ name: 'Big' }, 'ERR_MODULE_NAME', 'name'],
  [{ version: 0 }, 'ERR_MODULE_VALUE', 'version'],
  [{ version: 1.5 }, 'ERR_MODULE_VALUE', 'version'],
  [{ size: 1e9 }, 'ERR_MODULE_VALUE', 'size'],
  [{ edge: 'wrap' }, 'ERR_MODULE_VALUE', 'edge'],
  [{ overhang: 'bounce' }, 'ERR_MODULE_VALUE', 'overhang'],
  [{ colour: 1 }, 'ERR_MODULE_SHAPE', 'colour'],
  [{ '': 1 }, 'ERR_MODULE_SHAPE', '""'],
  [{ components: { x: {} } }, 'ERR_MODULE_NAME', 'components.x'],
  [{ components: { body: { hp: { type: 'u7' } } } }, 'ERR_MODULE_VALUE', 'components.body.hp type'],
  [{ components: { body: { hp: { type: 'u8', min: 9, max: 3 } } } }, 'ERR_MODULE_FIELD', 'components.body.hp'],
  [{ components: { body: { hp: { type: 'u8', precision: 1 } } } }, 'ERR_MODULE_FIELD', 'components.body.hp precision'],
  [
    { components: { body: { name: { type: 'text', bytesMax: 256 } } } },
    'ERR_MODULE_VALUE',
    'components.body.name size',
  ],
  [{ kinds: { thing: { components: ['nothing'] } } }, 'ERR_MODULE_REFERENCE', 'kinds.thing.components'],
  [{ systems: { walk: { run: 1 } } }, 'ERR_MODULE_SHAPE', 'systems.walk.run'],
  [{ systems: { walk: { kinds: ['ghost'], run: () => 0 } } }, 'ERR_MODULE_REFERENCE', 'systems.walk.kinds'],
  [{ on: { hit: () => 0 } }, 'ERR_MODULE_REFERENCE', 'on.hit'],
  [{ migrations: { 2: () => ({}) } }, 'ERR_MODULE_VALUE', 'migrations.2'],
  [{ params: { speed: NaN } }, 'ERR_MODULE_VALUE', 'params.speed'],
  [{ join: 1 }, 'ERR_MODULE_SHAPE', 'join'],
];

for (const [changes, code, field] of WRONG) {
  test(`${code} at ${field}: ${JSON.stringify(changes)}`, (t) => {
    const error = t.throws(() => checkWorld(world(changes)), { instanceOf: ModuleError });
    t.deepEqual([error?.code as string, error?.field], [code, field]);
  });
}

test('the hash tells schemas apart, and only schemas', (t) => {
  const hash = (changes: object) => checkWorld(world(changes)).hash;
  t.is(hash({}), hash({ size: 600, systems: { walk: { run: () => 0 } } }));
  const hashes = [
    hash({}),
    hash({ version: 3 }),
    hash({ name: 'other' }),
    hash({ components: { body: { hp: { type: 'u16' } } } }),
    hash({ kinds: { thing: { components: ['body'], hidden: true } } }),
    hash({ events: { hit: {} } }),
  ];
  t.is(new Set(hashes).size, hashes.length);
});
