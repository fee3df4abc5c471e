import test from 'ava';
import { entityIdFrom } from '../../src/base/brand.ts';
import type { EntityId } from '../../src/base/brand.ts';
import { Random } from '../../src/base/random.ts';
import { IdMap } from '../../src/memory/id-map.ts';

const make = (entitiesMax: number): IdMap =>
  new IdMap(new SharedArrayBuffer(IdMap.sizeBytes(entitiesMax)), 0, entitiesMax);

for (const [name, nextId] of [
  ['ids one after the other', (_: Random, count: number) => entityIdFrom(7, count + 1)],
  ['ids of many nodes', (random: Random) => entityIdFrom(random.below(2 ** 21), 1 + random.below(2 ** 32 - 1))],
  ['ids that differ in their high bits only', (random: Random) => entityIdFrom(random.below(1000), 1 << 20)],
] as const) {
  test(`random changes agree with a Map: ${name}`, (t) => {
    const entitiesMax = 700;
    const map = make(entitiesMax);
    const model = new Map<EntityId, number>();
    const random = new Random(4);
    for (let step = 0; step < 30_000; step++) {
      const known = [...model.keys()];
      const action = random.below(3);
      if (action === 0 && model.size > 0) {
        const id = known[random.below(known.length)]!;
        map.delete(id);
        model.delete(id);
      } else if (model.size < entitiesMax) {
        const id = nextId(random, step);
        map.set(id, step);
        model.set(id, step);
      }
      if (step % 500 !== 0) continue;
      for (const [id, slot] of model) t.is(map.get(id), slot);
      for (const id of known) if (!model.has(id)) t.is(map.get(id), -1);
    }
  });
}

test('any number is a valid question', (t) => {
  const map = make(7);
  map.set(entityIdFrom(1, 1), 5);
  for (const id of [0, -1, NaN, Infinity, -Infinity, 1.5, 2 ** 60, 2 ** 32 + 1.5]) t.is(map.get(id), -1);
  t.is(map.get(2 ** 32 + 1), 5);
});

test('deleting what is not there changes nothing', (t) => {
  const map = make(7);
  for (let counter = 1; counter <= 7; counter++) map.set(entityIdFrom(1, counter), counter);
  map.delete(entityIdFrom(1, 99));
  for (let counter = 1; counter <= 7; counter++) t.is(map.get(entityIdFrom(1, counter)), counter);
});
