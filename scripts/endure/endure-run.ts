/**
 * Many players on a cluster whose gateways and simulation nodes are killed by the clock: what they lose (nothing), what acts
 * twice (nothing), and how long they see nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Random, mixSeed } from '../../src/base/random.ts';
import { readStatus } from '../../src/main/audit/live-reader.ts';
import type { ClientMode } from '../../src/wire/messages.ts';
import { ClusterAuditor } from '../cluster/cluster-auditor.ts';
import { Players } from '../cluster/players.ts';
import { judgePlayers } from '../cluster/players-verdict.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import { ProcessMemory } from '../cluster/process-memory.ts';
import type { MemoryUse } from '../cluster/process-memory.ts';
import type { ProcessNode } from '../cluster/process-node.ts';

export interface EndureOptions {
  readonly clients: number;
  readonly seconds: number;
  readonly seed: number;
  readonly nodes: number;
  readonly mode: ClientMode;
  /** A gateway is killed so often, and a simulation node so often. */
  readonly gatewaySeconds: number;
  readonly simulationSeconds: number;
  /** The cluster's files stay, and progress says where. */
  readonly keep?: boolean;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface EndureResult extends PlayersVerdict {
  readonly seed: number;
  readonly seconds: number;
  readonly nodes: number;
  readonly mode: ClientMode;
  readonly gatewaysKilled: number;
  readonly simulationsKilled: number;
  readonly memory: Readonly<Record<string, MemoryUse>>;
  readonly playersCpuCores: number;
}

const WANDERERS_PER_CELL = 8;
const INPUTS_HZ = 10;
/** A killed node is started again after so long. */
const DOWN_MS_MIN = 3000;
const DOWN_MS_MAX = 6000;
const PROGRESS_MS = 5000;
const QUIET_MS = 3000;

/** Which of its two duties a node is killed for. */
type Duty = 'gateway' | 'simulation';

export async function runEndure(options: EndureOptions): Promise<EndureResult> {
  const tell = options.onProgress ?? (() => {});
  await using cluster = await ProcessCluster.start({
    nodes: options.nodes,
    takeoverAfterMs: 100,
    // Nodes and players share the cores of one machine.
    leaseMs: 4000,
    wanderersPerCell: WANDERERS_PER_CELL,
    withDisk: false,
    withProxies: false,
    keep: options.keep ?? false,
    settings: { 'sessions-max': 2 * options.clients + 256, 'connections-max': 4 * options.clients + 256 },
  });
  if (options.keep === true) tell(`files in ${cluster.folder}`);
  const tokens = await Promise.all(
    Array.from({ length: options.clients }, (_, index) => cluster.token(`player-${index + 1}`)),
  );
  await using players = await Players.join({
    urls: cluster.nodes.map(({ url }) => url),
    count: options.clients,
    tokens,
    mode: options.mode,
    seed: mixSeed(options.seed, 2),
    inputsHz: INPUTS_HZ,
    ways: 'roam',
  });
  tell(
    `${options.nodes} nodes (${cluster.nodes.map(({ name, pid }) => `${name} ${pid}`).join(', ')}), ${options.clients} players`,
  );
  const run = new EndureRun({ options, cluster, players, tell });
  await run.endure();
  return await run.finish();
}

class EndureRun {
  readonly #options: EndureOptions;
  readonly #cluster: ProcessCluster;
  readonly #players: Players;
  readonly #tell: (text: string) => void;
  readonly #random: Random;
  readonly #auditor: ClusterAuditor;
  readonly #memory = new ProcessMemory();
  readonly #killed = { gateway: 0, simulation: 0 };
  readonly #wrong: string[] = [];
  #lastKilled: ProcessNode | undefined;
  #startMs = 0;
  #startCpuSeconds = 0;
  #cpuCores = 0;

  constructor(parts: {
    options: EndureOptions;
    cluster: ProcessCluster;
    players: Players;
    tell: (text: string) => void;
  }) {
    this.#options = parts.options;
    this.#cluster = parts.cluster;
    this.#players = parts.players;
    this.#tell = parts.tell;
    this.#random = new Random(mixSeed(parts.options.seed, 1));
    this.#auditor = new ClusterAuditor(parts.cluster, parts.tell);
  }

