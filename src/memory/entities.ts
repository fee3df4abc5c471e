/**
 * The life of an entity in the store: birth, arrival from another node, change of cell or of owner, death. The conductor alone calls these, between phases,
 * in an order that does not depend on timing; so slots and ids are the same for any number of workers.
 */
import { entityIdFrom } from '../base/brand.ts';
import type { CellIndex, EntityId, Slot } from '../base/brand.ts';
import { CapacityError } from '../base/errors.ts';
import { applyRecord } from './record.ts';
import type { DecodedRecord } from './record.ts';
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
  columns.ghostOf[slot] = 0;
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

/**
 * Gives a row to an entity that another node made: owned here (`ghostOf` 0), or as a ghost of its owner.
 * @throws CapacityError when there is no slot or no heap left; nothing has changed then.
 */
export function adopt(store: Store, decoded: DecodedRecord, { ghostOf }: { ghostOf: number }): Slot {
  const { columns } = store;
  const slot = takeSlot(store);
  try {
    applyRecord(columns, slot, decoded);
  } catch (error) {
    clearComponents(columns, slot);
    columns.id[slot] = 0;
    columns.vx[slot] = 0;
    columns.vz[slot] = 0;
    columns.x[slot] = columns.homeX[slot]!;
    columns.z[slot] = columns.homeZ[slot]!;
    giveSlot(store, slot);
    throw error;
  }
  const x = store.grid.clampX(decoded.x);
  const z = store.grid.clampZ(decoded.z);
  columns.x[slot] = x;
  columns.z[slot] = z;
  columns.session[slot] = 0;
  columns.ghostOf[slot] = ghostOf;
  setHome(store, slot, store.grid.cellAt(x, z));
  store.lists.add(groupOfSlot(store, slot), slot);
  store.idMap.set(decoded.id, slot);
  if (ghostOf !== 0) store.ghostCount++;
  return slot;
}

/**
 * Writes what a record holds over the row that its entity has here; slot, generation and owner stay.
 * @throws CapacityError when the heap is full; the row then holds a part of both.
 */
export function overwrite(store: Store, slot: Slot, decoded: DecodedRecord): void {
  const { columns, lists, grid } = store;
  const source = groupOfSlot(store, slot);
  try {
    applyRecord(columns, slot, decoded);
  } finally {
    columns.x[slot] = grid.clampX(columns.x[slot]!);
    columns.z[slot] = grid.clampZ(columns.z[slot]!);
    const cell = grid.cellAt(columns.x[slot]!, columns.z[slot]!);
    // A position within the hysteresis would be fine, too; but whoever sends a record means where it says.
    setHome(store, slot, cell);
    const target = groupOfSlot(store, slot);
    if (target !== source) {
      lists.remove(source, slot);
      lists.add(target, slot);
    }
  }
}

/** Changes the owner of a row in place: 0 is this node, else it is a ghost of that one. */
export function setGhostOf(store: Store, slot: Slot, node: number): void {
  const { columns, lists } = store;
  const before = columns.ghostOf[slot]!;
  if (before === node) return;
  const source = groupOfSlot(store, slot);
  columns.ghostOf[slot] = node;
  const target = groupOfSlot(store, slot);
  if (source === target) return;
  lists.remove(source, slot);
  lists.add(target, slot);
  store.ghostCount += node === 0 ? -1 : 1;
}

function groupOfSlot({ columns, lists }: Store, slot: number): number {
  const cell = columns.cell[slot]!;
  const kind = columns.kind[slot]!;
  return columns.ghostOf[slot] === 0 ? lists.groupOf(cell, kind) : lists.ghostGroupOf(cell, kind);
}

export function despawn(store: Store, slot: Slot): void {
  const { columns, lists } = store;
  lists.remove(groupOfSlot(store, slot), slot);
  if (columns.ghostOf[slot] !== 0) store.ghostCount--;
  columns.ghostOf[slot] = 0;
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
  lists.remove(groupOfSlot(store, slot), slot);
  setHome(store, slot, target);
  lists.add(groupOfSlot(store, slot), slot);
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
