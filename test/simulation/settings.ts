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
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Settings {
  readonly nodes: number;
  readonly entities: number;
  readonly clients: number;
  readonly tickMs: number;
  /** Faults end then. */
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

export function drawSettings(seed: number): Settings {
  const random = new Random(seed);
  for (let skip = 0; skip < 8; skip++) random.nextUint32();
  const nodes = 2 + random.below(4);
  const takeover = (['none', 'file', 'stream'] as const)[random.below(3)]!;
  const kinds = new Set(FAULT_KINDS.filter(() => random.next() < 0.5));
  const entities = 4 + random.below(17);
  return {
    nodes,
    entities,
    clients: Math.min(entities, 1 + random.below(6)),
    tickMs: 50,
    activeMs: random.between(2500, 5000),
    settleMs: 6500,
    takeover,
    restartMs: random.next() < 0.5 ? 200 : 2000,
    kinds,
    faultEveryMs: random.between(20, 60),
    application: {
      cells: nodes * (1 + random.below(3)),
      moveChance: random.next() < 0.3 ? 0.5 : random.between(0.02, 0.15),
      tradeChance: random.next() < 0.5 ? random.between(0.01, 0.1) : 0,
      birthChance: random.next() < 0.5 ? 0.05 : 0,
      despawnChance: random.next() < 0.5 ? 0.1 : 0,
      restChance: random.next() < 0.5 ? 0.01 : 0,
      dwellMs: random.next() < 0.5 ? 0 : 100,
      checkpointMs: 1000,
    },
  };
}
