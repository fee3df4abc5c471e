import test from 'ava';
import { f32, f64, i8, list, text, u16, u32 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import { despawn, spawn } from '../../src/memory/entities.ts';
import { packRow, rowBytesMax } from '../../src/memory/row.ts';
import { columnNames, hashCell } from '../../src/memory/state-hash.ts';
import type { Store } from '../../src/memory/store.ts';
import { makeStore, schemaOf } from './fixture.ts';

const SCHEMA = schemaOf(
  {
    look: { name: text(12) },
    body: { hp: i8(), mass: f32(), clock: f64(), gold: u32() },
    bag: { items: list({ what: u16() }, { max: 50 }) },
  },
  { kinds: { rock: { components: ['body'] }, player: { components: ['look', 'body', 'bag'] } } },
);

function populate(store: Store, count: number): void {
  const random = new Random(21);
  for (let index = 0; index < count; index++) {
    const kind = SCHEMA.kinds[random.below(2)]!;
    const init = {
      x: random.between(-100, 85),
      z: random.between(-70, 55),
      look: { name: `n${random.below(100)}` },
      body: { hp: random.below(100), mass: random.next(), clock: random.next(), gold: random.nextUint32() },
      bag: { items: Array.from({ length: random.below(5) }, () => ({ what: random.below(9) })) },
    };
    const packed = new Uint8Array(rowBytesMax(SCHEMA, kind));
    spawn(store, kind.index, packed.subarray(0, packRow({ schema: SCHEMA, kind, init }, packed)));
  }
}

function hashAll(store: Store) {
  const entityHashes = new Uint32Array(store.options.entitiesMax);
  const columnHashes = new Uint32Array(columnNames(SCHEMA).length);
  const cells = Array.from({ length: store.grid.cellCount }, (_, cell) =>
    hashCell(store, cell, { entityHashes, columnHashes }),
  );
  return { cells, entityHashes, columnHashes };
}

const differing = (left: ArrayLike<number>, right: ArrayLike<number>): number[] =>
  Array.from(left, (value, index) => (value === right[index] ? -1 : index)).filter((index) => index >= 0);

test('the same world hashes the same; sums over entities, columns and cells agree', (t) => {
  const [one, two] = [makeStore(SCHEMA), makeStore(SCHEMA)];
  populate(one, 60);
  populate(two, 60);
  const hashes = hashAll(one);
  t.deepEqual(hashes, hashAll(two));
  const sum = (values: Iterable<number>) => [...values].reduce((total, value) => (total + value) >>> 0, 0);
  t.is(sum(hashes.cells), sum(hashes.entityHashes));
  t.is(sum(hashes.cells), sum(hashes.columnHashes));
});

test('a change of any one value shows in its entity, its column and its cell, and nowhere else', (t) => {
  const store = makeStore(SCHEMA);
  populate(store, 60);
  const slot = [...store.columns.kind].findIndex((kind) => kind === 1);
  const { columns } = store;
  const [look, body, bag] = columns.components.map((component) => component.byName as Record<string, any>);
  const changes: Record<string, () => void> = {
    generation: () => columns.generation[slot]!++,
    ownershipSeq: () => columns.ownershipSeq[slot]!++,
    x: () => (columns.x[slot] = -0.125),
    z: () => (columns.z[slot] = 7),
    vx: () => (columns.vx[slot] = -0),
    vz: () => (columns.vz[slot] = NaN),
    foreign: () => columns.foreign.setPacked(slot, Uint8Array.of(1, 2)),
    'look.name': () => look!['name'].set(slot, 'other'),
    'body.hp': () => (body!['hp'][slot] = -1),
    'body.mass': () => (body!['mass'][slot] += 0.001),
    'body.clock': () => (body!['clock'][slot] += Number.EPSILON),
    'body.gold': () => (body!['gold'][slot] ^= 1 << 31),
    'bag.items': () => bag!['items'].set(slot, [{ what: 12 }]),
  };
  for (const [name, change] of Object.entries(changes)) {
    const before = hashAll(store);
    change();
    const after = hashAll(store);
    t.deepEqual(differing(before.entityHashes, after.entityHashes), [slot], name);
    t.deepEqual(differing(before.columnHashes, after.columnHashes), [columnNames(SCHEMA).indexOf(name)], name);
    t.deepEqual(differing(before.cells, after.cells), [columns.cell[slot]!], name);
  }
});

test('every NaN is one, and where a list lies does not matter', (t) => {
  const store = makeStore(SCHEMA);
  populate(store, 20);
  const slot = [...store.columns.kind].findIndex((kind) => kind === 1);
  const { columns } = store;
  const bits = new Uint32Array(columns.vx.buffer, columns.vx.byteOffset, columns.capacity);
  bits[slot] = 0x7fc0_0000;
  const items = columns.components[2]!.byName['items'] as any;
  items.set(slot, [{ what: 3 }]);
  const before = hashAll(store);
  bits[slot] = 0xffc0_1234;
  const offset = items.offsetBytes(slot);
  items.clear(slot);
  store.heap.allocate(30);
  items.set(slot, [{ what: 3 }]);
  t.not(items.offsetBytes(slot), offset);
  t.deepEqual(hashAll(store), before);
});

test('a despawned entity leaves no trace in the hashes', (t) => {
  const store = makeStore(SCHEMA);
  populate(store, 10);
  const slot = 3 as never;
  const [cell, before] = [store.columns.cell[slot]!, hashAll(store)];
  despawn(store, slot);
  const after = hashAll(store);
  t.is(after.entityHashes[slot], 0);
  t.deepEqual(differing(before.cells, after.cells), [cell]);
});
