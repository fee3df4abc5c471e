/**
 * Players in direct mode who go to and fro between nodes until so many redirects are done: how long they see nothing, what
 * fails, and what they fall back to while a node takes nobody in.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { addRedirects, newRedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import type { RedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';

export interface RedirectsOptions {
  /** Redirects to be done, those of the phase of refusals included. */
  readonly count: number;
  readonly clients: number;
  readonly nodes: number;
  readonly seed: number;
  readonly secondsMax: number;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface RedirectsResult extends PlayersVerdict {
  readonly seed: number;
  readonly nodes: number;
  readonly count: number;
  readonly seconds: number;
  /** Offered while the last node took nobody in, and while all did. */
  readonly refused: RedirectCounts;
  readonly open: RedirectCounts;
  readonly playersCpuCores: number;
}

/** Many borders: nobody has to go far for one. */
const CELL_METRES = 64;
const RADIUS_METRES = 32;
const WANDERERS_PER_CELL = 6;
const LOOK_MS = 250;
/** The door is shut when so much is done, for so long. */
const SHUT_SHARE = 0.6;
const SHUT_MS = 12_000;

export async function runRedirects(options: RedirectsOptions): Promise<RedirectsResult> {
  const { nodes, seed, count } = options;
  await using run = await PlayerRun.start({
    ...options,
    mode: 'direct',
    ways: 'shuttle',
    cluster: {
      wanderersPerCell: WANDERERS_PER_CELL,
      withDoor: true,
      settings: { 'cell-size': CELL_METRES, 'aoi-radius': RADIUS_METRES },
    },
  });
  await walkUntilRedirected(options, run);
  const { verdict, seconds, playersCpuCores } = await run.finish();
  const wrong = [...verdict.wrong];
  if (verdict.redirects.done < count) {
    wrong.push(`only ${verdict.redirects.done} redirects of ${count} were done in ${seconds.toFixed(0)} s`);
  }
  const [before, refused, after] = verdict.redirectPhases;
  const open = newRedirectCounts();
  for (const phase of [before, after]) if (phase !== undefined) addRedirects(open, phase);
  if (refused !== undefined && refused.offered > 0 && refused.fallbacks === 0) {
    wrong.push(`nobody fell back to the tunnel while ${run.cluster.nodes.at(-1)?.name} took nobody in`);
  }
  const counts = { refused: refused ?? newRedirectCounts(), open };
  return { ...verdict, ...counts, seconds, playersCpuCores, seed, nodes, count, wrong };
}

/** With the door shut for a while. */
async function walkUntilRedirected(options: RedirectsOptions, run: PlayerRun): Promise<void> {
  const { count, secondsMax, signal } = options;
  const { cluster, players, tell } = run;
  await run.walk(() => `, ${countsText(players.redirects, count)}`);
  const until = async (done: number): Promise<void> => {
    while (players.redirects.done < done && run.seconds < secondsMax && !run.isAborted) await wait(LOOK_MS);
  };
  await until(count * SHUT_SHARE);
  players.beginPhase();
  cluster.door?.refuse();
  tell(`${cluster.nodes.at(-1)?.name} takes nobody in`);
  await wait(SHUT_MS, undefined, { signal }).catch(() => undefined);
  cluster.door?.heal();
  players.beginPhase();
  tell('all nodes take players in again');
  await until(count);
}

function countsText({ offered, done, fallbacks, lost }: RedirectCounts, count: number): string {
  return `${done} of ${count} redirects done, ${offered} offered, ${fallbacks} fallbacks, ${lost} lost`;
}
