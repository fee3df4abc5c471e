/** What runs of players on a cluster have in common: both are there, the players walk while things happen, and all is judged at the end. */
import { setTimeout as wait } from 'node:timers/promises';
import { mixSeed } from '../../src/base/random.ts';
import type { ClientMode } from '../../src/wire/messages.ts';
import { ClusterAuditor } from './cluster-auditor.ts';
import { Players } from './players.ts';
import type { PlayersOptions } from './players.ts';
import { judgePlayers } from './players-verdict.ts';
import type { PlayersVerdict } from './players-verdict.ts';
import { ProcessCluster } from './process-cluster.ts';
import type { ProcessClusterOptions } from './process-cluster.ts';

export interface PlayerRunOptions {
  readonly clients: number;
  readonly nodes: number;
  readonly seed: number;
  readonly mode: ClientMode;
  readonly ways: PlayersOptions['ways'];
  readonly cluster?: Partial<ProcessClusterOptions>;
  /** The first half of the players knows the first node alone, and the others all but that; without, all know all. */
  readonly isFirstApart?: boolean;
  readonly keep?: boolean | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Finished {
  readonly verdict: PlayersVerdict;
  /** That the players walked. */
  readonly seconds: number;
  readonly playersCpuCores: number;
}

const WANDERERS_PER_CELL = 8;
const INPUTS_HZ = 10;
const QUIET_MS = 3000;
const PROGRESS_MS = 5000;
/** Nodes and players share the cores of one machine. */
const LEASE_MS = 4000;
const TAKEOVER_AFTER_MS = 100;

export class PlayerRun implements AsyncDisposable {
  readonly cluster: ProcessCluster;
  readonly players: Players;
  readonly auditor: ClusterAuditor;
  readonly tell: (text: string) => void;
  readonly #options: PlayerRunOptions;
  #startMs = 0;
  #startCpuSeconds = 0;
  #telling: NodeJS.Timeout | undefined;

  private constructor(options: PlayerRunOptions, { cluster, players }: { cluster: ProcessCluster; players: Players }) {
    this.#options = options;
    this.cluster = cluster;
    this.players = players;
    this.tell = options.onProgress ?? (() => {});
    this.auditor = new ClusterAuditor(cluster, this.tell);
  }

  /** Resolves when everybody is in the world. */
  static async start(options: PlayerRunOptions): Promise<PlayerRun> {
    const { clients, nodes, seed, mode, ways, keep = false } = options;
    const cluster = await ProcessCluster.start({
      nodes,
      takeoverAfterMs: TAKEOVER_AFTER_MS,
      leaseMs: LEASE_MS,
      wanderersPerCell: WANDERERS_PER_CELL,
      withDisk: false,
      withProxies: false,
      keep,
      ...options.cluster,
      settings: {
        'sessions-max': 4 * clients + 256,
        'connections-max': 4 * clients + 256,
        ...options.cluster?.settings,
      },
    });
    try {
      const names = Array.from({ length: clients }, (_, index) => `player-${index + 1}`);
      const started = cluster.nodes.slice(0, nodes);
      const urls = started.map(({ url }) => url);
      const players = await Players.join({
        urls,
        groups: options.isFirstApart === true ? [urls.slice(0, 1), urls.slice(1)] : undefined,
        count: clients,
        tokens: await Promise.all(names.map((name) => cluster.token(name))),
        mode,
        seed: mixSeed(seed, 2),
        inputsHz: INPUTS_HZ,
        ways,
      });
      const run = new PlayerRun(options, { cluster, players });
      if (keep) run.tell(`files in ${cluster.folder}`);
      const processes = started.map(({ name, pid }) => `${name} ${pid}`).join(', ');
      run.tell(`${nodes} nodes (${processes}), ${clients} players`);
      return run;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** That the players have walked. */
  get seconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  get isAborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /** Takes the census against which all later audits are, and sets everybody going. */
  async walk(stateText?: () => string): Promise<void> {
    await wait(QUIET_MS);
    await this.auditor.audit({ settleMs: undefined, inputs: [] });
    this.#startMs = performance.now();
    this.#startCpuSeconds = this.players.state.cpuSeconds;
    this.players.walk();
    this.#telling = setInterval(() => this.#tellState(stateText?.() ?? ''), PROGRESS_MS);
  }

  /** Until so many seconds of walking, or until the run is aborted. */
  async until(seconds: number): Promise<void> {
    const restMs = (seconds - this.seconds) * 1000;
    if (restMs > 0) await wait(restMs, undefined, { signal: this.#options.signal }).catch(() => undefined);
  }

  /** Everybody comes to rest, and all is judged. */
  async finish(): Promise<Finished> {
    clearInterval(this.#telling);
    const { seconds } = this;
    const playersCpuCores = (this.players.state.cpuSeconds - this.#startCpuSeconds) / seconds;
    await this.cluster.heal();
    const { cluster, players, auditor } = this;
    const verdict = await judgePlayers({ cluster, players, auditor, clients: this.#options.clients });
    return { verdict, seconds, playersCpuCores };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#telling);
    await this.players[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }

  #tellState(more: string): void {
    const { online, resumes, sessionsLost } = this.players.state;
    const players = `${online} of ${this.#options.clients} online, ${resumes} resumes, ${sessionsLost} sessions lost`;
    this.tell(`${this.seconds.toFixed(0)} s: ${players}${more}`);
  }
}
