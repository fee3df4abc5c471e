/**
 * The store of one node: everything that its threads share, in one `WebAssembly.Memory` of fixed size.
 *
 *   ┌────────┬─────────┬───────┬─────────┬───────┬────────┬───────┬──────────┬─────────┬───────┬────────┬────────┐
 *   │ header │ control │ stats │ columns │ lists │ id map │ index │ publish  │ command │ inbox │ rings  │ heap … │
 *   └────────┴─────────┴───────┴─────────┴───────┴────────┴───────┴──────────┴─────────┴───────┴────────┴────────┘
 *   header, 16 × u32: magic · layout version · schema hash · free slots · slots ever used · next id counter · incarnation · cells paused · ghosts
 *
 * The main thread creates it; every thread attaches to the same memory with the same options and so finds the same
 * offsets. Its buffer is a SharedArrayBuffer that never grows: a growable one costs 50 times as much per access.
 */
import { assert } from '../base/assert.ts';
import { CapacityError } from '../base/errors.ts';
import type { Schema } from '../base/schema.ts';
import { Announcements } from './announcements.ts';
import { Costs } from './costs.ts';
import { ColumnSet, planColumns } from './columns.ts';
import type { ColumnOffsets } from './columns.ts';
import { Commands } from './commands.ts';
import { Control, CONTROL_BYTES } from './control.ts';
import { Grid } from './grid.ts';
import type { GridOptions } from './grid.ts';
import { HandoverLog } from './handover-log.ts';
import { Heap } from './heap.ts';
import { IdMap } from './id-map.ts';
import { Inbox } from './inbox.ts';
import { Lists } from './lists.ts';
import { PeerLog } from './peer-log.ts';
import { PeerStats } from './peer-stats.ts';
import { PeerTable } from './peer-table.ts';
import { Published, planPublished } from './published.ts';
import type { PublishedOffsets } from './published.ts';
import { Planner } from './region.ts';
import { Ring } from './ring.ts';
import { Sessions } from './sessions.ts';
import { SpatialIndex } from './spatial.ts';
import { Stats } from './stats.ts';

export interface StoreOptions {
  readonly schema: Schema;
  readonly grid: GridOptions;
  readonly entitiesMax: number;
  readonly sessionsMax: number;
  readonly workers: number;
  /** Metres that an entity may stand outside its cell before it changes cell. */
  readonly hysteresis: number;
  readonly heapBytes: number;
  /** Per worker. */
  readonly commandBytes: number;
  readonly inputRingBytes: number;
  /** Per worker. */
  readonly outboundRingBytes: number;
  /** Of a node of a cluster; without it, what is for clusters takes next to no memory. */
  readonly cluster?:
    | {
        /** Of each ring between simulation, gateway and peer thread. */
        readonly peerRingBytes: number;
        /** Events from other nodes that one tick takes, in bytes; 256 KiB when left out. */
        readonly arrivedEventBytes?: number;
      }
    | undefined;
}

/** What a thread needs to attach; can be posted to it. */
export interface StoreHandle {
  readonly memory: WebAssembly.Memory;
  readonly options: StoreOptions;
}

/** Slots that one item of the move phase covers. */
export const BLOCK_SLOTS = 4096;

const MAGIC = 0x4853_4d57; // "WMSH"
const LAYOUT_VERSION = 3;
const HEADER_BYTES = 64;
const MAGIC_WORD = 0;
const LAYOUT_WORD = 1;
const SCHEMA_WORD = 2;
const FREE_COUNT_WORD = 3;
const SLOTS_HIGH_WORD = 4;
const ID_COUNTER_WORD = 5;
const INCARNATION_WORD = 6;
const GHOST_COUNT_WORD = 8;

const PAGE_BYTES = 65_536;
const PAGES_MAX = 65_536;
const EVENT_BYTES_MIN = 12;
/** Of the rings that a node without a cluster has and does not use. */
const UNUSED_RING_BYTES = 64;
const ARRIVED_EVENT_BYTES = 256 * 1024;

interface Plan {
  readonly header: number;
  readonly control: number;
  readonly stats: number;
  readonly columns: ColumnOffsets;
  readonly leavers: number;
  readonly leaverCounts: number;
  readonly freeSlots: number;
  readonly lists: number;
  readonly idMap: number;
  readonly spatial: number;
  readonly published: PublishedOffsets;
  readonly cellOrder: number;
  readonly cellFlags: number;
  readonly pausedCells: number;
  readonly costs: number;
  readonly dueSessions: number;
  readonly entityHashes: number;
  readonly commands: number;
  readonly inbox: number;
  readonly announcements: number;
  readonly handoverLog: number;
  readonly sessions: number;
  readonly inputRing: number;
  readonly outboundRings: readonly number[];
  readonly cellOwner: number;
  readonly peerTable: number;
  readonly peerStats: number;
  readonly peerLog: number;
  readonly arrivedEvents: number;
  readonly arrivals: number;
  readonly departures: number;
  readonly tunnelRings: readonly number[];
  readonly gatewayToPeer: number;
  readonly peerToGateway: number;
  readonly heap: number;
  readonly sizeBytes: number;
}

