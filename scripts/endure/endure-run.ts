/**
 * Many players on a cluster whose gateways and simulation nodes are killed by the clock: what they lose (nothing), what acts
 * twice (nothing), and how long they see nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Random, mixSeed } from '../../src/base/random.ts';
import type { ClientMode } from '../../src/wire/messages.ts';
import { busiestOf } from '../cluster/node-load.ts';
import type { Duty } from '../cluster/node-load.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
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

/** A killed node is started again after so long. */
const DOWN_MS_MIN = 3000;
const DOWN_MS_MAX = 6000;
const LOOK_MS = 5000;

export async function runEndure(options: EndureOptions): Promise<EndureResult> {
  const { seed, seconds, nodes, mode } = options;
  await using run = await PlayerRun.start({ ...options, ways: 'roam' });
  const endurance = new Endurance(options, run);
  await endurance.endure();
  const { verdict, playersCpuCores } = await run.finish();
  return {
    ...verdict,
    seed,
    seconds,
    nodes,
    mode,
    gatewaysKilled: endurance.killed.gateway,
    simulationsKilled: endurance.killed.simulation,
    memory: endurance.memory.uses,
    playersCpuCores,
    wrong: [...endurance.wrong, ...verdict.wrong],
  };
}

class Endurance {
  readonly memory = new ProcessMemory();
  readonly killed = { gateway: 0, simulation: 0 };
  readonly wrong: string[] = [];
  readonly #options: EndureOptions;
  readonly #run: PlayerRun;
  readonly #random: Random;
  #lastKilled: ProcessNode | undefined;

  constructor(options: EndureOptions, run: PlayerRun) {
    this.#options = options;
    this.#run = run;
    this.#random = new Random(mixSeed(options.seed, 1));
  }

  /** The players walk, and what is to be killed is killed at its time. */
  async endure(): Promise<void> {
    await this.#run.walk();
    const looking = setInterval(() => this.#look(), LOOK_MS);
    try {
      for (const { duty, atSeconds } of this.#schedule()) {
        await this.#run.until(atSeconds);
        if (this.#run.isAborted) break;
        await this.#kill(duty);
      }
      await this.#run.until(this.#options.seconds);
    } catch (error) {
      this.wrong.push(String(error));
    } finally {
      clearInterval(looking);
    }
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

  /** `kill -9` of the node that does most of that duty, but never of the same one twice running. */
  async #kill(duty: Duty): Promise<void> {
    const { cluster, tell } = this.#run;
    const candidates = cluster.nodes.filter((node) => node !== this.#lastKilled);
    const busiest = await busiestOf(candidates, duty);
    if (busiest === undefined) return;
    const { node, load } = busiest;
    this.#lastKilled = node;
    this.killed[duty]++;
    tell(`kill -9 of ${node.name} as ${duty}: ${load.connections} connections, ${load.entities} entities`);
    await node.kill();
    await wait(this.#random.between(DOWN_MS_MIN, DOWN_MS_MAX));
    await cluster.startAgain(node);
    tell(`${node.name} is back, process ${node.pid}`);
  }

  #look(): void {
    const { cluster, players } = this.#run;
    for (const { name, pid, isRunning } of cluster.nodes) if (isRunning) this.memory.look(`node ${name}`, pid);
    for (const [index, pid] of players.pids.entries()) this.memory.look(`players ${index + 1}`, pid);
  }
}
