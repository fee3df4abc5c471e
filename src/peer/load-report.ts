/**
 * What this node tells the directory of its load, once a second (load-values.core.ts).
 *
 * A tick's time is shared out among blocks. What the phases took that are measured (simulate, index, observe), by what was measured of
 * the block's cells and of the sessions whose players are there; what the others took, by entities. So the blocks' costs add up to the tick,
 * with however many threads, and moving a block takes its cost along.
 */
import type { SessionIndex } from '../base/brand.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Store } from '../memory/store.ts';
import { BUSY_SHARE_MAX, LOAD_BLOCKS_MAX } from './load-values.core.ts';
import type { BlockLoad, CellLoad, NodeLoad } from './load-values.core.ts';
import type { BlockGrid } from './placement.core.ts';
import { blockOfCell } from './placement.core.ts';

export const LOAD_MS = 1000;
/** Weight of the newest second in the means: what is told has a memory of some four seconds. */
const SMOOTHING = 0.25;
/** Percentiles are of the ticks of this time. */
const PERCENTILE_MS = 5000;

export interface LoadMeterOptions {
  readonly store: Store;
  readonly grid: BlockGrid;
  readonly tickHz: number;
}

export class LoadMeter {
  readonly #options: LoadMeterOptions;
  readonly #blockOf: Uint32Array;
  /** By cell: what was measured when last looked, and the mean a tick of what came since, in microseconds of a thread. */
  readonly #cellsBefore: Float64Array;
  readonly #cellUs: Float64Array;
  readonly #sessionsBefore: Float64Array;
  readonly #sessionUs: Float64Array;
  readonly #cellSessions: Uint32Array;
  readonly #cellSessionUs: Float64Array;
  readonly #blockEntities: Float64Array;
  readonly #blockSessions: Float64Array;
  readonly #blockUs: Float64Array;
  #tickBefore: number;
  #atMs: number;
  #gatewayBytesBefore: number;
  #snapshotBytesBefore: number;
  #busyUs = 0;
  #measuredUs = 0;

  constructor(options: LoadMeterOptions, nowMs: number) {
    const { store, grid } = options;
    const { cellCount } = store.grid;
    this.#options = options;
    this.#blockOf = Uint32Array.from({ length: cellCount }, (_, cell) => blockOfCell(grid, cell));
    this.#cellsBefore = new Float64Array(store.costs.cells);
    this.#cellUs = new Float64Array(cellCount);
    this.#sessionsBefore = new Float64Array(store.costs.sessions);
    this.#sessionUs = new Float64Array(store.sessions.capacity);
    this.#cellSessions = new Uint32Array(cellCount);
    this.#cellSessionUs = new Float64Array(cellCount);
    this.#blockEntities = new Float64Array(grid.blockCount);
    this.#blockSessions = new Float64Array(grid.blockCount);
    this.#blockUs = new Float64Array(grid.blockCount);
    this.#tickBefore = store.control.tick;
    this.#atMs = nowMs;
    this.#gatewayBytesBefore = store.costs.gatewayBytes;
    this.#snapshotBytesBefore = store.stats.counter('snapshotBytes');
  }

