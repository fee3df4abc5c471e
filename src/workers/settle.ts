/**
 * Settle: the conductor carries out what the parallel phases asked for, serially and in a fixed order.
 *
 *   1. local handovers, by block and slot            a slot number changes lists; no byte of an entity moves
 *   2. despawns, spawns, announcements, by cell      in the order the cell's systems asked for them
 *   3. releases to other nodes (release.ts)          in a cluster only
 *   4. events, by cell                               to the inbox of the cell where the target is now
 */
import type { Slot } from '../base/brand.ts';
import { CapacityError } from '../base/errors.ts';
import { COMMAND, COMMAND_HEAD_BYTES, NO_EVENT } from '../memory/commands.ts';
import type { CommandSet } from '../memory/commands.ts';
import { changeCell, despawn, spawn } from '../memory/entities.ts';
import { BLOCK_SLOTS, blockCount } from '../memory/store.ts';
import type { Store } from '../memory/store.ts';
import { SHED_SPAWNS_LEVEL } from './cell-context.ts';

const CONDUCTOR = 0;
const TARGET_BYTES = 8;
/** Of each tick, so many local handovers are logged for the viewer. */
const LOGGED_HANDOVERS_MAX = 256;

export interface SettleReport {
  localHandovers: number;
  /** The first capacity error of this settle, if there was one. */
  capacityError: CapacityError | undefined;
}

/** What a node of a cluster is told while things are settled, see cluster.ts. */
export interface SettleHooks {
  born(slot: number): void;
  dies(slot: number): void;
  /** `hasEvents`: durable messages of this tick may follow. */
  release(tick: number, hasEvents: boolean): void;
  /** False when the event is lost. */
  emit(entity: number, event: number, payload: Uint8Array): boolean;
  durable(slot: number, event: number, payload: Uint8Array): void;
  publish(slot: number, publication: number, payload: Uint8Array): void;
}

export function settle(store: Store, tick: number, hooks?: SettleHooks): SettleReport {
  const report: SettleReport = { localHandovers: 0, capacityError: undefined };
  store.inbox.reset();
  handOverLeavers(store, report);
  const hasEvents = runCommands(store, { tick, report, hooks });
  hooks?.release(tick, hasEvents);
  if (hasEvents) routeEvents(store, store.commands.setOf(tick), hooks);
  store.stats.add(CONDUCTOR, 'localHandovers', report.localHandovers);
  return report;
}

/** Carries out the spawns of one cell at once: for `start`, between ticks. */
export function settleStart(store: Store, cell: number, hooks?: SettleHooks): CapacityError | undefined {
  const report: SettleReport = { localHandovers: 0, capacityError: undefined };
  const { tick } = store.control;
  runCellCommands(store, store.commands.setOf(tick), { cell, tick, report, hooks });
  return report.capacityError;
}

function handOverLeavers(store: Store, report: SettleReport): void {
  const { columns, leavers, leaverCounts } = store;
  const blocks = blockCount(store.slotsHigh);
  for (let block = 0; block < blocks; block++) {
    const first = block * BLOCK_SLOTS;
    const end = first + leaverCounts[block]!;
    for (let index = first; index < end; index++) {
      const slot = leavers[index]! as Slot;
      if (columns.id[slot] === 0) continue;
      if (!Number.isFinite(columns.x[slot]!) || !Number.isFinite(columns.z[slot]!)) {
        restore(store, slot);
        continue;
      }
      const source = columns.cell[slot]!;
      if (!changeCell(store, slot)) continue;
      if (columns.ghostOf[slot] !== 0) continue;
      if (report.localHandovers++ < LOGGED_HANDOVERS_MAX) {
        store.handoverLog.write(columns.x[slot]!, columns.z[slot]!, source, columns.cell[slot]!);
      }
    }
  }
}

/** World code left a velocity that is not a number: the entity stops at the centre of its cell, and that is counted. */
function restore(store: Store, slot: number): void {
  const { columns } = store;
  columns.x[slot] = columns.homeX[slot]!;
  columns.z[slot] = columns.homeZ[slot]!;
  columns.vx[slot] = 0;
  columns.vz[slot] = 0;
  store.stats.add(CONDUCTOR, 'notFinite', 1);
}

/** Returns whether there are events to route. */
interface CommandRun {
  readonly tick: number;
  readonly report: SettleReport;
  readonly hooks: SettleHooks | undefined;
}

function runCommands(store: Store, run: CommandRun): boolean {
  const { tick } = run;
  const set = store.commands.setOf(tick);
  const cells = store.grid.cellCount;
  let hasEvents = false;
  for (let cell = 0; cell < cells; cell++) {
    if (set.firstOf(cell) === set.endOf(cell)) continue;
    if (runCellCommands(store, set, { ...run, cell })) hasEvents = true;
  }
  return hasEvents;
}

