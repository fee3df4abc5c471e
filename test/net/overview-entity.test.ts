import test from 'ava';
import type { EntityId } from '../../src/base/brand.ts';
import { bool, bytes, component, entity, f32, list, text, u8 } from '../../src/base/fields.ts';
import { defineWorld } from '../../src/base/world.ts';
import type { BytesColumn, ListColumn, TextColumn } from '../../src/memory/accessors.ts';
import { Store } from '../../src/memory/store.ts';
import { ITEMS_SHOWN_MAX, idInSlot, readEntity } from '../../src/net/overview-entity.ts';
import { readRequest } from '../../src/net/overview-requests.wire.ts';
import { STORE_OPTIONS } from './fixture.ts';

const { schema } = defineWorld({
  name: 'cellar',
  version: 1,
  size: 896,
  components: {
    look: { name: text(32), isLit: bool(), friend: entity() },
    mind: component({ mood: f32(), code: bytes(64) }, { visible: 'none' }),
    bag: component({ items: list({ code: u8(), count: u8() }, { max: 100 }) }, { visible: 'owner' }),
  },
  kinds: { crate: { components: ['look'] }, cat: { components: ['look', 'mind', 'bag'] } },
  input: { fields: {}, apply: () => {} },
  systems: {},
  join: () => ({ kind: 'cat', x: 0, z: 0 }),
});
const ID = (2 ** 32 + 7) as EntityId;

function storeWithCat(): Store {
  const store = Store.create({ ...STORE_OPTIONS, schema }, { incarnation: 1 });
  const { columns } = store;
  columns.id[5] = ID;
  columns.kind[5] = 1;
  columns.ownershipSeq[5] = 4;
  columns.x[5] = 1.5;
  columns.vz[5] = Number.NaN;
  store.idMap.set(ID, 5);
  store.slotsHigh = 6;
  const [look, mind, bag] = columns.components;
  (look!.byName['name'] as TextColumn).set(5, 'Möhre');
  (look!.byName['isLit'] as Uint8Array)[5] = 1;
  (look!.byName['friend'] as Float64Array)[5] = ID + 1;
  (mind!.byName['mood'] as Float32Array)[5] = 0.5;
  (mind!.byName['code'] as BytesColumn).set(
    5,
    Uint8Array.from({ length: 40 }, (_, index) => index),
  );
  const items = Array.from({ length: 50 }, (_, index) => ({ code: 9, count: index }));
  (bag!.byName['items'] as ListColumn).set(5, items);
  return store;
}

test('an entity with all its components, the hidden ones as well; long values by their beginning', (t) => {
  const store = storeWithCat();
  t.is(idInSlot(store, 5), ID);
  t.is(idInSlot(store, 6), 0);
  t.is(idInSlot(store, 1e9), 0);
  const view = readEntity(store, ID)!;
  t.like(view, { id: ID, slot: 5, kind: 1, seq: 4, ghostOf: 0, session: 0, x: 1.5, vz: 0, isHere: true });
  t.deepEqual(Object.keys(view.components), ['look', 'mind', 'bag']);
  t.deepEqual(view.components['look'], { name: 'Möhre', isLit: true, friend: ID + 1 });
  t.deepEqual(view.components['mind'], {
    mood: 0.5,
    code: { count: 40, first: Array.from({ length: ITEMS_SHOWN_MAX }, (_, index) => index) },
  });
  const { items } = view.components['bag'] as unknown as { items: { count: number; first: unknown[] } };
  t.is(items.count, 50);
  t.is(items.first.length, ITEMS_SHOWN_MAX);
  t.deepEqual(items.first[3], { code: 9, count: 3 });
  t.deepEqual(JSON.parse(JSON.stringify(view)), view);
});

test('who is not here is not shown, and a list that is caught half written is null', (t) => {
  const store = storeWithCat();
  t.is(readEntity(store, ID + 1), undefined);
  t.is(readEntity(store, Number.NaN), undefined);
  const handles = (store.columns.components[2]!.byName['items'] as ListColumn).handles;
  handles[5 * 2 + 1] = 3;
  t.deepEqual(readEntity(store, ID)!.components['bag'], { items: null });
  store.columns.id[5] = 0;
  t.is(readEntity(store, ID), undefined);
});

test('what a viewer may ask, and what is no request', (t) => {
  t.deepEqual(readRequest('{"type":"inspect","slot":0}', 10), { type: 'inspect', by: 'slot', value: 0 });
  t.deepEqual(readRequest('{"type":"inspect","id":7}', 10), { type: 'inspect', by: 'id', value: 7 });
  t.deepEqual(readRequest('{"type":"inspect"}', 10), { type: 'inspectNone' });
  t.deepEqual(readRequest('{"type":"trace","entity":7}', 10), { type: 'trace', subject: { kind: 'entity', id: 7 } });
  t.deepEqual(readRequest('{"type":"trace","session":8}', 10), { type: 'trace', subject: { kind: 'session', id: 8 } });
  t.deepEqual(readRequest('{"type":"viewport","minX":0,"minZ":1,"maxX":2,"maxZ":3,"entitiesMax":99}', 10), {
    type: 'viewport',
    viewport: { minX: 0, minZ: 1, maxX: 2, maxZ: 3, entitiesMax: 10 },
  });
  for (const text of [
    '',
    '[]',
    '7',
    '{"type":"else"}',
    '{"type":"inspect","id":0}',
    '{"type":"inspect","id":"7"}',
    '{"type":"inspect","slot":-1}',
    '{"type":"inspect","slot":1.5}',
    '{"type":"inspect","slot":1e99}',
    '{"type":"trace"}',
    '{"type":"trace","entity":null}',
    '{"type":"trace","session":0.5}',
  ]) {
    t.is(readRequest(text, 10), undefined, text);
  }
});
