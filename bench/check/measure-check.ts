/** One attempt at a check: several processes, one after the other, and the median of what they say. */
import { fileURLToPath } from 'node:url';
import { jsonOf } from '../child-output.ts';
import type { Figures } from '../peers/measure.ts';
import type { Check, PeersCheck } from './checks.ts';
import { median } from './pair.ts';
import type { PairRatio } from './pair.ts';

const RATIO_PROCESS = fileURLToPath(new URL('ratio-process.ts', import.meta.url));
const PEERS = fileURLToPath(new URL('../peers/run.ts', import.meta.url));

export interface Effort {
  /** Processes of an attempt; of the peers bench, rounds. */
  readonly processes: number;
  /** In which a process measures, after setting up. */
  readonly seconds: number;
  /** In which the peers bench measures one side once. */
  readonly peersSeconds: number;
}

export async function measureCheck(check: Check, effort: Effort): Promise<number> {
  if (check.kind === 'peers') return await measurePeers(check, effort);
  const ratios: number[] = [];
  for (let index = 0; index < effort.processes; index++) {
    const { ratio } = await jsonOf<PairRatio>([RATIO_PROCESS, check.name, String(effort.seconds)]);
    ratios.push(ratio);
  }
  return median(ratios);
}

async function measurePeers({ clients }: PeersCheck, { processes, peersSeconds }: Effort): Promise<number> {
  const flags = { clients, seconds: peersSeconds, rounds: processes, sides: 'worldmesh,bare' };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const { results } = await jsonOf<PeersResult>([PEERS, ...args, '--json']);
  const sides = results[0]?.sides;
  if (sides === undefined) throw new Error('the peers bench gave no result');
  return sides.worldmesh.cpuUsPerState / sides.bare.cpuUsPerState;
}

interface PeersResult {
  readonly results: readonly { readonly sides: Readonly<Record<'worldmesh' | 'bare', Figures>> }[];
}
