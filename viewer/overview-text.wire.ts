/**
 * The JSON messages of the overview feed: `world` first, in a cluster `nodes`, then `stats` four times a second. Everything is checked
 * before the page relies on it; a missing number in `stats` is zero, because a server may be older than the page.
 */
import { WireError } from '../src/base/errors.ts';

export const CELLS_MAX = 1 << 20;
const TICKS_MAX = 1024;
const PAUSED_MAX = 1024;
const KINDS_MAX = 256;
const TEXT_MAX = 500;
const DECISIONS_MAX = 64;
const NODES_MAX = 64;
const STUCK_MAX = 64;
const COMPONENTS_MAX = 64;
const FIELDS_MAX = 256;
const ITEMS_MAX = 64;
const TRACE_LINES_MAX = 1000;
const LEDGERS_MAX = 64;

export interface GridShape {
  /** Metres. */
  readonly cellSize: number;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  /** The cell coordinates of column and row 0. */
  readonly firstCellX: number;
  readonly firstCellZ: number;
  readonly width: number;
  readonly depth: number;
}

export interface KindInfo {
  readonly name: string;
  readonly sheddable: boolean;
}

export interface WorldMessage {
  readonly type: 'world';
  readonly name: string;
  readonly kinds: readonly KindInfo[];
  readonly inputFields: readonly string[];
  /** By name of the component: all, owner or none. */
  readonly visibility: Readonly<Record<string, string>>;
  readonly grid: GridShape;
  readonly tickHz: number;
  readonly snapshotHz: number;
  readonly aoiRadius: number;
}

export const PHASES = ['intake', 'simulate', 'move', 'settle', 'index', 'observe'] as const;
export type Phase = (typeof PHASES)[number];

export interface TickRow {
  readonly tick: number;
  readonly totalMs: number;
  readonly latenessMs: number;
  readonly localHandovers: number;
  /** Milliseconds in the order of PHASES. */
  readonly phasesMs: readonly number[];
}

export interface PausedCell {
  readonly cell: number;
  readonly system: string;
  readonly entity: number;
  readonly message: string;
}

export interface StatsMessage {
  readonly type: 'stats';
  readonly tick: number;
  readonly ticks: readonly TickRow[];
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
  readonly gateway: Readonly<Record<string, number>>;
  /** Entities per cell, row by row. */
  readonly cells: readonly number[];
  /** Microseconds of a tick per cell; empty from a node of an earlier release. */
  readonly costs: readonly number[];
  readonly pausedCells: readonly PausedCell[];
  /** In a cluster, by cell: 0 the sender's, else the number of the owner, 255 nobody's; empty outside of one. */
  readonly owners: readonly number[];
  /** Of the sender, in a cluster. */
  readonly links: readonly LinkInfo[];
  readonly stuck: readonly StuckHandover[];
}

export interface LinkInfo {
  /** Number of the other side. */
  readonly node: number;
  /** up, down or fenced. */
  readonly state: string;
  /** Undefined when it is not measured. */
  readonly rttMs: number | undefined;
  readonly credits: number;
  readonly queueBytes: number;
  /** closed, halfOpen or open. */
  readonly breaker: string;
}

/** In doubt for more than some seconds. */
export interface StuckHandover {
  readonly entity: number;
  /** Number of the target. */
  readonly node: number;
  readonly seconds: number;
}

export interface NodeInfo {
  /** Its number in the cluster. */
  readonly node: number;
  readonly name: string;
  readonly clientUrl: string;
  /** joining, active, draining, gone, fenced. */
  readonly state: string;
}

export interface NodesMessage {
  readonly type: 'nodes';
  /** Who says this. */
  readonly self: { readonly node: number; readonly name: string };
  readonly nodes: readonly NodeInfo[];
  /** Of the balancer, newest last. */
  readonly decisions: readonly DecisionInfo[];
}

