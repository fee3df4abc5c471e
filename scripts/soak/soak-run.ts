/**
 * A cluster that lives for an hour as clusters do: players walk over its borders, gateways and simulation nodes are killed, nodes are drained
 * and come back, by turns. One node is left in peace, so that there is a process whose memory can be watched all the time; half of the
 * players stay with its gateway, and the others are never sent there, or in the end all would be.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Random, mixSeed } from '../../src/base/random.ts';
import type { ClientMode } from '../../src/wire/messages.ts';
import { drain } from '../cluster/drain.ts';
import { busiestOf, loadOf } from '../cluster/node-load.ts';
import { PlayerRun } from '../cluster/player-run.ts';
import type { PlayersVerdict } from '../cluster/players-verdict.ts';
import type { ProcessNode } from '../cluster/process-node.ts';
import { fileSizes } from './file-sizes.ts';
import type { FileSizes } from './file-sizes.ts';
import { flatnessOf } from './flatness.core.ts';
import type { Flatness, Life } from './flatness.core.ts';
import { filesWrong } from './file-bounds.core.ts';
import { ProcessSamples } from './process-samples.ts';
import { WATCH_FOLDER } from './thread-watch.ts';

export const SOAK_EVENTS = ['gateway', 'simulation', 'drain'] as const;
export type SoakEvent = (typeof SOAK_EVENTS)[number];

export interface SoakOptions {
  readonly seconds: number;
  readonly clients: number;
  readonly nodes: number;
  readonly seed: number;
  readonly mode: ClientMode;
  /** Something happens so often, these things by turns. */
  readonly everySeconds: number;
  readonly events: readonly SoakEvent[];
  readonly keep?: boolean | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Happened {
  readonly atSeconds: number;
  readonly event: SoakEvent;
  readonly node: string;
  /** Until the node was gone, for a drain; until it was back, for a kill. */
  readonly tookSeconds: number;
}

export interface SoakResult {
  readonly seed: number;
  readonly nodes: number;
  readonly mode: ClientMode;
  readonly everySeconds: number;
  readonly seconds: number;
  readonly playersCpuCores: number;
  readonly happened: readonly Happened[];
  readonly lives: readonly Life[];
  readonly flatness: readonly Flatness[];
  readonly files: readonly FileSizes[];
  readonly players: PlayersVerdict;
  readonly wrong: readonly string[];
}

const SAMPLES_MAX = 720;
const SAMPLE_SECONDS_MIN = 1;
const DOWN_MS_MIN = 2000;
const DOWN_MS_MAX = 5000;
const DRAIN_SECONDS_MAX = 60;

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { nodes, seed, mode, everySeconds } = options;
  const watchFolder = mkdtempSync(path.join(tmpdir(), 'worldmesh-soak-'));
  try {
    const watch = pathToFileURL(path.join(import.meta.dirname, 'thread-watch.ts')).href;
    await using run = await PlayerRun.start({
      ...options,
      ways: 'roam',
      isFirstApart: true,
      cluster: {
        environment: { NODE_OPTIONS: `--import=${watch}`, [WATCH_FOLDER]: watchFolder },
        // As many as anybody has: what piles up on a disk is to be seen.
        settings: { 'taken-journals-max': 3 },
      },
    });
    const soak = new Soak(options, run, new ProcessSamples(watchFolder));
    await soak.walk();
    const { verdict, seconds, playersCpuCores } = await run.finish();
    const flatness = flatnessOf(soak.samples.lives);
    const wrong = [...soak.wrong, ...verdict.wrong, ...flatness.flatMap(climbing), ...filesWrong(soak.files)];
    const { happened, files, samples } = soak;
    const figures = { happened, files, lives: samples.lives, flatness, players: verdict, wrong };
    return { seed, nodes, mode, everySeconds, seconds, playersCpuCores, ...figures };
  } finally {
    rmSync(watchFolder, { recursive: true, force: true });
  }
}

class Soak {
  readonly samples: ProcessSamples;
  readonly files: FileSizes[] = [];
  readonly happened: Happened[] = [];
  readonly wrong: string[] = [];
  readonly #options: SoakOptions;
  readonly #run: PlayerRun;
  readonly #random: Random;
  #lastHurt: ProcessNode | undefined;

