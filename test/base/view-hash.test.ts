import test from 'ava';
import { component, defineWorld, f32, u32 } from '../../src/index.ts';
import { viewHash } from '../../src/base/view-hash.ts';
import nextWorld from '../../scripts/rolling-upgrade/next-world.ts';
import countingWorld from '../../scripts/cluster/counting-world.ts';

const base = {
  name: 'hashed',
  version: 1,
  size: 512,
  components: { look: { size: u32() }, mind: component({ mood: u32() }, { visible: 'none' }) },
  kinds: { player: { components: ['look', 'mind'] }, ghost: { components: ['look'], hidden: true } },
  input: { fields: { push: f32() }, apply: () => {} },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
} as const;
const hashOf = (changed: object): number => viewHash(defineWorld({ ...base, ...changed } as never).schema);

test('what clients do not see may change: the version, hidden components and their place in kinds, events', (t) => {
  const hash = hashOf({});
  t.is(hashOf({ version: 2 }), hash);
  const mind = component({ mood: f32(), fear: u32() }, { visible: 'none' });
  t.is(hashOf({ components: { ...base.components, mind } }), hash);
  const plan = component({ step: u32() }, { visible: 'none' });
  t.is(hashOf({ components: { ...base.components, plan } }), hash);
  t.is(hashOf({ kinds: { ...base.kinds, player: { components: ['look'] } } }), hash);
});

test('what clients see may not: names, fields, numbers, visibility, inputs', (t) => {
  const hash = hashOf({});
  t.not(hashOf({ name: 'other' }), hash);
  t.not(hashOf({ components: { ...base.components, look: { size: f32() } } }), hash);
  t.not(
    hashOf({ components: { mind: base.components.mind, look: base.components.look } }),
    hash,
    'look has another number',
  );
  t.not(hashOf({ components: { ...base.components, mind: { mood: u32() } } }), hash);
  t.not(hashOf({ input: { fields: { push: u32() }, apply: () => {} } }), hash);
  t.not(hashOf({ kinds: { ghost: base.kinds.ghost, player: base.kinds.player } }), hash);
});

test('the two versions of the rolling upgrade are the same to clients, and differ', (t) => {
  t.is(viewHash(nextWorld.schema), viewHash(countingWorld.schema));
  t.not(nextWorld.schema.hash, countingWorld.schema.hash);
  t.is(nextWorld.schema.version, countingWorld.schema.version + 1);
});