function runCellCommands(
  store: Store,
  set: CommandSet,
  { cell, tick, report, hooks }: CommandRun & { readonly cell: number },
): boolean {
  const worker = set.workerOf(cell);
  const bytes = set.bytes[worker]!;
  const view = set.views[worker]!;
  const end = set.endOf(cell);
  let hasEvents = false;
  for (let at = set.firstOf(cell); at < end;) {
    const payloadBytes = view.getUint16(at + 2, true);
    const first = at + COMMAND_HEAD_BYTES;
    switch (bytes[at]) {
      case COMMAND.spawn:
        trySpawn(store, bytes[at + 1]!, { packed: bytes.slice(first, first + payloadBytes), report, hooks });
        break;
      case COMMAND.despawn:
        tryDespawn(store, view.getUint32(first, true) as Slot, hooks);
        break;
      case COMMAND.announce: {
        const slot = view.getUint32(first, true);
        const payload = bytes.subarray(first + TARGET_BYTES, first + payloadBytes);
        const generation = store.columns.generation[slot]!;
        store.announcements.write({ tick, slot, generation, event: bytes[at + 1]!, payload });
        break;
      }
      case COMMAND.emit:
        hasEvents = true;
        break;
      case COMMAND.durable: {
        const payload = bytes.subarray(first + TARGET_BYTES, first + payloadBytes);
        if (hooks !== undefined) hooks.durable(view.getUint32(first, true), bytes[at + 1]!, payload);
        else if (bytes[at + 1] !== NO_EVENT) hasEvents = true;
        break;
      }
      case COMMAND.publish: {
        const payload = bytes.subarray(first + TARGET_BYTES, first + payloadBytes);
        if (hooks !== undefined) hooks.publish(view.getUint32(first, true), bytes[at + 1]!, payload);
        // No journal, and so no outbox.
        else store.stats.add(CONDUCTOR, 'publicationsLost', 1);
        break;
      }
    }
    at = first + ((payloadBytes + 3) & ~3);
  }
  return hasEvents;
}

function trySpawn(
  store: Store,
  kind: number,
  { packed, report, hooks }: { packed: Uint8Array; report: SettleReport; hooks: SettleHooks | undefined },
): void {
  if (store.control.shedLevel >= SHED_SPAWNS_LEVEL && store.schema.kinds[kind]!.sheddable) {
    store.stats.add(CONDUCTOR, 'spawnsRefused', 1);
    return;
  }
  try {
    const slot = spawn(store, kind, packed);
    hooks?.born(slot);
    store.stats.add(CONDUCTOR, 'entitiesSpawned', 1);
  } catch (error) {
    if (!(error instanceof CapacityError)) throw error;
    report.capacityError ??= error;
    store.stats.add(CONDUCTOR, 'spawnsRefused', 1);
  }
}

function tryDespawn(store: Store, slot: Slot, hooks: SettleHooks | undefined): void {
  // Two systems may both have asked for it.
  if (store.columns.id[slot] === 0) return;
  hooks?.dies(slot);
  const session = store.columns.session[slot]!;
  if (session !== 0) store.sessions.setSlotPlusOne((session - 1) as never, 0);
  despawn(store, slot);
  store.stats.add(CONDUCTOR, 'entitiesDespawned', 1);
}

function routeEvents(store: Store, set: CommandSet, hooks: SettleHooks | undefined): void {
  const cells = store.grid.cellCount;
  for (let cell = 0; cell < cells; cell++) {
    const end = set.endOf(cell);
    const worker = set.workerOf(cell);
    const bytes = set.bytes[worker]!;
    const view = set.views[worker]!;
    for (let at = set.firstOf(cell); at < end;) {
      const payloadBytes = view.getUint16(at + 2, true);
      const first = at + COMMAND_HEAD_BYTES;
      if (bytes[at] === COMMAND.emit) {
        const target = view.getUint32(first, true) + view.getUint32(first + 4, true) * 2 ** 32;
        const slot = store.idMap.get(target);
        const isHere = slot >= 0 && store.columns.ghostOf[slot] === 0;
        const payload = (): Uint8Array => bytes.slice(first + TARGET_BYTES, first + payloadBytes);
        const delivered = isHere
          ? store.inbox.addEvent(store.columns.cell[slot]!, { slot, worker, at })
          : (hooks?.emit(target, bytes[at + 1]!, payload()) ?? false);
        if (!delivered) store.stats.add(CONDUCTOR, 'eventsLost', 1);
      } else if (bytes[at] === COMMAND.durable && hooks === undefined && bytes[at + 1] !== NO_EVENT) {
        // No journal: as durable as anything gets here.
        const slot = view.getUint32(first, true);
        const delivered =
          store.columns.id[slot] !== 0 && store.inbox.addEvent(store.columns.cell[slot]!, { slot, worker, at });
        if (!delivered) store.stats.add(CONDUCTOR, 'eventsLost', 1);
      }
      at = first + ((payloadBytes + 3) & ~3);
    }
  }
}
