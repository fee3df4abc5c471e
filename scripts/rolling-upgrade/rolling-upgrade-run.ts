/**
 * A cluster goes from one version of its world to the next under playing clients: node by node is drained, as an operator does it, and
 * started again with the new module. Nobody may notice: no connection is lost, no session, no input, no entity.
 */
import { fileURLToPath } from 'node:url';
import { setTimeout as wait } from 'node:timers/promises';
import type { ClientMode } from '../../src/wire/messages.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { drain } from '../cluster/drain.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
import type { ProcessNode } from '../cluster/process-node.ts';
import { NEXT_VERSION } from './next-world.ts';

export interface RollingUpgradeOptions {
  readonly clients: number;
  readonly nodes: number;
  readonly seed: number;
  readonly mode: ClientMode;
  readonly drainSecondsMax: number;
  readonly keep?: boolean;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface UpgradeStep {
  readonly node: string;
  readonly drainSeconds: number;
  readonly startSeconds: number;
}

export interface RollingUpgradeResult extends PlayersVerdict {
  readonly seed: number;
  readonly nodes: number;
  readonly mode: ClientMode;
  readonly seconds: number;
  readonly steps: readonly UpgradeStep[];
  readonly playersCpuCores: number;
}

const NEXT_WORLD = fileURLToPath(new URL('next-world.ts', import.meta.url));
/** Of play before, between and after the steps: what comes back late is part of a step. */
const BETWEEN_MS = 3000;
const CELL_METRES = 64;
const RADIUS_METRES = 32;

export async function runRollingUpgrade(options: RollingUpgradeOptions): Promise<RollingUpgradeResult> {
  const { clients, nodes, seed, mode, keep = false, onProgress, signal } = options;
  await using run = await PlayerRun.start({
    clients,
    nodes,
    seed,
    mode,
    ways: 'roam',
    keep,
    onProgress,
    signal,
    cluster: { settings: { 'cell-size': CELL_METRES, 'aoi-radius': RADIUS_METRES, 'entities-max': 16_384 } },
  });
  await run.walk();
  const steps: UpgradeStep[] = [];
  const wrong: string[] = [];
  for (const node of run.cluster.nodes) {
    await pause(options);
    if (run.isAborted || wrong.length > 0) break;
    const step = await upgrade(run, node, { options, wrong });
    steps.push(step);
    run.tell(
      `${node.name} runs version ${NEXT_VERSION}: drained in ${step.drainSeconds.toFixed(1)} s, back in ${step.startSeconds.toFixed(1)} s`,
    );
  }
  await pause(options);
  const { verdict, seconds, playersCpuCores } = await run.finish();
  wrong.push(...verdict.wrong, ...(await notUpgraded(run, nodes)));
  if (verdict.connectionsLost > 0) wrong.push(`${verdict.connectionsLost} connections were lost`);
  if (verdict.resumes > 0) wrong.push(`${verdict.resumes} sessions had to be resumed`);
  return { ...verdict, seed, nodes, mode, seconds, steps, playersCpuCores, wrong };
}

async function pause({ signal }: RollingUpgradeOptions): Promise<void> {
  await wait(BETWEEN_MS, undefined, { signal }).catch(() => undefined);
}

async function upgrade(
  run: PlayerRun,
  node: ProcessNode,
  { options, wrong }: { options: RollingUpgradeOptions; wrong: string[] },
): Promise<UpgradeStep> {
  const drained = await drain(run.cluster, node, { timeoutSeconds: options.drainSecondsMax });
  wrong.push(...drained.wrong);
  const startMs = performance.now();
  node.useWorld(NEXT_WORLD);
  await run.cluster.startAgain(node);
  return { node: node.name, drainSeconds: drained.seconds, startSeconds: (performance.now() - startMs) / 1000 };
}

/** What the directory says of the nodes at the end. */
async function notUpgraded({ cluster }: PlayerRun, nodes: number): Promise<string[]> {
  await using directory = await openDirectory(cluster.directoryUrl, { facts: undefined });
  const members = await directory.members();
  const live = members.filter(({ state }) => state === 'active');
  const late = live.filter(({ schemaVersion }) => schemaVersion !== NEXT_VERSION).map(({ name }) => name);
  const wrong = late.length === 0 ? [] : [`${late.join(', ')} still run the version before`];
  if (live.length !== nodes) wrong.push(`${live.length} of ${nodes} nodes are active at the end`);
  return wrong;
}
