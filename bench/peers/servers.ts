/** Starts the servers that are compared, each as its own documentation says, and asks them what they use. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FrameSizes } from './bare-server.ts';
import type { Side } from './clients-plan.ts';
import type { Usage } from './probe.ts';
import { HYSTERESIS_METRES, RADIUS_METRES } from './scene.ts';
import type { Crowd } from './scene.ts';
import { SideProcess } from './side-process.ts';

const FOLDER = import.meta.dirname;
const BIN = path.join(FOLDER, '../../bin/worldmesh.cjs');
/** More than people: a few may be told to wait. */
const SPARE_SESSIONS = 64;

export interface ServerOptions {
  readonly crowd: Crowd;
  readonly tickHz: number;
  readonly stateHz: number;
  readonly core?: number | undefined;
  /** More flags of Node, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
}

export class MeasuredServer implements AsyncDisposable {
  readonly #process: SideProcess;
  readonly #folder: string;
  port = 0;

  static async start(side: Side, options: ServerOptions): Promise<MeasuredServer> {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-peers-'));
    const server = new MeasuredServer(side, options, folder);
    try {
      ({ port: server.port } = await server.#process.next<{ type: 'ready'; port: number }>('ready'));
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(side: Side, options: ServerOptions, folder: string) {
    this.#folder = folder;
    this.#process = new SideProcess({
      name: `the ${side} server`,
      command: commandOf(side, options, folder),
      nodeFlags: ['--import', path.join(FOLDER, 'probe.ts'), ...(options.nodeFlags ?? [])],
      core: options.core,
      environment: { NODE_ENV: 'production' },
    });
  }

  async usage(): Promise<Usage> {
    return await this.#process.ask<Usage>({ type: 'usage' }, 'usage');
  }

  get metricsUrl(): string {
    return `http://127.0.0.1:${this.port}/metrics`;
  }

  /** For the bare server: the sizes of the frames that it is to write. */
  async repeat(sizes: readonly number[]): Promise<void> {
    const order: FrameSizes = { type: 'sizes', sizes };
    await this.#process.ask(order, 'sized');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function commandOf(side: Side, { crowd, tickHz, stateHz }: ServerOptions, folder: string): string[] {
  const { people, worldSize } = crowd;
  if (side === 'bare') return [path.join(FOLDER, 'bare-server.ts'), String(stateHz)];
  if (side === 'colyseus') return [path.join(FOLDER, 'colyseus-server.ts'), ...[people, worldSize, tickHz].map(String)];
  const flags = {
    '--port': 0,
    '--data-dir': folder,
    '--log-level': 'error',
    '--workers': 1,
    '--tick-hz': tickHz,
    '--snapshot-hz': stateHz,
    '--world-size': worldSize,
    '--aoi-radius': RADIUS_METRES,
    '--aoi-hysteresis': HYSTERESIS_METRES,
    '--sessions-max': people + SPARE_SESSIONS,
    '--connections-max': people + SPARE_SESSIONS,
    '--connections-per-address-loopback': people + SPARE_SESSIONS,
    '--param': `people=${people}`,
  };
  const given = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
  return [BIN, 'serve', path.join(FOLDER, 'worldmesh-world.ts'), '--no-viewer', ...given];
}

/** What is compared, by package and version. */
export function versions(): Readonly<Record<string, string>> {
  const require = createRequire(import.meta.url);
  const versionOf = (name: string) => {
    // Packages need not export their package.json.
    const main = require.resolve(name);
    const folder = main.slice(0, main.lastIndexOf(`node_modules/${name}`) + `node_modules/${name}`.length);
    return (JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string }).version;
  };
  const own = readFileSync(path.join(FOLDER, '../../package.json'), 'utf8');
  const names = ['@colyseus/core', '@colyseus/schema', '@colyseus/ws-transport', 'ws'];
  return {
    worldmesh: (JSON.parse(own) as { version: string }).version,
    ...Object.fromEntries(names.map((name) => [name, versionOf(name)])),
  };
}
