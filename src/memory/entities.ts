/**
 * The life of an entity in the store: birth, change of cell, death. The conductor alone calls these, between phases,
 * in an order that does not depend on timing; so slots and ids are the same for any number of workers.
 */
import { entityIdFrom } from '../base/brand.ts';
import type { CellIndex, EntityId, Slot } from '../base/brand.ts';
import { CapacityError } from '../base/errors.ts';
import { clearComponents, readMotion, writeComponents } from './row.ts';
import type { Store } from './store.ts';

const COUNTER_MAX = 2 ** 32 - 1;

/**
 * Adds an entity of a kind from its packed row (row.ts). Its position is brought inside the world.
 * @throws CapacityError when there is no slot, no id or no heap left; nothing has changed then.
 */
export function spawn(store: Store, kind: number, packed: Uint8Array): Slot {
  const { columns } = store;
  const slot = takeSlot(store);
  const schema = store.schema;
  try {
    writeComponents(columns, slot, { schema, kind: schema.kinds[kind]!, packed });
  } catch (error) {
    clearComponents(columns, slot);
    giveSlot(store, slot);
    throw error;
  }
  const motion = readMotion(packed);
  const x = store.grid.clampX(motion.x);
  const z = store.grid.clampZ(motion.z);
  const cell = store.grid.cellAt(x, z);
  const id = entityIdFrom(store.incarnation, store.idCounter++);
  columns.id[slot] = id;
  columns.kind[slot] = kind;
  columns.session[slot] = 0;
  columns.ownershipSeq[slot] = 1;
  columns.x[slot] = x;
  columns.z[slot] = z;
  columns.vx[slot] = motion.vx;
  columns.vz[slot] = motion.vz;
  setHome(store, slot, cell);
  store.lists.add(store.lists.groupOf(cell, kind), slot);
  store.idMap.set(id, slot);
  return slot;
}

export function despawn(store: Store, slot: Slot): void {
  const { columns, lists } = store;
  lists.remove(lists.groupOf(columns.cell[slot]!, columns.kind[slot]!), slot);
  store.idMap.delete(columns.id[slot]! as EntityId);
  clearComponents(columns, slot);
  columns.id[slot] = 0;
  columns.session[slot] = 0;
  columns.vx[slot] = 0;
  columns.vz[slot] = 0;
  // A free slot stands at its home, so that kernels may run over it.
  columns.x[slot] = columns.homeX[slot]!;
  columns.z[slot] = columns.homeZ[slot]!;
  columns.generation[slot]!++;
  giveSlot(store, slot);
}

/**
 * Local handover: moves a slot number from one cell's list to another's; no byte of the entity moves.
 * Returns false when the entity's position is in its own cell.
 */
export function changeCell(store: Store, slot: Slot): boolean {
  const { columns, lists, grid } = store;
  const source = columns.cell[slot]!;
  const target = grid.cellAt(columns.x[slot]!, columns.z[slot]!);
  if (source === target) return false;
  const kind = columns.kind[slot]!;
  lists.remove(lists.groupOf(source, kind), slot);
  lists.add(lists.groupOf(target, kind), slot);
  setHome(store, slot, target);
  return true;
}

function setHome(store: Store, slot: number, cell: CellIndex): void {
  store.columns.cell[slot] = cell;
  store.columns.homeX[slot] = store.grid.centreX(cell);
  store.columns.homeZ[slot] = store.grid.centreZ(cell);
}

function takeSlot(store: Store): Slot {
  if (store.idCounter >= COUNTER_MAX) {
    throw new CapacityError('ERR_CAPACITY_ENTITIES', {
      setting: 'entitiesMax',
      message: 'this process has used up its 2^32 entity ids; restart it to continue (no setting helps)',
    });
  }
  if (store.freeCount > 0) {
    store.freeCount--;
    return store.freeSlots[store.freeCount]! as Slot;
  }
  if (store.slotsHigh < store.options.entitiesMax) {
    store.slotsHigh++;
    return (store.slotsHigh - 1) as Slot;
  }
  throw new CapacityError('ERR_CAPACITY_ENTITIES', {
    setting: 'entitiesMax',
    message: `all ${store.options.entitiesMax} entity slots are taken`,
  });
}

function giveSlot(store: Store, slot: Slot): void {
  store.freeSlots[store.freeCount] = slot;
  store.freeCount++;
}