export class Store {
  readonly memory: WebAssembly.Memory;
  readonly options: StoreOptions;
  readonly schema: Schema;
  readonly grid: Grid;
  readonly control: Control;
  readonly stats: Stats;
  readonly columns: ColumnSet;
  /** Slots that left their cell in this tick's move phase: those of block b start at b × BLOCK_SLOTS. */
  readonly leavers: Uint32Array<SharedArrayBuffer>;
  readonly leaversOffsetBytes: number;
  readonly leaverCounts: Uint32Array<SharedArrayBuffer>;
  readonly freeSlots: Uint32Array<SharedArrayBuffer>;
  readonly lists: Lists;
  readonly idMap: IdMap;
  readonly spatial: SpatialIndex;
  readonly published: Published;
  /** The items of the open phase, when they are cells. Writer: conductor. */
  readonly cellOrder: Uint32Array<SharedArrayBuffer>;
  /** Per cell: what the index phase has to do, see workers/phases. Writer: conductor. */
  readonly cellFlags: Uint8Array<SharedArrayBuffer>;
  /** Per cell: 1 where world code threw in development mode. Writer: the worker that has the cell. */
  readonly pausedCells: Uint8Array<SharedArrayBuffer>;
  readonly costs: Costs;
  readonly dueSessions: Uint32Array<SharedArrayBuffer>;
  /** Per slot, filled when state is hashed. */
  readonly entityHashes: Uint32Array<SharedArrayBuffer>;
  readonly commands: Commands;
  readonly inbox: Inbox;
  readonly announcements: Announcements;
  readonly handoverLog: HandoverLog;
  readonly sessions: Sessions;
  readonly inputRing: Ring;
  readonly outboundRings: readonly Ring[];
  /** Per cell: 0 this node's, 255 nobody's, else the NodeNumber of its owner. Writer: conductor. */
  readonly cellOwner: Uint8Array<SharedArrayBuffer>;
  readonly peerTable: PeerTable;
  readonly peerStats: PeerStats;
  readonly peerLog: PeerLog;
  /** Events from other nodes for this tick, laid out like commands. Writer: conductor, in intake; readers: workers. */
  readonly arrivedEvents: Uint8Array<SharedArrayBuffer>;
  /** Peer thread → conductor, see arrivals.ts. */
  readonly arrivals: Ring;
  /** Conductor → peer thread, see departures.ts. */
  readonly departures: Ring;
  /** Per worker: snapshots for players whose gateway is another node, framed as in outbound.ts. Reader: peer thread. */
  readonly tunnelRings: readonly Ring[];
  readonly gatewayToPeer: Ring;
  readonly peerToGateway: Ring;
  readonly heap: Heap;
  readonly sizeBytes: number;
  readonly #header: Uint32Array<SharedArrayBuffer>;

  /**
   * @param lastTick The first tick is the one after: nodes of a cluster count alike.
   * @throws CapacityError when the settings together need more memory than one shared memory can have (4 GiB).
   */
  static create(
    options: StoreOptions,
    { incarnation, lastTick = 0 }: { incarnation: number; lastTick?: number },
  ): Store {
    const { sizeBytes } = planStore(options, new Grid(options.grid));
    const pages = Math.ceil(sizeBytes / PAGE_BYTES);
    if (pages > PAGES_MAX) {
      throw new CapacityError('ERR_CAPACITY_MEMORY', {
        setting: 'entitiesMax',
        message: `the store would take ${Math.ceil(sizeBytes / 2 ** 20)} MiB, at most 4,096 are possible: do not raise but lower it, or sessionsMax, heapBytes or commandBytes; otherwise`,
      });
    }
    const memory = allocateMemory(pages);
    const store = new Store({ memory, options });
    store.#header[MAGIC_WORD] = MAGIC;
    store.#header[LAYOUT_WORD] = LAYOUT_VERSION;
    store.#header[SCHEMA_WORD] = options.schema.hash;
    store.#header[INCARNATION_WORD] = incarnation;
    store.#header[ID_COUNTER_WORD] = 1;
    store.control.setTick(lastTick);
    return store;
  }