  /** The players walk, and what is to be killed is killed at its time. */
  async endure(): Promise<void> {
    const { seconds, signal } = this.#options;
    await wait(QUIET_MS);
    await this.#auditor.audit({ settleMs: undefined, inputs: [] });
    this.#startMs = performance.now();
    this.#startCpuSeconds = this.#players.state.cpuSeconds;
    this.#players.walk();
    const telling = setInterval(() => this.#tellState(), PROGRESS_MS);
    try {
      for (const { duty, atSeconds } of this.#schedule()) {
        await this.#until(atSeconds);
        if (signal?.aborted === true) break;
        await this.#kill(duty);
      }
      await this.#until(seconds);
    } catch (error) {
      this.#wrong.push(String(error));
    } finally {
      clearInterval(telling);
    }
    const elapsedSeconds = (performance.now() - this.#startMs) / 1000;
    this.#cpuCores = (this.#players.state.cpuSeconds - this.#startCpuSeconds) / elapsedSeconds;
  }

  /** Everybody comes to rest, and all is judged. */
  async finish(): Promise<EndureResult> {
    const { clients, seed, seconds, nodes, mode } = this.#options;
    await this.#cluster.heal();
    const parts = { cluster: this.#cluster, players: this.#players, auditor: this.#auditor, clients };
    const verdict = await judgePlayers(parts);
    return {
      ...verdict,
      seed,
      seconds,
      nodes,
      mode,
      gatewaysKilled: this.#killed.gateway,
      simulationsKilled: this.#killed.simulation,
      memory: this.#memory.uses,
      playersCpuCores: this.#cpuCores,
      wrong: [...this.#wrong, ...verdict.wrong],
    };
  }

  /** Gateways at half a period and then each period; simulation nodes likewise, so that the two never meet. */
  #schedule(): readonly { readonly duty: Duty; readonly atSeconds: number }[] {
    const { seconds, gatewaySeconds, simulationSeconds } = this.#options;
    const kills: { duty: Duty; atSeconds: number }[] = [];
    for (let at = gatewaySeconds / 2; at < seconds; at += gatewaySeconds)
      kills.push({ duty: 'gateway', atSeconds: at });
    for (let at = simulationSeconds / 2; at < seconds; at += simulationSeconds) {
      kills.push({ duty: 'simulation', atSeconds: at });
    }
    return kills.toSorted((left, right) => left.atSeconds - right.atSeconds);
  }

  async #until(seconds: number): Promise<void> {
    const restMs = this.#startMs + seconds * 1000 - performance.now();
    if (restMs <= 0) return;
    await wait(restMs, undefined, { signal: this.#options.signal }).catch(() => undefined);
  }

  /** `kill -9` of the node that does most of that duty, but never of the same one twice running. */
  async #kill(duty: Duty): Promise<void> {
    const loads = await Promise.all(this.#cluster.nodes.map((node) => loadOf(node)));
    const candidates = this.#cluster.nodes
      .map((node, index) => ({ node, load: loads[index] ?? { connections: 0, entities: 0 } }))
      .filter(({ node }) => node !== this.#lastKilled)
      .toSorted((left, right) =>
        duty === 'gateway' ? right.load.connections - left.load.connections : right.load.entities - left.load.entities,
      );
    const [chosen] = candidates;
    if (chosen === undefined) return;
    const { node, load } = chosen;
    this.#lastKilled = node;
    this.#killed[duty]++;
    this.#tell(`kill -9 of ${node.name} as ${duty}: ${load.connections} connections, ${load.entities} entities`);
    await node.kill();
    await wait(this.#random.between(DOWN_MS_MIN, DOWN_MS_MAX));
    await this.#cluster.startAgain(node);
    this.#tell(`${node.name} is back, process ${node.pid}`);
  }

  #tellState(): void {
    const { online, resumes, sessionsLost, snapshots } = this.#players.state;
    const seconds = Math.round((performance.now() - this.#startMs) / 1000);
    for (const { name, pid, isRunning } of this.#cluster.nodes) if (isRunning) this.#memory.look(`node ${name}`, pid);
    for (const [index, pid] of this.#players.pids.entries()) this.#memory.look(`players ${index + 1}`, pid);
    this.#tell(
      `${seconds} of ${this.#options.seconds} s: ${online} of ${this.#options.clients} online, ${resumes} resumes, ${sessionsLost} sessions lost, ${snapshots} snapshots`,
    );
  }
}

async function loadOf(node: ProcessNode): Promise<{ connections: number; entities: number }> {
  try {
    const status = await readStatus(node.url);
    return { connections: Number(status['connections'] ?? 0), entities: Number(status['entities'] ?? 0) };
  } catch {
    // Too busy to answer: another one is killed.
    return { connections: -1, entities: -1 };
  }
}
