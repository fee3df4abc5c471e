/** Two real nodes with the border between them along x = 0, for tests of sessions that outlive one of them. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { namesWithBorder, readyUrl } from '../../fixtures/border-walk.ts';
import { RunningCommand, temporaryFolder } from '../command-line.ts';
import type { TallyClient } from '../../fixtures/tally-client.ts';

const MODULE = fileURLToPath(new URL('../../fixtures/tally-world.ts', import.meta.url));
const POLL_MS = 10;
const DEADLINE_MS = 60_000;

export type Side = 'west' | 'east';

export class SessionCluster implements AsyncDisposable {
  readonly #folder = temporaryFolder();
  readonly #names: Readonly<Record<Side, string>>;
  readonly #nodes: Partial<Record<Side, RunningCommand>> = {};
  readonly #urls: Record<Side, string> = { west: '', east: '' };
  readonly #args: readonly string[];

  static async start(args: readonly string[] = []): Promise<SessionCluster> {
    const cluster = new SessionCluster(args);
    await cluster.startBoth();
    return cluster;
  }

  private constructor(args: readonly string[]) {
    const [west, east] = namesWithBorder();
    this.#names = { west, east };
    this.#args = args;
  }

  url(side: Side): string {
    return this.#urls[side];
  }

  get directoryUrl(): string {
    return `sqlite:${path.join(this.#folder, 'directory.sqlite')}`;
  }

  name(side: Side): string {
    return this.#names[side];
  }

  /** Its exit code. */
  async ended(side: Side): Promise<number | null> {
    return (await this.#nodes[side]!.ended).code;
  }

  async startBoth(): Promise<void> {
    await Promise.all([this.start('west'), this.start('east')]);
  }

  async start(side: Side): Promise<void> {
    const name = this.#names[side];
    const cluster = ['--node', name, '--directory', this.directoryUrl, '--cluster-size', '2', '--block-cells', '2'];
    const own = ['--data-dir', this.#folder, '--port', '0', '--workers', '1', '--lease-ms', '10000'];
    const node = new RunningCommand(['serve', MODULE, ...cluster, ...own, '--log-format', 'json', ...this.#args]);
    this.#nodes[side] = node;
    this.#urls[side] = await readyUrl(node);
  }

  /** SIGTERM; resolves with its exit code. */
  async stop(side: Side): Promise<number | null> {
    this.#nodes[side]?.kill('SIGTERM');
    return this.ended(side);
  }

  async kill(side: Side): Promise<void> {
    const node = this.#nodes[side];
    node?.kill('SIGKILL');
    await node?.ended;
  }

  /** Of the node's /status. */
  async status(side: Side): Promise<Status> {
    const response = await fetch(this.#urls[side].replace(/^ws(.*)connect$/, 'http$1status'));
    return (await response.json()) as Status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.#nodes).map((node) => node[Symbol.asyncDispose]()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export interface Status {
  readonly counters: Readonly<Record<string, number>>;
  /** Of clients, open now. */
  readonly connections: number;
  /** Owned by the node. */
  readonly entities: number;
}

/** It stands in its world, and has moved it. */
export async function isPlaying(client: TallyClient): Promise<void> {
  const before = client.tally.inputs;
  await until(
    () => `${client.name} plays: ${JSON.stringify(client.tally)}, ${client.connection?.errors.join()}`,
    () => client.id !== 0 && client.tally.inputs > before + 2,
  );
}

/** It makes no more inputs, and all of them have acted. */
export async function settled(client: TallyClient): Promise<void> {
  client.isPlaying = false;
  await until(
    () => `${JSON.stringify(client.tally)} becomes ${JSON.stringify(client.expected)}`,
    () => client.tally.inputs >= client.lastSequence,
  );
}

export async function until(what: string | (() => string), isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs)
      throw new Error(`not in ${DEADLINE_MS} ms: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
