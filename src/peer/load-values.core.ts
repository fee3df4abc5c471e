/**
 * What a node tells of its load, once a second: the figures that the balancer decides by (balancer.core.ts), and that people see.
 * As text in the directory:
 *
 *   {"tick":[p50,p99],"busy":share,"entities":n,"sessions":n,"room":[entitiesMax,sessionsMax],"bytes":[gateway,snapshots],"shed":level,
 *    "cell":[cell,costUs,entities,sessions] | null,"blocks":[[block,costUs,entities,sessions],…],"rest":[blocks,costUs,entities,sessions]}
 *
 * A text of a later release may have further fields; they are not read.
 */
import { DirectoryError } from './directory-error.ts';

/** Hottest blocks that are told one by one; what the others cost is one sum. */
export const LOAD_BLOCKS_MAX = 256;
/** 256 blocks of four numbers of at most 10 digits, and the rest. */
export const LOAD_TEXT_MAX = 16_384;

export interface CostShare {
  /** Time that a tick spends on it, all threads together; mean of the last seconds, microseconds. */
  readonly costUs: number;
  readonly entities: number;
  /** Sessions whose player is there. */
  readonly sessions: number;
}
export interface BlockLoad extends CostShare {
  readonly block: number;
}
export interface CellLoad extends CostShare {
  readonly cell: number;
}

export interface NodeLoad {
  /** Of the ticks of the last seconds, microseconds. */
  readonly tickP50Us: number;
  readonly tickP99Us: number;
  /** Mean share of its period that a tick takes; 1 and above is too much. */
  readonly busyShare: number;
  /** Of its own, ghosts left out. */
  readonly entities: number;
  /** Its settings of these names. */
  readonly entitiesMax: number;
  readonly sessionsMax: number;
  /** Of its gateway. */
  readonly sessions: number;
  readonly gatewayBytesPerSecond: number;
  /** Made here, for clients of any gateway: this part moves with the players. */
  readonly snapshotBytesPerSecond: number;
  readonly shedLevel: number;
  readonly hottestCell: CellLoad | undefined;
  /** Hottest first. */
  readonly blocks: readonly BlockLoad[];
  /** Its other blocks, together. */
  readonly rest: CostShare & { readonly blocks: number };
}

/** As the directory has it. */
export interface ReportedLoad extends NodeLoad {
  readonly node: number;
  readonly incarnation: number;
  /** Of the directory when it was written: a reader that sees it unchanged has an old report. */
  readonly revision: number;
}

/** @throws DirectoryError ERR_DIRECTORY_VALUE */
export function loadText(load: NodeLoad): string {
  const { hottestCell: cell } = load;
  const text = JSON.stringify({
    tick: [whole(load.tickP50Us), whole(load.tickP99Us)],
    busy: Math.round(load.busyShare * 10_000) / 10_000,
    entities: load.entities,
    sessions: load.sessions,
    room: [load.entitiesMax, load.sessionsMax],
    bytes: [whole(load.gatewayBytesPerSecond), whole(load.snapshotBytesPerSecond)],
    shed: load.shedLevel,
    cell: cell === undefined ? null : [cell.cell, ...numbersOf(cell)],
    blocks: load.blocks.map((block) => [block.block, ...numbersOf(block)]),
    rest: [load.rest.blocks, ...numbersOf(load.rest)],
  });
  readLoadText(text);
  return text;
}

/** @throws DirectoryError ERR_DIRECTORY_VALUE for anything that loadText does not write. */
export function readLoadText(text: string): NodeLoad {
  demand(text.length <= LOAD_TEXT_MAX, `a load report has at most ${LOAD_TEXT_MAX} characters, found ${text.length}`);
  const given = parsed(text);
  const [tickP50Us, tickP99Us] = counts(given['tick'], 2) as [number, number];
  const busyShare = given['busy'];
  demand(typeof busyShare === 'number' && busyShare >= 0 && busyShare <= BUSY_SHARE_MAX, 'a busy share is 0 to 1,000');
  const [entities, sessions, shedLevel] = counts([given['entities'], given['sessions'], given['shed']], 3) as Three;
  const [entitiesMax, sessionsMax] = counts(given['room'], 2) as [number, number];
  const [gatewayBytesPerSecond, snapshotBytesPerSecond] = counts(given['bytes'], 2) as [number, number];
  demand(shedLevel <= SHED_LEVEL_BOUND, `a shed level is 0 to ${SHED_LEVEL_BOUND}`);
  const blocks = given['blocks'];
  demand(
    Array.isArray(blocks) && blocks.length <= LOAD_BLOCKS_MAX,
    `a load report has ${LOAD_BLOCKS_MAX} blocks at most`,
  );
  const [restBlocks, ...rest] = counts(given['rest'], 4) as Four;
  return {
    tickP50Us,
    tickP99Us,
    busyShare,
    entities,
    entitiesMax,
    sessions,
    sessionsMax,
    gatewayBytesPerSecond,
    snapshotBytesPerSecond,
    shedLevel,
    hottestCell: given['cell'] === null ? undefined : cellFrom(counts(given['cell'], 4) as Four),
    blocks: blocks.map((block) => blockFrom(counts(block, 4) as Four)),
    rest: { blocks: restBlocks, ...shareFrom(rest) },
  };
}

type Three = [number, number, number];
type Four = [number, number, number, number];

/** A tick of a thousand periods is no figure that anybody decides by. */
export const BUSY_SHARE_MAX = 1000;
/** This release has four; another may have some more. */
const SHED_LEVEL_BOUND = 15;

function cellFrom([cell, ...share]: Four): CellLoad {
  return { cell, ...shareFrom(share) };
}

function blockFrom([block, ...share]: Four): BlockLoad {
  return { block, ...shareFrom(share) };
}

function shareFrom([costUs, entities, sessions]: Three): CostShare {
  return { costUs, entities, sessions };
}

function numbersOf({ costUs, entities, sessions }: CostShare): number[] {
  return [whole(costUs), entities, sessions];
}

function whole(value: number): number {
  return Math.round(value);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const given: unknown = JSON.parse(text);
    if (typeof given === 'object' && given !== null) return given as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new DirectoryError('ERR_DIRECTORY_VALUE', 'a load report is a JSON object');
}

function counts(given: unknown, length: number): number[] {
  demand(Array.isArray(given) && given.length === length, `a load report has a list of ${length} numbers here`);
  for (const value of given as unknown[]) {
    demand(Number.isSafeInteger(value) && (value as number) >= 0, 'a load report has whole numbers from 0 on');
  }
  return given as number[];
}

function demand(isMet: boolean, message: string): asserts isMet {
  if (!isMet) throw new DirectoryError('ERR_DIRECTORY_VALUE', message);
}
