/** Records that travel between nodes of different versions of one world. */
import test from 'ava';
import * as fc from 'fast-check';
import { f32, list, text, u16, u8 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import type { Schema } from '../../src/base/schema.ts';
import { clearComponents } from '../../src/memory/row.ts';
import { FOREIGN_BYTES_MAX, readForeign, writeForeign } from '../../src/memory/record-foreign.ts';
import type { Migrations } from '../../src/memory/record-schema.ts';
import { RecordEncoder, SchemaRegistry, applyRecord, decodeRecord } from '../../src/memory/record.ts';
import { componentsArbitrary, describeSlot, fillSlot, makeColumns, schemaOf } from './fixture.ts';
import type { SmallStore } from './fixture.ts';
import { throwsCode } from './record-fixture.ts';

const item = { what: u16() };
const OLD = schemaOf({ look: { name: text(16) }, body: { hp: u8(), mass: f32() } });
const NEW = schemaOf(
  {
    hat: { colour: u16(), badges: list(item, { max: 9 }) },
    look: { name: text(32), title: text(8) },
    body: { health: u16(), mass: f32() },
  },
  { version: 2 },
);

/** A node that runs one version and knows of the others. */
interface TestNode {
  readonly store: SmallStore;
  readonly registry: SchemaRegistry;
}

function makeNode(own: Schema, others: readonly Schema[], migrations: Migrations = {}): TestNode {
  const registry = new SchemaRegistry(own, migrations);
  for (const other of others) registry.add(other);
  return { store: makeColumns(own), registry };
}

function send(source: TestNode, target: TestNode, slot = 0): void {
  const encoder = new RecordEncoder(source.store);
  const bytes = new Uint8Array(encoder.sizeBytes(slot));
  const sizeBytes = encoder.encode(slot, bytes);
  applyRecord(target.store.columns, slot, decodeRecord(bytes.subarray(0, sizeBytes), target.registry));
}

const columnsOf = ({ store }: TestNode): Record<string, Record<string, any>> =>
  Object.fromEntries(store.schema.components.map(({ name, index }) => [name, store.columns.components[index]!.byName]));

function fillNew(node: TestNode): void {
  fillSlot(node.store, 0, { kind: 0, draw: () => 1 });
  const { hat, look, body } = columnsOf(node);
  hat!['colour'][0] = 515;
  hat!['badges'].set(0, [{ what: 3 }, { what: 4 }]);
  look!['name'].set(0, 'Ada');
  look!['title'].set(0, 'Dr');
  body!['health'][0] = 550;
  body!['mass'][0] = 70.5;
}

test('new → old → new keeps every field, the known ones and the unknown ones', (t) => {
  const newNode = makeNode(NEW, [OLD]);
  const oldNode = makeNode(OLD, [NEW]);
  fillNew(newNode);
  const before = describeSlot(newNode.store, 0);
  send(newNode, oldNode);
  const { look, body } = columnsOf(oldNode);
  t.is(look!['name'].get(0), 'Ada');
  t.is(body!['mass'][0], 70.5);
  t.is(body!['hp'][0], 0);
  look!['name'].set(0, 'Grace');
  clearComponents(newNode.store.columns, 0);
  send(oldNode, newNode);
  t.is(columnsOf(newNode)['look']!['name'].get(0), 'Grace');
  columnsOf(newNode)['look']!['name'].set(0, 'Ada');
  t.deepEqual(describeSlot(newNode.store, 0), before);
  t.is(newNode.store.columns.foreign.sizeBytes(0), 0);
});

test('foreign fields pass through nodes of one version untouched', (t) => {
  const newNode = makeNode(NEW, [OLD]);
  const oldNodes = [makeNode(OLD, [NEW]), makeNode(OLD, [NEW]), makeNode(OLD, [NEW])];
  fillNew(newNode);
  const before = describeSlot(newNode.store, 0);
  [newNode, ...oldNodes].reduce((source, target) => {
    send(source, target);
    return target;
  });
  send(oldNodes[2]!, newNode);
  t.deepEqual(describeSlot(newNode.store, 0), before);
});

test('text that does not fit in the old version comes back whole, unless it was changed there', (t) => {
  const newNode = makeNode(NEW, [OLD]);
  const oldNode = makeNode(OLD, [NEW]);
  fillNew(newNode);
  columnsOf(newNode)['look']!['name'].set(0, 'a name of more than sixteen');
  send(newNode, oldNode);
  t.is(columnsOf(oldNode)['look']!['name'].get(0), '');
  send(oldNode, newNode);
  t.is(columnsOf(newNode)['look']!['name'].get(0), 'a name of more than sixteen');
  columnsOf(oldNode)['look']!['name'].set(0, 'short');
  send(oldNode, newNode);
  t.is(columnsOf(newNode)['look']!['name'].get(0), 'short');
});

test('a migration sees values by path and gives the new ones', (t) => {
  const migrations: Migrations = {
    1: (values) => ({ ...values, 'body.health': (values['body.hp'] as number) * 10, 'look.title': 'new' }),
  };
  const oldNode = makeNode(OLD, [NEW]);
  const newNode = makeNode(NEW, [OLD], migrations);
  fillSlot(oldNode.store, 0, { kind: 0, draw: () => 1 });
  const { body, look } = columnsOf(oldNode);
  body!['hp'][0] = 55;
  body!['mass'][0] = NaN;
  look!['name'].set(0, 'Bob');
  send(oldNode, newNode);
  const moved = columnsOf(newNode);
  t.is(moved['body']!['health'][0], 550);
  t.is(moved['look']!['title'].get(0), 'new');
  t.is(moved['look']!['name'].get(0), 'Bob');
  // The old field is carried along, in case the entity goes back.
  columnsOf(oldNode)['body']!['hp'][0] = 1;
  send(newNode, oldNode);
  t.is(columnsOf(oldNode)['body']!['hp'][0], 55);
});

test('a value that came back as foreign wins over a migration that only made it zero', (t) => {
  const migrations: Migrations = { 1: (values) => ({ ...values, 'body.health': (values['body.hp'] as number) * 10 }) };
  const newNode = makeNode(NEW, [OLD], migrations);
  const oldNode = makeNode(OLD, [NEW]);
  fillNew(newNode);
  send(newNode, oldNode);
  send(oldNode, newNode);
  t.is(columnsOf(newNode)['body']!['health'][0], 550);
  send(newNode, oldNode);
  columnsOf(oldNode)['body']!['hp'][0] = 7;
  send(oldNode, newNode);
  t.is(columnsOf(newNode)['body']!['health'][0], 70);
});

test('a value that came back as foreign wins over the default of a migration, a zero as well', (t) => {
  const migrations: Migrations = { 1: (values) => ({ ...values, 'body.health': 100, 'look.title': 'new' }) };
  const newNode = makeNode(NEW, [OLD], migrations);
  const oldNode = makeNode(OLD, [NEW]);
  fillSlot(oldNode.store, 0, { kind: 0, draw: () => 1 });
  send(oldNode, newNode);
  const { body, look } = columnsOf(newNode);
  t.deepEqual([body!['health'][0], look!['title'].get(0)], [100, 'new']);
  body!['health'][0] = 0;
  look!['title'].set(0, 'Dr');
  for (let times = 0; times < 3; times++) {
    send(newNode, oldNode);
    send(oldNode, newNode);
    t.deepEqual([body!['health'][0], look!['title'].get(0)], [0, 'Dr']);
  }
});

test('values of more than one version back are let go', (t) => {
  const third = schemaOf({ body: { health: u16() } }, { version: 3 });
  const oldNode = makeNode(OLD, [NEW]);
  const newNode = makeNode(NEW, [OLD, third]);
  const thirdNode = makeNode(third, [NEW]);
  fillSlot(oldNode.store, 0, { kind: 0, draw: () => 1 });
  send(oldNode, newNode);
  const paths = (node: TestNode) =>
    readForeign(node.store.columns.foreign.packed(0).slice()).map((field) => `${field.component}.${field.field}`);
  t.deepEqual(paths(newNode), ['body.hp']);
  send(newNode, thirdNode);
  t.false(paths(thirdNode).includes('body.hp'));
  t.true(paths(thirdNode).includes('body.mass'));
});

test('two versions apart, an unknown kind, and bad migrations are typed errors', (t) => {
  const oldNode = makeNode(OLD, []);
  fillSlot(oldNode.store, 0, { kind: 0, draw: () => 1 });
  const third = schemaOf({ body: { health: u16() } }, { version: 3 });
  throwsCode(t, { code: 'ERR_RECORD_VERSION' }, () => send(oldNode, makeNode(third, [OLD])));
  const otherKind = schemaOf({ body: { hp: u8() } }, { version: 2, kinds: { stone: { components: ['body'] } } });
  const unknownKind = { code: 'ERR_RECORD_SCHEMA', message: /kind "thing"/ } as const;
  throwsCode(t, unknownKind, () => send(oldNode, makeNode(otherKind, [OLD])));
  const migrated = (migration: Migrations[number]) => () => send(oldNode, makeNode(NEW, [OLD], { 1: migration }));
  const throwing = migrated(() => {
    throw new Error('no idea');
  });
  throwsCode(t, { code: 'ERR_RECORD_SCHEMA', message: /no idea/ }, throwing);
  const nothing = migrated(() => null as never);
  throwsCode(t, { code: 'ERR_RECORD_SCHEMA', message: /null/ }, nothing);
  for (const [path, value] of [
    ['body.health', 70_000],
    ['hat.badges', [null]],
    ['hat.colour', Symbol('red')],
  ] as const) {
    const message = new RegExp(path.split('.')[1]!);
    throwsCode(
      t,
      { code: 'ERR_RECORD_RANGE', message },
      migrated(() => ({ [path]: value })),
    );
  }
});

test('foreign fields have a limit, and each of their faults a code', (t) => {
  const entry = { origin: 2, type: 'u8', component: 'a', field: 'b', itemHash: 0, value: Uint8Array.of(7) } as const;
  const bytes = writeForeign([entry, { ...entry, field: 'cc' }]);
  t.deepEqual(readForeign(bytes), [entry, { ...entry, field: 'cc' }]);
  const size = { code: 'ERR_RECORD_SIZE' } as const;
  throwsCode(t, size, () => writeForeign([{ ...entry, value: new Uint8Array(FOREIGN_BYTES_MAX) }]));
  throwsCode(t, size, () => readForeign(new Uint8Array(FOREIGN_BYTES_MAX + 1)));
  throwsCode(t, { code: 'ERR_RECORD_TRUNCATED' }, () => readForeign(bytes.subarray(0, 10)));
  throwsCode(t, { code: 'ERR_RECORD_TRUNCATED' }, () => readForeign(bytes.subarray(0, 18)));
  throwsCode(t, { code: 'ERR_RECORD_RANGE' }, () => readForeign(Uint8Array.from(bytes).fill(99, 2, 3)));
  throwsCode(t, { code: 'ERR_RECORD_RANGE', message: /name/ }, () =>
    readForeign(Uint8Array.from(bytes).fill(46, 16, 17)),
  );
});

test('property: any two versions: new → old → new loses nothing', (t) => {
  fc.assert(
    fc.property(componentsArbitrary(), componentsArbitrary(), fc.integer(), (one, two, seed) => {
      // Some fields in common: the second version takes over half of the first's components.
      const shared = Object.fromEntries(Object.entries(one).filter((_, index) => index % 2 === 0));
      const newSchema = schemaOf(one, { version: 2 });
      const oldSchema = schemaOf({ ...two, ...shared });
      const newNode = makeNode(newSchema, [oldSchema]);
      const oldNode = makeNode(oldSchema, [newSchema]);
      const random = new Random(seed);
      fillSlot(newNode.store, 0, { kind: 0, draw: (count) => Math.floor(random.next() * count) });
      const before = describeSlot(newNode.store, 0);
      send(newNode, oldNode);
      clearComponents(newNode.store.columns, 0);
      send(oldNode, newNode);
      t.deepEqual(describeSlot(newNode.store, 0), before);
    }),
    { numRuns: 200 },
  );
});
