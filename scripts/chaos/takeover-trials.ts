/**
 * How long the entities of a killed node stand still: `kill -9` of one of the nodes under load, again and again, with
 * neighbours that take over at once. Measured from the kill to the first answer of another node that simulates one of them.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Random, mixSeed } from '../../src/base/random.ts';
import { journalPlaces } from '../../src/main/audit/cluster-reader.ts';
import { readJournal } from '../../src/main/audit/journal-reader.ts';
import type { OwnedRow } from '../../src/main/audit/evidence.ts';
import { loadOf } from '../cluster/node-load.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import type { ProcessNode } from '../cluster/process-node.ts';
import { ChaosRun, Walkers } from './chaos-run.ts';
import type { Sighting, Walker } from './walker.ts';

export interface TakeoverOptions {
  readonly trials: number;
  readonly seed: number;
  readonly nodes: number;
  readonly clients: number;
  readonly onProgress?: (text: string) => void;
}

export interface Trial {
  readonly node: string;
  readonly entities: number;
  /** From the kill until another node simulates the first, and all, of its entities; infinite if never. */
  readonly firstTickMs: number;
  readonly allMs: number;
  /** How old the position was at which a player of that node came back: the oldest of those seen; NaN when none was. */
  readonly positionAgeMs: number;
  /** Entities of the dead journal that are nowhere, or older than it had them. */
  readonly durableLost: number;
}

export interface TakeoverResult {
  readonly trials: readonly Trial[];
  readonly wrong: readonly string[];
}

const TAKEOVER_AFTER_MS = 0;
/** The default. */
const LEASE_MS = 1000;
const REVIVED_MS_MAX = 20_000;
const POLL_MS = 5;
const BETWEEN_MS = 4000;
/** Sightings that a client may still have been sent from before the kill. */
const FLIGHT_MS = 150;
/** What a player walks in one tick and a snapshot. */
const NEAR_METRES = 1.5;

export async function runTakeoverTrials(options: TakeoverOptions): Promise<TakeoverResult> {
  const tell = options.onProgress ?? (() => {});
  await using cluster = await ProcessCluster.start({
    nodes: options.nodes,
    takeoverAfterMs: TAKEOVER_AFTER_MS,
    leaseMs: LEASE_MS,
    wanderersPerCell: 30,
    withDisk: false,
  });
  using walkers = await Walkers.join(cluster, { count: options.clients, seed: options.seed });
  const run = new ChaosRun({ cluster, walkers, tell });
  const random = new Random(mixSeed(options.seed, 3));
  const trials: Trial[] = [];
  for (let number = 0; number < options.trials; number++) {
    await wait(BETWEEN_MS);
    const node = await someOwner(cluster, random);
    const trial = await tryTakeover(node, { cluster, walkers });
    trials.push(trial);
    tell(trialText(trial));
    node.start();
    if (!(await node.ready()) && !node.isRunning) node.start();
  }
  await cluster.heal();
  await wait(BETWEEN_MS);
  const final = await run.audit({ settleMs: undefined });
  const wrong = [...run.wrong];
  if (final.verdict !== 'proven') wrong.push(`the last audit says "${final.verdict}"`);
  for (const trial of trials) {
    if (trial.durableLost > 0) wrong.push(`${trial.durableLost} durable changes were lost with ${trial.node}`);
    if (!Number.isFinite(trial.allMs)) wrong.push(`not all entities of ${trial.node} came back`);
  }
  return { trials, wrong };
}

/** One that came back a moment ago has nothing yet that could be taken over. */
async function someOwner({ nodes }: ProcessCluster, random: Random): Promise<ProcessNode> {
  const loads = await Promise.all(nodes.map(loadOf));
  const owners = nodes.filter((_, index) => loads[index]!.entities > 0);
  return owners[random.below(owners.length)] ?? nodes[0]!;
}