export interface DecisionInfo {
  /** UTC milliseconds. */
  readonly atMs: number;
  readonly kind: string;
  readonly outcome: string;
  readonly text: string;
}

/** A list or raw bytes, by their beginning. */
export interface LongValue {
  readonly count: number;
  readonly first: readonly unknown[];
}
/** Null: it was being written when it was read. */
export type ShownValue = number | boolean | string | LongValue | null;
export type ComponentValues = Readonly<Record<string, Readonly<Record<string, ShownValue>>>>;

/** What a node's store has of one entity. */
export interface EntityRow {
  readonly slot: number;
  readonly kind: number;
  readonly seq: number;
  /** 0 when the node owns it, else the number of its owner. */
  readonly ghostOf: number;
  readonly session: number;
  readonly lastInput: number;
  readonly cell: number;
  readonly x: number;
  readonly z: number;
  readonly vx: number;
  readonly vz: number;
  readonly components: ComponentValues;
}

export interface EntityMessage {
  readonly type: 'entity';
  readonly id: number;
  /** Undefined: no such entity at this node. */
  readonly row: EntityRow | undefined;
}

export interface TraceSubject {
  readonly kind: 'entity' | 'session';
  readonly id: number;
}

export interface TraceLine {
  readonly atMs: number;
  readonly stage: string;
  readonly entity: number;
  readonly seq: number;
  readonly session: number;
  readonly peer: string;
  readonly transferSeq: number;
}

export interface TraceMessage {
  readonly type: 'trace';
  readonly node: string;
  readonly subject: TraceSubject;
  /** Of the journals that were read. */
  readonly ledgers: readonly string[];
  readonly lines: readonly TraceLine[];
  readonly olderCount: number;
  readonly isCut: boolean;
  readonly problem: string;
}

export type TextMessage = WorldMessage | StatsMessage | NodesMessage | EntityMessage | TraceMessage;

/** Throws WireError. Undefined for a message of a type that this page does not know. */
export function decodeText(text: string): TextMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('ERR_WIRE_JSON', `an overview text is not JSON: ${String(cause)}`);
  }
  const message = asRecord(value, 'message');
  if (message.type === 'world') return decodeWorld(message);
  if (message.type === 'stats') return decodeStats(message);
  if (message.type === 'nodes') return decodeNodes(message);
  if (message.type === 'entity') return decodeEntity(message);
  if (message.type === 'trace') return decodeTrace(message);
  return undefined;
}

function decodeWorld(message: Record<string, unknown>): WorldMessage {
  const schema = asRecord(message.schema, 'schema');
  const kinds = asArray(schema.kinds, 'schema.kinds', KINDS_MAX).map((kind) => {
    const row = asRecord(kind, 'kind');
    return { name: asText(row.name), sheddable: row.sheddable === true };
  });
  const input = asArray(schema.input ?? [], 'schema.input', KINDS_MAX);
  return {
    type: 'world',
    name: asText(message.name),
    kinds,
    visibility: Object.fromEntries(
      asArray(schema.components ?? [], 'schema.components', COMPONENTS_MAX).map((component) => {
        const row = asRecord(component, 'component');
        return [asText(row.name), asText(row.visible)];
      }),
    ),
    inputFields: input.map((field) => asText(asRecord(field, 'input field').name)),
    grid: decodeGrid(asRecord(message.grid, 'grid')),
    tickHz: positive(message.tickHz, 'tickHz'),
    snapshotHz: positive(message.snapshotHz, 'snapshotHz'),
    aoiRadius: positive(message.aoiRadius, 'aoiRadius'),
  };
}

