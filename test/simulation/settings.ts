/** One schedule: how big the world is, and what may go wrong. Drawn from the seed (swarm: each kind is off every second time). */
import { Random } from '../../src/base/random.ts';
import type { ApplicationSettings } from './application.ts';

export const FAULT_KINDS = [
  'kill',
  'powerLoss',
  'crashAtEffect',
  'machineLoss',
  'pause',
  'pauseAtEffect',
  'reset',
  'partition',
  'oneWayCut',
  'delay',
  'loss',
  'repeat',
  'slowDisk',
  'fullDisk',
  'directoryDown',
  'directorySlow',
  'directoryCut',
  'lostAnswers',
  'drift',
  'standingClock',
  'refusal',
  'draining',
  'cellMove',
  'reconnect',
  'allDown',
  'buddyAhead',
  'buddyBehind',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Settings {
  readonly nodes: number;
  readonly entities: number;
  readonly clients: number;
  readonly tickMs: number;
  /** Faults begin then. */
  readonly calmMs: number;
  /** Faults end then, or when there were enough of them. */
  readonly activeMs: number;
  /** After that long without faults everything must be resolved (C3, C8). */
  readonly settleMs: number;
  /** Who takes what a dead process had: nobody, whoever gets its file, or its buddy. */
  readonly takeover: 'none' | 'file' | 'stream';
  /** A process starts again within. */
  readonly restartMs: number;
  readonly kinds: ReadonlySet<FaultKind>;
  /** Mean time between faults that are begun on purpose. */
  readonly faultEveryMs: number;
  readonly application: ApplicationSettings;
}

/** What every schedule has, whatever was drawn. */
export const FAULTS_MIN = 100;
export const FAULT_KINDS_MIN = 8;
/** Kinds in a schedule that are begun on purpose, and that need nothing else to come to pass. */
const KINDS_BEGUN_MIN = 11;
const BEGUN: ReadonlySet<FaultKind> = new Set([
  'kill',
  'powerLoss',
  'pause',
  'reset',
  'partition',
  'oneWayCut',
  'slowDisk',
  'fullDisk',
  'directoryDown',
  'directorySlow',
  'directoryCut',
  'refusal',
  'draining',
  'cellMove',
]);
/** Every eighth seed is about buddies: protected nodes that lose their disk's last words, and then their machine. */
const BUDDY_SEED_EVERY = 8;
/** Time for all to be protected, and for one to be lost while its buddy has more than it, or less. */
const BUDDY_CALM_MS = 2400;

export function drawSettings(seed: number): Settings {
  const random = new Random(seed);
  for (let skip = 0; skip < 8; skip++) random.nextUint32();
  const isAboutBuddies = seed % BUDDY_SEED_EVERY === 0;
  const nodes = (isAboutBuddies ? 3 : 2) + random.below(isAboutBuddies ? 3 : 4);
  const takeover = isAboutBuddies ? 'stream' : (['none', 'file', 'stream'] as const)[random.below(3)]!;
  const kinds = drawKinds(random, isAboutBuddies);
  const entities = 4 + random.below(17);
  return {
    nodes,
    entities,
    clients: Math.min(entities, 1 + random.below(6)),
    tickMs: 50,
    calmMs: isAboutBuddies ? BUDDY_CALM_MS : 150,
    activeMs: random.between(2200, 4000),
    settleMs: 6500,
    takeover,
    restartMs: random.next() < 0.5 ? 200 : 2000,
    kinds,
    faultEveryMs: random.between(10, 25),
    application: {
      cells: nodes * (1 + random.below(3)),
      moveChance: random.next() < 0.3 || isAboutBuddies ? 0.5 : random.between(0.02, 0.15),
      tradeChance: random.next() < 0.5 ? random.between(0.01, 0.1) : 0,
      birthChance: random.next() < 0.5 ? 0.05 : 0,
      despawnChance: random.next() < 0.5 ? 0.1 : 0,
      restChance: random.next() < 0.5 ? 0.01 : 0,
      dwellMs: random.next() < 0.5 ? 0 : 100,
      checkpointMs: 1000,
      publishChance: random.next() < 0.6 ? random.between(0.02, 0.3) : 0,
    },
  };
}

function drawKinds(random: Random, isAboutBuddies: boolean): ReadonlySet<FaultKind> {
  const kinds = new Set(FAULT_KINDS.filter(() => random.next() < 0.5));
  const begun = [...BEGUN];
  while (begun.filter((kind) => kinds.has(kind)).length < KINDS_BEGUN_MIN)
    kinds.add(begun[random.below(begun.length)]!);
  if (!isAboutBuddies) return kinds;
  kinds.add('machineLoss').add('buddyAhead').add('buddyBehind');
  // These would hide what such a seed is to show: nobody stays protected.
  for (const kind of ['allDown', 'directoryDown', 'directoryCut', 'standingClock'] as const) kinds.delete(kind);
  return kinds;
}

/** What is counted beside faults: what came of them. */
const CONSEQUENCES: ReadonlySet<string> = new Set(['late frame', 'lease over', 'frame of a fenced process']);

export function faultsOf(counted: ReadonlyMap<string, number>): { readonly counts: number; readonly kinds: number } {
  let counts = 0;
  let kinds = 0;
  for (const [kind, count] of counted) {
    if (CONSEQUENCES.has(kind)) continue;
    counts += count;
    kinds += 1;
  }
  return { counts, kinds };
}
