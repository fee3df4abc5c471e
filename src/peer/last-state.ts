/** Every entity that this store owns, as its journal is to remember it after a clean stop. */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../base/monotonic.ts';
import type { EntityId } from '../base/brand.ts';
import { RecordEncoder } from '../memory/record.ts';
import type { Store } from '../memory/store.ts';
import type { EntityRow, Passenger } from './protocol.ts';

const LAST_FSYNC_MS_MAX = 10_000;
const FSYNC_POLL_MS = 2;

/** Waits for the disk, but not for ever. */
export async function untilDone(isDone: () => boolean): Promise<void> {
  const deadlineMs = monotonicMs() + LAST_FSYNC_MS_MAX;
  while (!isDone() && monotonicMs() < deadlineMs) await delay(FSYNC_POLL_MS);
}

/** The simulation stands still. `passengerOf` says what the entity in a slot carries. */
export function lastState(store: Store, passengerOf: (slot: number) => Passenger): EntityRow[] {
  const { columns, slotsHigh } = store;
  const encoder = new RecordEncoder(store);
  const rows: EntityRow[] = [];
  for (let slot = 0; slot < slotsHigh; slot++) {
    const id = (columns.id[slot] ?? 0) as EntityId;
    if (id === 0 || columns.ghostOf[slot] !== 0) continue;
    const target = new Uint8Array(encoder.sizeBytes(slot));
    const record = target.subarray(0, encoder.encode(slot, target));
    rows.push({ id, seq: columns.ownershipSeq[slot] ?? 0, record, passenger: passengerOf(slot), atRest: false });
  }
  return rows;
}
