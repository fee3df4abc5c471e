/** One attempt at a check: several processes, one after the other, and the median of what they say. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Figures } from '../peers/measure.ts';
import type { Check, PeersCheck } from './checks.ts';
import { median } from './pair.ts';
import type { PairRatio } from './pair.ts';

const RATIO_PROCESS = fileURLToPath(new URL('ratio-process.ts', import.meta.url));
const PEERS = fileURLToPath(new URL('../peers/run.ts', import.meta.url));

/** Of what a process wrote before it failed, its end. */
const ERROR_CHARACTERS_MAX = 600;

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
    const output = await outputOf([RATIO_PROCESS, check.name, String(effort.seconds)]);
    const { ratio } = JSON.parse(lastLine(output)) as PairRatio;
    ratios.push(ratio);
  }
  return median(ratios);
}

async function measurePeers({ clients }: PeersCheck, { processes, peersSeconds }: Effort): Promise<number> {
  const flags = { clients, seconds: peersSeconds, rounds: processes, sides: 'worldmesh,bare' };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const { results } = JSON.parse(lastLine(await outputOf([PEERS, ...args, '--json']))) as {
    results: readonly { readonly sides: Readonly<Record<'worldmesh' | 'bare', Figures>> }[];
  };
  const sides = results[0]?.sides;
  if (sides === undefined) throw new Error('the peers bench gave no result');
  return sides.worldmesh.cpuUsPerState / sides.bare.cpuUsPerState;
}

/** @throws Error with what it wrote when the process ends with anything but 0. */
async function outputOf(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors]: string[][] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (text: string) => output?.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors?.push(text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(
      `node ${args.join(' ')} ended with ${code}: ${errors?.join('').trim().slice(-ERROR_CHARACTERS_MAX)}`,
    );
  return output?.join('') ?? '';
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