  static attach(handle: StoreHandle): Store {
    const store = new Store(handle);
    assert(store.#header[MAGIC_WORD] === MAGIC, 'the memory holds a store');
    assert(store.#header[LAYOUT_WORD] === LAYOUT_VERSION, 'the store has this layout');
    assert(store.#header[SCHEMA_WORD] === handle.options.schema.hash, 'the store has this schema');
    return store;
  }

  private constructor({ memory, options }: StoreHandle) {
    const grid = new Grid(options.grid);
    const plan = planStore(options, grid);
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    assert(buffer.byteLength >= plan.sizeBytes, 'the memory is as large as the plan');
    const { schema, entitiesMax, sessionsMax, workers } = options;
    this.memory = memory;
    this.options = options;
    this.schema = schema;
    this.grid = grid;
    this.sizeBytes = plan.sizeBytes;
    this.#header = new Uint32Array(buffer, plan.header, HEADER_BYTES / 4);
    this.control = new Control(buffer, plan.control);
    this.stats = new Stats(buffer, plan.stats, workers);
    this.heap = new Heap(buffer, plan.heap, options.heapBytes);
    this.columns = new ColumnSet(buffer, { offsets: plan.columns, schema, entitiesMax, heap: this.heap });
    this.leavers = new Uint32Array(buffer, plan.leavers, entitiesMax);
    this.leaversOffsetBytes = plan.leavers;
    this.leaverCounts = new Uint32Array(buffer, plan.leaverCounts, blockCount(entitiesMax));
    this.freeSlots = new Uint32Array(buffer, plan.freeSlots, entitiesMax);
    this.lists = new Lists(buffer, plan.lists, { options: listsOptions(options, grid), place: this.columns.place });
    this.idMap = new IdMap(buffer, plan.idMap, entitiesMax);
    this.spatial = new SpatialIndex(buffer, plan.spatial, { grid, entitiesMax, hysteresis: options.hysteresis });
    this.published = new Published(buffer, { offsets: plan.published, schema, columns: this.columns });
    this.cellOrder = new Uint32Array(buffer, plan.cellOrder, grid.cellCount);
    this.cellFlags = new Uint8Array(buffer, plan.cellFlags, grid.cellCount);
    this.pausedCells = new Uint8Array(buffer, plan.pausedCells, grid.cellCount);
    this.costs = new Costs(buffer, plan.costs, { cellCount: grid.cellCount, sessionsMax });
    this.dueSessions = new Uint32Array(buffer, plan.dueSessions, sessionsMax);
    this.entityHashes = new Uint32Array(buffer, plan.entityHashes, entitiesMax);
    this.commands = new Commands(buffer, plan.commands, { ...options, cellCount: grid.cellCount });
    this.inbox = new Inbox(buffer, plan.inbox, inboxOptions(options, grid));
    this.announcements = new Announcements(buffer, plan.announcements);
    this.handoverLog = new HandoverLog(buffer, plan.handoverLog);
    this.sessions = new Sessions(buffer, plan.sessions, sessionsMax);
    this.inputRing = new Ring(buffer, plan.inputRing, options.inputRingBytes);
    this.outboundRings = plan.outboundRings.map((offset) => new Ring(buffer, offset, options.outboundRingBytes));
    const ring = (offset: number) => new Ring(buffer, offset, peerRingBytes(options));
    this.cellOwner = new Uint8Array(buffer, plan.cellOwner, grid.cellCount);
    this.peerTable = new PeerTable(buffer, plan.peerTable, grid.cellCount);
    this.peerStats = new PeerStats(buffer, plan.peerStats);
    this.peerLog = new PeerLog(buffer, plan.peerLog);
    this.arrivedEvents = new Uint8Array(buffer, plan.arrivedEvents, arrivedEventBytes(options));
    this.arrivals = ring(plan.arrivals);
    this.departures = ring(plan.departures);
    this.tunnelRings = plan.tunnelRings.map(ring);
    this.gatewayToPeer = ring(plan.gatewayToPeer);
    this.peerToGateway = ring(plan.peerToGateway);
  }

  get handle(): StoreHandle {
    return { memory: this.memory, options: this.options };
  }

  /** Slots ever used: rows beyond are free. */
  get slotsHigh(): number {
    return this.#header[SLOTS_HIGH_WORD]!;
  }

  set slotsHigh(slots: number) {
    this.#header[SLOTS_HIGH_WORD] = slots;
  }

  get freeCount(): number {
    return this.#header[FREE_COUNT_WORD]!;
  }

  set freeCount(count: number) {
    this.#header[FREE_COUNT_WORD] = count;
  }

  /** Rows in use, those of ghosts included. */
  get entityCount(): number {
    return this.slotsHigh - this.freeCount;
  }

  get ghostCount(): number {
    return this.#header[GHOST_COUNT_WORD]!;
  }

  set ghostCount(count: number) {
    this.#header[GHOST_COUNT_WORD] = count;
  }

  get idCounter(): number {
    return this.#header[ID_COUNTER_WORD]!;
  }

  set idCounter(counter: number) {
    this.#header[ID_COUNTER_WORD] = counter;
  }

  get incarnation(): number {
    return this.#header[INCARNATION_WORD]!;
  }
}

export function blockCount(slots: number): number {
  return Math.ceil(slots / BLOCK_SLOTS);
}

function planStore(options: StoreOptions, grid: Grid): Plan {
  const planner = new Planner();
  const { schema, entitiesMax, sessionsMax, workers } = options;
  const cells = grid.cellCount;
  const plan = {
    header: planner.take(HEADER_BYTES),
    control: planner.take(CONTROL_BYTES),
    stats: planner.take(Stats.sizeBytes(workers)),
    columns: planColumns(planner, schema, entitiesMax),
    leavers: planner.take(entitiesMax * 4),
    leaverCounts: planner.take(blockCount(entitiesMax) * 4),
    freeSlots: planner.take(entitiesMax * 4),
    lists: planner.take(Lists.sizeBytes(listsOptions(options, grid))),
    idMap: planner.take(IdMap.sizeBytes(entitiesMax)),
    spatial: planner.take(SpatialIndex.sizeBytes({ grid, entitiesMax })),
    published: planPublished(planner, schema, entitiesMax),
    cellOrder: planner.take(cells * 4),
    cellFlags: planner.take(cells),
    pausedCells: planner.take(cells),
    costs: planner.take(Costs.sizeBytes({ cellCount: cells, sessionsMax })),
    dueSessions: planner.take(sessionsMax * 4),
    entityHashes: planner.take(entitiesMax * 4),
    commands: planner.take(Commands.sizeBytes({ ...options, cellCount: cells })),
    inbox: planner.take(Inbox.sizeBytes(inboxOptions(options, grid))),
    announcements: planner.take(Announcements.sizeBytes()),
    handoverLog: planner.take(HandoverLog.sizeBytes()),
    sessions: planner.take(Sessions.sizeBytes(sessionsMax)),
    inputRing: planner.take(Ring.sizeBytes(options.inputRingBytes)),
    outboundRings: Array.from({ length: workers }, () => planner.take(Ring.sizeBytes(options.outboundRingBytes))),
    ...planCluster(planner, options, cells),
    heap: planner.take(Heap.sizeBytes(options.heapBytes)),
  };
  return { ...plan, sizeBytes: planner.sizeBytes };
}

function planCluster(planner: Planner, options: StoreOptions, cells: number) {
  const ring = () => planner.take(Ring.sizeBytes(peerRingBytes(options)));
  return {
    cellOwner: planner.take(cells),
    peerTable: planner.take(PeerTable.sizeBytes(cells)),
    peerStats: planner.take(PeerStats.sizeBytes()),
    peerLog: planner.take(PeerLog.sizeBytes()),
    arrivedEvents: planner.take(arrivedEventBytes(options)),
    arrivals: ring(),
    departures: ring(),
    tunnelRings: Array.from({ length: options.workers }, ring),
    gatewayToPeer: ring(),
    peerToGateway: ring(),
  };
}

function peerRingBytes({ cluster }: StoreOptions): number {
  return cluster?.peerRingBytes ?? UNUSED_RING_BYTES;
}

function arrivedEventBytes({ cluster }: StoreOptions): number {
  return cluster === undefined ? 0 : (cluster.arrivedEventBytes ?? ARRIVED_EVENT_BYTES);
}

function listsOptions(options: StoreOptions, grid: Grid) {
  return {
    cellCount: grid.cellCount,
    kindCount: options.schema.kinds.length,
    entitiesMax: options.entitiesMax,
    hasGhosts: options.cluster !== undefined,
  };
}

/** As many entries as events fit the command buffers of one tick, and one for the inputs of each session. */
function inboxOptions(options: StoreOptions, grid: Grid) {
  const eventsMax = Math.floor((options.workers * options.commandBytes) / 2 / EVENT_BYTES_MIN);
  const arrivedMax = Math.floor(arrivedEventBytes(options) / EVENT_BYTES_MIN);
  return { cellCount: grid.cellCount, entriesMax: eventsMax + arrivedMax + options.sessionsMax };
}

function allocateMemory(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new CapacityError('ERR_CAPACITY_MEMORY', {
      setting: 'entitiesMax',
      message: `this machine does not give ${Math.ceil((pages * PAGE_BYTES) / 2 ** 20)} MiB for the store (${String(cause)}); do not raise but lower it; otherwise`,
    });
  }
}