function decodeGrid(grid: Record<string, unknown>): GridShape {
  const shape: GridShape = {
    cellSize: positive(grid.cellSize, 'grid.cellSize'),
    minX: finite(grid.minX, 'grid.minX'),
    minZ: finite(grid.minZ, 'grid.minZ'),
    maxX: finite(grid.maxX, 'grid.maxX'),
    maxZ: finite(grid.maxZ, 'grid.maxZ'),
    firstCellX: finite(grid.firstCellX, 'grid.firstCellX'),
    firstCellZ: finite(grid.firstCellZ, 'grid.firstCellZ'),
    width: positive(grid.width, 'grid.width'),
    depth: positive(grid.depth, 'grid.depth'),
  };
  const { width, depth } = shape;
  if (!Number.isInteger(width) || !Number.isInteger(depth) || width * depth > CELLS_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `a grid has at most ${CELLS_MAX} cells, got ${width} × ${depth}`);
  }
  if (!(shape.maxX > shape.minX && shape.maxZ > shape.minZ)) {
    throw new WireError('ERR_WIRE_RANGE', 'the world of the overview feed has no area');
  }
  return shape;
}

function decodeStats(message: Record<string, unknown>): StatsMessage {
  return {
    type: 'stats',
    tick: finite(message.tick, 'tick'),
    ticks: asArray(message.ticks ?? [], 'ticks', TICKS_MAX).map((row) => decodeTick(asRecord(row, 'tick'))),
    counters: numbers(message.counters),
    gauges: numbers(message.gauges),
    gateway: numbers(message.gateway),
    cells: asArray(message.cells ?? [], 'cells', CELLS_MAX).map(numberOrZero),
    costs: asArray(message.costs ?? [], 'costs', CELLS_MAX).map(numberOrZero),
    owners: asArray(message.owners ?? [], 'owners', CELLS_MAX).map(numberOrZero),
    links: asArray(message.links ?? [], 'links', NODES_MAX).map((row) => decodeLink(asRecord(row, 'link'))),
    stuck: asArray(message.stuck ?? [], 'stuck', STUCK_MAX).map((row) => {
      const { entity, node, seconds } = asRecord(row, 'stuck handover');
      return { entity: numberOrZero(entity), node: numberOrZero(node), seconds: numberOrZero(seconds) };
    }),
    pausedCells: asArray(message.pausedCells ?? [], 'pausedCells', PAUSED_MAX).map((row) => {
      const paused = asRecord(row, 'paused cell');
      return {
        cell: numberOrZero(paused.cell),
        system: asText(paused.system),
        entity: numberOrZero(paused.entity),
        message: asText(paused.message),
      };
    }),
  };
}

function decodeLink(row: Record<string, unknown>): LinkInfo {
  return {
    node: numberOrZero(row.node),
    state: asText(row.state),
    rttMs: typeof row.rttMs === 'number' ? numberOrZero(row.rttMs) : undefined,
    credits: numberOrZero(row.credits),
    queueBytes: numberOrZero(row.queueBytes),
    breaker: asText(row.breaker),
  };
}

function decodeNodes(message: Record<string, unknown>): NodesMessage {
  const self = asRecord(message.self, 'self');
  return {
    type: 'nodes',
    self: { node: numberOrZero(self.node), name: asText(self.name) },
    nodes: asArray(message.nodes ?? [], 'nodes', NODES_MAX).map((row) => {
      const node = asRecord(row, 'node');
      return {
        node: numberOrZero(node.node),
        name: asText(node.name),
        clientUrl: asText(node.clientUrl),
        state: asText(node.state),
      };
    }),
    decisions: asArray(message.decisions ?? [], 'decisions', DECISIONS_MAX).map((row) => {
      const { atMs, kind, outcome, text } = asRecord(row, 'decision');
      return { atMs: numberOrZero(atMs), kind: asText(kind), outcome: asText(outcome), text: asText(text) };
    }),
  };
}