  /** Looks, and says what was between this look and the ones before. */
  measure(nowMs: number): NodeLoad {
    const { store, tickHz } = this.#options;
    const seconds = Math.max(0.001, (nowMs - this.#atMs) / 1000);
    const ticks = Math.max(1, store.control.tick - this.#tickBefore);
    const durationsUs = this.#readTicks();
    this.#readCosts(ticks);
    const gatewayBytes = store.costs.gatewayBytes;
    const snapshotBytes = store.stats.counter('snapshotBytes');
    const shared = this.#shareOut();
    const load: NodeLoad = {
      tickP50Us: percentile(durationsUs, 0.5),
      tickP99Us: percentile(durationsUs, 0.99),
      busyShare: Math.min(BUSY_SHARE_MAX, (this.#busyUs * tickHz) / 1e6),
      entities: Math.max(0, store.entityCount - store.ghostCount),
      entitiesMax: store.options.entitiesMax,
      sessionsMax: store.sessions.capacity,
      gatewayBytesPerSecond: Math.max(0, gatewayBytes - this.#gatewayBytesBefore) / seconds,
      snapshotBytesPerSecond: Math.max(0, snapshotBytes - this.#snapshotBytesBefore) / seconds,
      shedLevel: store.control.shedLevel,
      ...shared,
    };
    this.#atMs = nowMs;
    this.#tickBefore = store.control.tick;
    this.#gatewayBytesBefore = gatewayBytes;
    this.#snapshotBytesBefore = snapshotBytes;
    return load;
  }

  /** The durations of the last seconds' ticks, sorted; and into the means, how long the ticks since the last look took. */
  #readTicks(): Float64Array {
    const { store, tickHz } = this.#options;
    const last = store.control.tick;
    const first = Math.max(1, last - Math.ceil((PERCENTILE_MS / 1000) * tickHz) + 1);
    const durations: number[] = [];
    let [busyMs, measuredMs, count] = [0, 0, 0];
    for (let tick = first; tick <= last; tick++) {
      const sample = store.stats.tickSample(tick);
      if (sample === undefined) continue;
      durations.push(sample.totalMs * 1000);
      if (tick <= this.#tickBefore) continue;
      busyMs += sample.totalMs;
      measuredMs += sample.simulateMs + sample.indexMs + sample.observeMs;
      count += 1;
    }
    // While it stands still, what it carries is what it carried.
    if (count > 0) {
      const share = this.#busyUs === 0 ? 1 : SMOOTHING;
      this.#busyUs += share * ((busyMs * 1000) / count - this.#busyUs);
      this.#measuredUs += share * ((measuredMs * 1000) / count - this.#measuredUs);
    }
    return Float64Array.from(durations).sort();
  }

  #readCosts(ticks: number): void {
    const { store } = this.#options;
    const { cells, sessions } = store.costs;
    for (let cell = 0; cell < cells.length; cell++) {
      const total = cells[cell]!;
      const costUs = (total - this.#cellsBefore[cell]!) / ticks;
      this.#cellUs[cell]! += SMOOTHING * (costUs - this.#cellUs[cell]!);
      this.#cellsBefore[cell] = total;
    }
    for (let session = 0; session < sessions.length; session++) {
      const total = sessions[session]!;
      const costUs = (total - this.#sessionsBefore[session]!) / ticks;
      this.#sessionUs[session]! += SMOOTHING * (costUs - this.#sessionUs[session]!);
      this.#sessionsBefore[session] = total;
    }
  }

  /** By block: what was measured there, entities and players; then the tick's time, shared out by these. */
  #shareOut(): Pick<NodeLoad, 'blocks' | 'rest' | 'hottestCell' | 'sessions'> {
    const sessions = this.#placeSessions();
    const { store } = this.#options;
    const { cellOwner, lists } = store;
    this.#blockUs.fill(0);
    this.#blockEntities.fill(0);
    this.#blockSessions.fill(0);
    let [measured, entities] = [0, 0];
    for (let cell = 0; cell < this.#cellUs.length; cell++) {
      const count = lists.cellCountOf(cell);
      const costUs = this.#cellUs[cell]! + this.#cellSessionUs[cell]!;
      measured += costUs;
      entities += count;
      if (cellOwner[cell] !== 0) continue;
      const block = this.#blockOf[cell]!;
      this.#blockUs[block]! += costUs;
      this.#blockEntities[block]! += count;
      this.#blockSessions[block]! += this.#cellSessions[cell]!;
    }
    const perMeasured = measured === 0 ? 0 : this.#measuredUs / measured;
    const perEntity = entities === 0 ? 0 : Math.max(0, this.#busyUs - this.#measuredUs) / entities;
    const hottestCell = this.#hottestCell(perMeasured, perEntity);
    const blocks = this.#ownBlocks(perMeasured, perEntity).sort((one, two) => two.costUs - one.costUs);
    return {
      blocks: blocks.slice(0, LOAD_BLOCKS_MAX),
      rest: restOf(blocks.slice(LOAD_BLOCKS_MAX)),
      hottestCell,
      sessions,
    };
  }

  /** Where the sessions' players are. Returns how many sessions this gateway has. */
  #placeSessions(): number {
    const { sessions, columns } = this.#options.store;
    this.#cellSessions.fill(0);
    this.#cellSessionUs.fill(0);
    let count = 0;
    for (let row = 0; row < sessions.capacity; row++) {
      const session = row as SessionIndex;
      if (sessions.gateway(session) === 0 && sessions.state(session) !== SESSION_STATE.free) count++;
      const slot = sessions.slotPlusOne(session) - 1;
      if (slot < 0) continue;
      const cell = columns.cell[slot]!;
      this.#cellSessions[cell]! += 1;
      this.#cellSessionUs[cell]! += this.#sessionUs[row]!;
    }
    return count;
  }

  #ownBlocks(perMeasured: number, perEntity: number): BlockLoad[] {
    const { cellOwner } = this.#options.store;
    const blocks: BlockLoad[] = [];
    let last = -1;
    const seen = new Set<number>();
    for (let cell = 0; cell < this.#blockOf.length; cell++) {
      const block = this.#blockOf[cell]!;
      if (block === last || cellOwner[cell] !== 0 || seen.has(block)) continue;
      last = block;
      seen.add(block);
      const entities = this.#blockEntities[block]!;
      const costUs = this.#blockUs[block]! * perMeasured + entities * perEntity;
      blocks.push({ block, costUs, entities, sessions: this.#blockSessions[block]! });
    }
    return blocks;
  }

  #hottestCell(perMeasured: number, perEntity: number): CellLoad | undefined {
    const { cellOwner, lists } = this.#options.store;
    let hottest = -1;
    let mostUs = 0;
    for (let cell = 0; cell < this.#cellUs.length; cell++) {
      if (cellOwner[cell] !== 0) continue;
      const measuredUs = this.#cellUs[cell]! + this.#cellSessionUs[cell]!;
      const costUs = measuredUs * perMeasured + lists.cellCountOf(cell) * perEntity;
      if (costUs <= mostUs) continue;
      hottest = cell;
      mostUs = costUs;
    }
    if (hottest < 0) return undefined;
    const entities = lists.cellCountOf(hottest);
    return { cell: hottest, costUs: mostUs, entities, sessions: this.#cellSessions[hottest]! };
  }
}

function restOf(blocks: readonly BlockLoad[]): NodeLoad['rest'] {
  const rest = { blocks: blocks.length, costUs: 0, entities: 0, sessions: 0 };
  for (const { costUs, entities, sessions } of blocks) {
    rest.costUs += costUs;
    rest.entities += entities;
    rest.sessions += sessions;
  }
  return rest;
}

/** Of a sorted list; 0 of an empty one. */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