  constructor(options: SoakOptions, run: PlayerRun, samples: ProcessSamples) {
    this.#options = options;
    this.#run = run;
    this.samples = samples;
    this.#random = new Random(mixSeed(options.seed, 1));
  }

  async walk(): Promise<void> {
    const { seconds, everySeconds, events } = this.#options;
    await this.#run.walk(() => `, ${this.#stateText()}`);
    const period = Math.max(SAMPLE_SECONDS_MIN, seconds / SAMPLES_MAX);
    const sampling = setInterval(() => void this.#look(), period * 1000);
    try {
      for (let number = 0; ; number++) {
        // The next begins at its time, or a pause after the one before when that took long.
        const atSeconds = Math.max(
          (number + 0.5) * everySeconds,
          this.#run.seconds + (number === 0 ? 0 : everySeconds / 4),
        );
        if (atSeconds >= seconds) break;
        await this.#run.until(atSeconds);
        const event = events[number % events.length];
        if (this.#run.isAborted || event === undefined) break;
        await this.#happen(event);
      }
      await this.#run.until(seconds);
    } catch (error) {
      this.wrong.push(String(error));
    } finally {
      clearInterval(sampling);
    }
  }

  /** To the node that does most of it, but neither to the first, nor to the same one twice running. */
  async #happen(event: SoakEvent): Promise<void> {
    const { cluster, tell } = this.#run;
    const others = cluster.nodes.slice(1);
    const candidates = others.length > 1 ? others.filter((node) => node !== this.#lastHurt) : others;
    const busiest = await busiestOf(candidates, event === 'gateway' ? 'gateway' : 'simulation');
    if (busiest === undefined) return;
    const { node, load } = busiest;
    this.#lastHurt = node;
    const startSeconds = this.#run.seconds;
    tell(
      `${event === 'drain' ? 'drain' : `kill -9 as ${event}`} of ${node.name}: ${load.connections} connections, ${load.entities} entities`,
    );
    if (event === 'drain') {
      const drained = await drain(cluster, node, { timeoutSeconds: DRAIN_SECONDS_MAX });
      this.wrong.push(...drained.wrong);
      this.#note({ event, node, startSeconds });
      for (const text of drained.wrong) tell(text);
    } else await node.kill();
    await wait(this.#random.between(DOWN_MS_MIN, DOWN_MS_MAX));
    await cluster.startAgain(node);
    if (event !== 'drain') this.#note({ event, node, startSeconds });
    tell(`${node.name} is back, process ${node.pid}`);
  }

  #note({ event, node, startSeconds }: { event: SoakEvent; node: ProcessNode; startSeconds: number }): void {
    const tookSeconds = this.#run.seconds - startSeconds;
    this.happened.push({ atSeconds: startSeconds, event, node: node.name, tookSeconds });
  }

  async #look(): Promise<void> {
    const { cluster, players } = this.#run;
    const running = cluster.nodes.filter(({ isRunning }) => isRunning);
    const loads = await Promise.all(running.map(loadOf));
    const { seconds } = this.#run;
    this.samples.look(seconds, [
      ...running.map(({ name, pid }, index) => {
        const connections = loads[index]?.connections ?? -1;
        return { name: `node ${name}`, pid, connections: connections < 0 ? undefined : connections };
      }),
      ...players.pids.map((pid, index) => ({ name: `players ${index + 1}`, pid, connections: 0 })),
    ]);
    this.files.push(fileSizes(cluster.folder, seconds));
  }

  #stateText(): string {
    const allBytes = this.files.at(-1)?.allBytes ?? 0;
    const memory = this.samples.lives.map(({ samples }) => samples.at(-1)?.values.rss ?? 0);
    const mostMiB = (memory.reduce((most, bytes) => Math.max(most, bytes), 0) / 2 ** 20).toFixed(0);
    return `${this.happened.length} events, ${(allBytes / 2 ** 20).toFixed(1)} MiB on disk, largest process ${mostMiB} MiB`;
  }
}

function climbing({ name, measure, verdict, perHour, perHourMax }: Flatness): string[] {
  if (verdict !== 'not flat') return [];
  return [
    `${measure} of ${name} rises by ${perHour.toPrecision(3)} an hour; at most ${perHourMax.toPrecision(3)} is flat`,
  ];
}
