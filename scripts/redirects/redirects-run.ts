/**
 * Players in direct mode who go to and fro between nodes until so many redirects are done: how long they see nothing, what
 * fails, and what they fall back to while a node takes nobody in.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { mixSeed } from '../../src/base/random.ts';
import { addRedirects, newRedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import type { RedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import { ClusterAuditor } from '../cluster/cluster-auditor.ts';
import { Players } from '../cluster/players.ts';
import { judgePlayers } from '../cluster/players-verdict.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';

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
const INPUTS_HZ = 10;
const QUIET_MS = 2000;
const LOOK_MS = 250;
const PROGRESS_MS = 5000;
/** The door is shut when so much is done, for so long. */
const SHUT_SHARE = 0.6;
const SHUT_MS = 12_000;

export async function runRedirects(options: RedirectsOptions): Promise<RedirectsResult> {
  const { clients, nodes, seed, count } = options;
  const tell = options.onProgress ?? (() => {});
  await using cluster = await ProcessCluster.start({
    nodes,
    takeoverAfterMs: 100,
    leaseMs: 4000,
    wanderersPerCell: WANDERERS_PER_CELL,
    withDisk: false,
    withProxies: false,
    withDoor: true,
    settings: {
      'cell-size': CELL_METRES,
      'aoi-radius': RADIUS_METRES,
      'sessions-max': 4 * clients + 256,
      'connections-max': 4 * clients + 256,
    },
  });
  const tokens = await Promise.all(Array.from({ length: clients }, (_, index) => cluster.token(`player-${index + 1}`)));
  await using players = await Players.join({
    urls: cluster.nodes.map(({ url }) => url),
    count: clients,
    tokens,
    mode: 'direct',
    seed: mixSeed(seed, 2),
    inputsHz: INPUTS_HZ,
    ways: 'shuttle',
  });
  tell(`${nodes} nodes (${cluster.nodes.map(({ name, pid }) => `${name} ${pid}`).join(', ')}), ${clients} players`);
  const auditor = new ClusterAuditor(cluster, tell);
  await wait(QUIET_MS);
  await auditor.audit({ settleMs: undefined, inputs: [] });
  const run = new RedirectsRun({ options, cluster, players, tell });
  const walked = await run.walk();
  const verdict = await judgePlayers({ cluster, players, auditor, clients });
  const wrong = [...verdict.wrong];
  if (verdict.redirects.done < count) {
    wrong.push(`only ${verdict.redirects.done} redirects of ${count} were done in ${walked.seconds.toFixed(0)} s`);
  }
  const [before, refused, after] = verdict.redirectPhases;
  const open = newRedirectCounts();
  for (const phase of [before, after]) if (phase !== undefined) addRedirects(open, phase);
  if (refused !== undefined && refused.offered > 0 && refused.fallbacks === 0) {
    wrong.push(`nobody fell back to the tunnel while ${cluster.nodes.at(-1)?.name} took nobody in`);
  }
  return { ...verdict, ...walked, refused: refused ?? newRedirectCounts(), open, seed, nodes, count, wrong };
}

class RedirectsRun {
  readonly #options: RedirectsOptions;
  readonly #cluster: ProcessCluster;
  readonly #players: Players;
  readonly #tell: (text: string) => void;
  readonly #startMs = performance.now();

  constructor(parts: {
    options: RedirectsOptions;
    cluster: ProcessCluster;
    players: Players;
    tell: (text: string) => void;
  }) {
    this.#options = parts.options;
    this.#cluster = parts.cluster;
    this.#players = parts.players;
    this.#tell = parts.tell;
  }

  async walk(): Promise<Pick<RedirectsResult, 'seconds' | 'playersCpuCores'>> {
    const { count } = this.#options;
    const startCpuSeconds = this.#players.state.cpuSeconds;
    this.#players.walk();
    const telling = setInterval(() => this.#tellState(), PROGRESS_MS);
    const { door } = this.#cluster;
    await this.#until(({ done }) => done >= count * SHUT_SHARE);
    this.#players.beginPhase();
    door?.refuse();
    this.#tell(`${this.#cluster.nodes.at(-1)?.name} takes nobody in`);
    await wait(SHUT_MS, undefined, { signal: this.#options.signal }).catch(() => undefined);
    door?.heal();
    this.#players.beginPhase();
    this.#tell('all nodes take players in again');
    await this.#until(({ done }) => done >= count);
    clearInterval(telling);
    const seconds = this.#seconds();
    return {
      seconds,
      playersCpuCores: (this.#players.state.cpuSeconds - startCpuSeconds) / seconds,
    };
  }

  async #until(isEnough: (counts: RedirectCounts) => boolean): Promise<void> {
    const isOver = (): boolean => this.#seconds() >= this.#options.secondsMax || this.#options.signal?.aborted === true;
    while (!isEnough(this.#players.redirects) && !isOver()) await wait(LOOK_MS);
  }

  #seconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  #tellState(): void {
    const { online, sessionsLost } = this.#players.state;
    const { offered, done, fallbacks, lost } = this.#players.redirects;
    this.#tell(
      `${this.#seconds().toFixed(0)} s: ${done} of ${this.#options.count} redirects done, ${offered} offered, ${fallbacks} fallbacks, ${lost} lost; ${online} online, ${sessionsLost} sessions lost`,
    );
  }
}