function decodeEntity(message: Record<string, unknown>): EntityMessage {
  const id = finite(message.id, 'id');
  if (message.isHere !== true) return { type: 'entity', id, row: undefined };
  const row: EntityRow = {
    slot: finite(message.slot, 'slot'),
    kind: numberOrZero(message.kind),
    seq: numberOrZero(message.seq),
    ghostOf: numberOrZero(message.ghostOf),
    session: numberOrZero(message.session),
    lastInput: numberOrZero(message.lastInput),
    cell: numberOrZero(message.cell),
    x: finite(message.x, 'x'),
    z: finite(message.z, 'z'),
    vx: numberOrZero(message.vx),
    vz: numberOrZero(message.vz),
    components: entriesOf(message.components, 'components', COMPONENTS_MAX, (fields, name) =>
      entriesOf(fields, name, FIELDS_MAX, shownValue),
    ),
  };
  return { type: 'entity', id, row };
}

function decodeTrace(message: Record<string, unknown>): TraceMessage {
  const subject = asRecord(message.subject, 'subject');
  return {
    type: 'trace',
    node: asText(message.node),
    subject: { kind: subject.kind === 'session' ? 'session' : 'entity', id: finite(subject.id, 'subject.id') },
    ledgers: asArray(message.ledgers ?? [], 'ledgers', LEDGERS_MAX).map(asText),
    lines: asArray(message.lines ?? [], 'lines', TRACE_LINES_MAX).map((value) => {
      const line = asRecord(value, 'line');
      return {
        atMs: numberOrZero(line.atMs),
        stage: asText(line.stage),
        entity: numberOrZero(line.entity),
        seq: numberOrZero(line.seq),
        session: numberOrZero(line.session),
        peer: asText(line.peer),
        transferSeq: numberOrZero(line.transferSeq),
      };
    }),
    olderCount: numberOrZero(message.olderCount),
    isCut: message.isCut === true,
    problem: asText(message.problem),
  };
}

function shownValue(value: unknown): ShownValue {
  if (typeof value === 'string') return asText(value);
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return numberOrZero(value);
  const long = asRecord(value, 'value');
  return { count: numberOrZero(long.count), first: asArray(long.first ?? [], 'first', ITEMS_MAX) };
}

/** Never a prototype: names come from outside. */
function entriesOf<Value>(
  value: unknown,
  name: string,
  countMax: number,
  read: (value: unknown, name: string) => Value,
): Readonly<Record<string, Value>> {
  const entries = Object.entries(asRecord(value, name));
  asArray(entries, name, countMax);
  return Object.fromEntries(entries.map(([key, inner]) => [key, read(inner, key)]));
}

function decodeTick(row: Record<string, unknown>): TickRow {
  return {
    tick: numberOrZero(row.tick),
    totalMs: numberOrZero(row.totalMs),
    latenessMs: numberOrZero(row.latenessMs),
    localHandovers: numberOrZero(row.localHandovers),
    phasesMs: PHASES.map((phase) => numberOrZero(row[`${phase}Ms`])),
  };
}

function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new WireError('ERR_WIRE_JSON', `overview feed: "${name}" is an object`);
}

function asArray(value: unknown, name: string, countMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new WireError('ERR_WIRE_JSON', `overview feed: "${name}" is a list`);
  if (value.length <= countMax) return value;
  throw new WireError(
    'ERR_WIRE_RANGE',
    `overview feed: "${name}" has ${value.length} rows, at most ${countMax} are allowed`,
  );
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, TEXT_MAX) : '';
}

function finite(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new WireError('ERR_WIRE_RANGE', `overview feed: "${name}" is a finite number`);
}

function positive(value: unknown, name: string): number {
  const number = finite(value, name);
  if (number > 0) return number;
  throw new WireError('ERR_WIRE_RANGE', `overview feed: "${name}" is above zero, got ${number}`);
}

function numberOrZero(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function numbers(value: unknown): Record<string, number> {
  if (value === undefined) return {};
  return Object.fromEntries(
    Object.entries(asRecord(value, 'numbers')).map(([name, number]) => [name, numberOrZero(number)]),
  );
}
