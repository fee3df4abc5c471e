/**
 * A crowd walks into one node's area, and the balancer has to help: how long the hottest node's ticks take before and after, what was
 * moved, and whether anybody was lost over it. Then a node joins under load, and at last everybody leaves.
 */
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
import { BalanceScene } from './balance-scene.ts';
import type { Balanced, BalanceSceneOptions, Gathered, Joined } from './balance-scene.ts';
import type { MeasuredNode } from './load-watch.ts';

export interface BalanceResult extends Balanced {
  readonly seed: number;
  readonly clients: number;
  readonly wanderersPerCell: number;
  readonly seconds: number;
  readonly before: readonly MeasuredNode[];
  readonly join: Joined;
  readonly leave: Gathered;
  readonly verdict: PlayersVerdict;
  readonly wrong: readonly string[];
}

const SETTLE_MS = 20_000;

export async function runBalance(options: BalanceSceneOptions): Promise<BalanceResult> {
  const { clients, seed, wanderersPerCell } = options;
  const startMs = performance.now();
  await using scene = await BalanceScene.start(options);
  const { run } = scene;
  const before = await scene.crowd();
  const balanced = await scene.balance();
  const join = await scene.join();
  await run.auditor.audit({ settleMs: undefined, inputs: [] });
  const { verdict } = await run.finish();
  await run.players[Symbol.asyncDispose]();
  await run.cluster.setHandoverPercent(100);
  const leave = await scene.gather();
  await run.cluster.setHandoverPercent(0);
  const last = await run.auditor.audit({ settleMs: SETTLE_MS, inputs: [] });
  const wrong = [...new Set([...verdict.wrong, ...run.auditor.wrong, ...scene.wrong])];
  if (last.verdict !== 'proven') wrong.push(`after everybody had left the auditor says "${last.verdict}"`);
  const seconds = (performance.now() - startMs) / 1000;
  return { seed, clients, wanderersPerCell, seconds, before, ...balanced, join, leave, verdict, wrong };
}
