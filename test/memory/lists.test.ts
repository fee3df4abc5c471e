import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { Lists } from '../../src/memory/lists.ts';
import type { ListsOptions } from '../../src/memory/lists.ts';

function makeLists(options: ListsOptions): { lists: Lists; place: Uint32Array } {
  const place = new Uint32Array(new SharedArrayBuffer(options.entitiesMax * 4));
  const buffer = new SharedArrayBuffer(Lists.sizeBytes(options));
  return { lists: new Lists(buffer, 0, { options, place }), place };
}

function contents(lists: Lists, group: number): number[] {
  const first = lists.first[group]!;
  return [...lists.slots.subarray(first, first + lists.count[group]!)];
}

/** The lists as plain arrays, with the same rule for the gap that a removed slot leaves. */
class Model {
  readonly groups: number[][];

  constructor(count: number) {
    this.groups = Array.from({ length: count }, () => []);
  }

  remove(group: number, slot: number): void {
    const list = this.groups[group]!;
    list[list.indexOf(slot)] = list.at(-1)!;
    list.pop();
  }
}

for (const [name, options, favourite] of [
  ['7 × 5 cells, 2 kinds', { cellCount: 35, kindCount: 2, entitiesMax: 150 }, 0],
  ['capacity 7', { cellCount: 35, kindCount: 1, entitiesMax: 7 }, 0],
  ['one hot cell', { cellCount: 35, kindCount: 3, entitiesMax: 400 }, 8],
] as const) {
  test(`random changes agree with arrays: ${name}`, (t) => {
    const { lists, place } = makeLists(options);
    const groups = options.cellCount * options.kindCount;
    const model = new Model(groups);
    const groupOfSlot = new Int32Array(options.entitiesMax).fill(-1);
    const random = new Random(17);
    for (let step = 0; step < 40_000; step++) {
      const slot = random.below(options.entitiesMax);
      const source = groupOfSlot[slot]!;
      if (source >= 0) {
        lists.remove(source, slot);
        model.remove(source, slot);
        groupOfSlot[slot] = -1;
      }
      if (random.below(4) > 0) {
        const target = random.below(10) < favourite ? 11 : random.below(groups);
        lists.add(target, slot);
        model.groups[target]!.push(slot);
        groupOfSlot[slot] = target;
      }
      if (step % 400 !== 0) continue;
      for (let group = 0; group < groups; group++) t.deepEqual(contents(lists, group), model.groups[group]);
      model.groups.forEach((list) => list.forEach((member, index) => t.is(place[member], index)));
    }
  });
}

test('everybody moves through every cell and back: growth, then packing', (t) => {
  const options = { cellCount: 35, kindCount: 1, entitiesMax: 500 };
  const { lists } = makeLists(options);
  for (let slot = 0; slot < 500; slot++) lists.add(0, slot);
  for (let cell = 1; cell < 35; cell++) {
    for (let slot = 0; slot < 500; slot++) {
      lists.remove(cell - 1, slot);
      lists.add(cell, slot);
    }
    t.deepEqual(new Set(contents(lists, cell)), new Set(Array.from({ length: 500 }, (_, slot) => slot)));
  }
});

test('cells count all their kinds', (t) => {
  const { lists } = makeLists({ cellCount: 35, kindCount: 3, entitiesMax: 7 });
  lists.add(lists.groupOf(4, 0), 1);
  lists.add(lists.groupOf(4, 2), 2);
  lists.add(lists.groupOf(5, 0), 3);
  t.deepEqual([lists.cellCountOf(3), lists.cellCountOf(4), lists.cellCountOf(5)], [0, 2, 1]);
});

test('removing from a list where the slot is not stops the process', (t) => {
  const { lists } = makeLists({ cellCount: 35, kindCount: 1, entitiesMax: 7 });
  lists.add(3, 1);
  lists.add(4, 2);
  t.throws(() => lists.remove(4, 1), { message: /stands where its place says/ });
});