async function tryTakeover(
  node: ProcessNode,
  { cluster, walkers }: { cluster: ProcessCluster; walkers: Walkers },
): Promise<Trial> {
  const players = walkers.all.filter((walker) => walker.owner === node.name && walker.gateway !== node.name);
  const journal = journalOf(node, cluster);
  const killedAtMs = performance.now();
  await node.kill();
  const dead = journalRows(journal);
  const waiting = new Set([...dead.values()].filter(({ atRest }) => !atRest).map(({ id }) => id));
  const count = waiting.size;
  let firstTickMs = Number.POSITIVE_INFINITY;
  while (waiting.size > 0 && performance.now() - killedAtMs < REVIVED_MS_MAX) {
    for (const other of cluster.nodes) if (other !== node) await strikeActive(other, waiting);
    if (waiting.size < count) firstTickMs = Math.min(firstTickMs, performance.now() - killedAtMs);
    await wait(POLL_MS);
  }
  const allMs = waiting.size === 0 ? performance.now() - killedAtMs : Number.POSITIVE_INFINITY;
  await wait(500);
  const ages = players.map((walker) => positionAgeMs(walker, killedAtMs)).filter((age) => !Number.isNaN(age));
  return {
    node: node.name,
    entities: count,
    firstTickMs,
    allMs,
    positionAgeMs: ages.length === 0 ? Number.NaN : Math.max(...ages),
    durableLost: durableLost(dead, cluster),
  };
}

function journalOf(node: ProcessNode, cluster: ProcessCluster): string {
  const place = journalPlaces({ directory: cluster.directoryUrl }).find(
    ({ name, file }) => name === node.name && file.endsWith('journal.sqlite'),
  );
  if (place === undefined) throw new Error(`no journal of ${node.name}`);
  return place.file;
}

/** What was on disk when the process died. */
function journalRows(file: string): ReadonlyMap<number, OwnedRow> {
  return readJournal({ name: 'dead', folder: '', file }).entities;
}

async function strikeActive(node: ProcessNode, waiting: Set<number>): Promise<void> {
  try {
    const response = await fetch(`http://127.0.0.1:${node.port}/entities`, { signal: AbortSignal.timeout(2000) });
    const { entities } = (await response.json()) as { entities: { id: number; ghostOf: number }[] };
    for (const { id, ghostOf } of entities) if (ghostOf === 0) waiting.delete(id);
  } catch {
    // It is busy with the takeover; the next look finds it.
  }
}

/** The player's first sighting after the kill, against its own track: where along it was that, and how long before? */
function positionAgeMs({ track }: Walker, killedAtMs: number): number {
  const after = track.find(({ atMs }) => atMs > killedAtMs + FLIGHT_MS);
  const before = track.filter(({ atMs }) => atMs <= killedAtMs + FLIGHT_MS);
  const [first] = before;
  if (after === undefined || first === undefined) return Number.NaN;
  const metres = (sighting: Sighting): number => Math.hypot(sighting.x - after.x, sighting.z - after.z);
  const nearest = before.reduce((best, sighting) => (metres(sighting) <= metres(best) ? sighting : best), first);
  // A way that crosses itself passes the place more than once; the last time is meant.
  const same = before.findLast((sighting) => metres(sighting) <= Math.max(NEAR_METRES, metres(nearest))) ?? nearest;
  return Math.max(0, killedAtMs - same.atMs);
}

/** Whoever owns it now must have it as the dead journal had it, or newer. */
function durableLost(dead: ReadonlyMap<number, OwnedRow>, cluster: ProcessCluster): number {
  const now = new Map<number, { seq: number; lastInput: number }>();
  for (const journal of journalPlaces({ directory: cluster.directoryUrl }).map(readJournal)) {
    if (journal.isTaken) continue;
    for (const row of [...journal.entities.values(), ...journal.outbox]) {
      if ((now.get(row.id)?.seq ?? -1) < row.seq) now.set(row.id, row);
    }
  }
  return [...dead.values()].filter((row) => {
    const later = now.get(row.id);
    return later === undefined || later.seq < row.seq || later.lastInput < row.lastInput;
  }).length;
}

export function trialText({ node, entities, firstTickMs, allMs, positionAgeMs, durableLost }: Trial): string {
  const positions = Number.isNaN(positionAgeMs) ? 'no position seen' : `positions ${positionAgeMs.toFixed(0)} ms old`;
  return `${node} with ${entities} entities: first tick elsewhere after ${firstTickMs.toFixed(0)} ms, all after ${allMs.toFixed(0)} ms, ${positions}, ${durableLost} durable changes lost`;
}
