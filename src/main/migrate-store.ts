/**
 * Development: carries the entities of a store into a store of another schema, by record, so that a change of the
 * components does not empty the world. Ids stay; fields and kinds are matched by name, and what the new schema does
 * not have is dropped. Entities of players are left behind: their clients connect again and get new ones.
 */
import { CapacityError, RecordError } from '../base/errors.ts';
import type { EntityId } from '../base/brand.ts';
import { spawn } from '../memory/entities.ts';
import { RecordEncoder, SchemaRegistry, decodeRecord } from '../memory/record.ts';
import type { DecodedRecord } from '../memory/record.ts';
import type { Store } from '../memory/store.ts';

export interface MigrationReport {
  readonly carried: number;
  /** Of a kind that is no more, not readable under the new schema, or for which there was no room. */
  readonly dropped: number;
  readonly players: number;
}

/** Both stores must be at rest; the target must be new. */
export function migrateStore(source: Store, target: Store): MigrationReport {
  const encoder = new RecordEncoder(source);
  const registry = new SchemaRegistry(target.schema);
  let carried = 0;
  let dropped = 0;
  let players = 0;
  // A world of another name has nothing in common with this one.
  if (source.schema.name !== target.schema.name) return { carried, dropped: source.entityCount, players };
  registry.add(source.schema);
  // Ids of the target start behind all that the source has given out.
  target.idCounter = source.idCounter;
  for (let slot = 0; slot < source.slotsHigh; slot++) {
    if (source.columns.id[slot] === 0) continue;
    if (source.columns.session[slot] !== 0) {
      players++;
      continue;
    }
    if (carry(slot, { source, target, encoder, registry })) carried++;
    else dropped++;
  }
  target.control.setTick(source.control.tick);
  return { carried, dropped, players };
}

function carry(
  slot: number,
  {
    source,
    target,
    encoder,
    registry,
  }: { source: Store; target: Store; encoder: RecordEncoder; registry: SchemaRegistry },
): boolean {
  try {
    const bytes = new Uint8Array(encoder.sizeBytes(slot));
    const sizeBytes = encoder.encode(slot, bytes);
    const decoded = decodeRecord(bytes.subarray(0, sizeBytes), registry);
    place(target, decoded);
    target.stats.add(0, 'entitiesSpawned', 1);
    return true;
  } catch (error) {
    if (error instanceof RecordError || error instanceof CapacityError) return false;
    throw new Error(`entity ${source.columns.id[slot]} cannot be carried over: ${String(error)}`, { cause: error });
  }
}

/** Spawns by the row, which is laid out like start values, and gives the entity its old id back. */
function place(target: Store, { kind, row, id, ownershipSeq }: DecodedRecord): void {
  const slot = spawn(target, kind, row);
  target.idMap.delete(target.columns.id[slot] as EntityId);
  target.columns.id[slot] = id;
  target.columns.ownershipSeq[slot] = ownershipSeq;
  target.idMap.set(id, slot);
}
