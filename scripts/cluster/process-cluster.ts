/**
 * A cluster of processes whose players count their inputs; on demand with a proxy on every link, a door in front of one
 * node's clients, and, as root, a small disk of its own for one node. With proxies, nodes reach each other through them
 * only: `x ──▶ proxy(x, y) ──▶ y`, whichever of the two dials.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import { TcpProxy } from '../../test/fixtures/tcp-proxy.ts';
import { ProcessNode } from './process-node.ts';

const WORLD = fileURLToPath(new URL('counting-world.ts', import.meta.url));
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
export const NODES_COUNT_MAX = NAMES.length;
/** Of this cluster only, which nobody else can reach. */
const AUTH_SECRET = 'chaos'.repeat(8);
const DISK_BYTES = 96 * 2 ** 20;
/** A full disk is filled by pieces of this size. */
const FILLING_BYTES = 2 ** 20;
/** On a machine that is busy with other work a start takes its time. */
const AGAIN_MS_MAX = 30_000;
const AGAIN_MS = 500;

export interface ProcessClusterOptions {
  readonly nodes: number;
  /** Nodes beyond these that are made, and started by whoever wants them. */
  readonly reserve?: number;
  /** How long the others wait for a dead node to come back. */
  readonly takeoverAfterMs: number;
  readonly leaseMs: number;
  readonly wanderersPerCell: number;
  /** A world module in place of the counting world. */
  readonly world?: string;
  readonly withDisk: boolean;
  /** A proxy on every link; true by default. They take part of this process's core. */
  readonly withProxies?: boolean;
  /** Clients that are sent to the last node reach it through a proxy, which can refuse them. */
  readonly withDoor?: boolean;
  /** Settings of the nodes beside, or instead of, those that all such clusters have. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Of the nodes' processes, beside what they need. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The cluster's files stay where they are. */
  readonly keep?: boolean;
}

interface Link {
  readonly source: string;
  readonly target: string;
  readonly proxy: TcpProxy;
}

export class ProcessCluster implements AsyncDisposable {
  readonly folder: string;
  readonly nodes: readonly ProcessNode[];
  readonly links: readonly Link[];
  /** The node whose journal lies on a small disk of its own. */
  readonly diskNode: string | undefined;
  /** In front of the last node's clients; undefined without. */
  readonly door: TcpProxy | undefined;

  readonly #keep: boolean;

  private constructor(parts: {
    keep: boolean;
    folder: string;
    nodes: readonly ProcessNode[];
    links: readonly Link[];
    diskNode: string | undefined;
    door: TcpProxy | undefined;
  }) {
    this.#keep = parts.keep;
    this.folder = parts.folder;
    this.nodes = parts.nodes;
    this.links = parts.links;
    this.diskNode = parts.diskNode;
    this.door = parts.door;
  }

  get directoryUrl(): string {
    return `sqlite:${path.join(this.folder, 'directory.sqlite')}`;
  }

  get dataFolder(): string {
    return path.join(this.folder, 'data');
  }

  /** Resolves when all nodes let players in. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-cluster-'));
    const names = NAMES.slice(0, options.nodes + (options.reserve ?? 0));
    const ports = await freePorts(2 * names.length);
    const peerPorts = new Map(names.map((name, index) => [name, ports[names.length + index]!]));
    const links = (options.withProxies ?? true) ? await openProxies(names, peerPorts) : [];
    const doorPort = ports[names.length - 1]!;
    const door = options.withDoor ? await TcpProxy.open({ host: '127.0.0.1', port: doorPort }) : undefined;
    const environment = { ...options.environment, WORLDMESH_AUTH_SECRET: AUTH_SECRET };
    const nodes = names.map((name, index) => {
      const [port, peerPort] = [ports[index]!, peerPorts.get(name)!];
      const clientPort = door !== undefined && port === doorPort ? door.port : port;
      const args = nodeArguments({ name, port, clientPort, peerPort, folder, links, options });
      return new ProcessNode({ name, port, peerPort, args, environment });
    });
    const diskNode = options.withDisk ? mountDisk(path.join(folder, 'data'), names.at(-1)!) : undefined;
    const cluster = new ProcessCluster({ keep: options.keep ?? false, folder, nodes, links, diskNode, door });
    const first = nodes.slice(0, options.nodes);
    for (const node of first) node.start();
    const areReady = await Promise.all(first.map((node) => node.ready()));
    if (areReady.every(Boolean)) return cluster;
    const silent = first.filter((_, index) => !areReady[index]);
    const said = silent.map(({ name, output }) => `${name}:\n${output.join('\n')}`).join('\n');
    await cluster[Symbol.asyncDispose]();
    throw new Error(`nodes did not get ready: ${said}`);
  }

  node(name: string): ProcessNode {
    const node = this.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new RangeError(`no node "${name}"`);
    return node;
  }

  /** A JWT for an account. */
  async token(account: string): Promise<string> {
    return await new SignJWT({ name: account })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(account)
      .setIssuedAt()
      .setExpirationTime('30d')
      .sign(new TextEncoder().encode(AUTH_SECRET));
  }

  /** Both proxies between two nodes. */
  between(first: string, second: string): readonly TcpProxy[] {
    return this.links
      .filter(({ source, target }) => [source, target].includes(first) && [source, target].includes(second))
      .map(({ proxy }) => proxy);
  }

  /** Fills the small disk; gives the function that empties it again. */
  fillDisk(): () => void {
    if (this.diskNode === undefined) throw new RangeError('no node has a disk of its own');
    const file = path.join(this.dataFolder, this.diskNode, 'filling');
    const piece = Buffer.alloc(FILLING_BYTES);
    try {
      for (let written = 0; written < DISK_BYTES; written += FILLING_BYTES) writeFileSync(file, piece, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    return () => rmSync(file, { force: true });
  }

  /** Switches handovers on and off in the directory. */
  async setHandoverPercent(percent: number): Promise<void> {
    await this.putSetting('handoverPercent', String(percent));
  }

  /** Of the whole cluster, in its directory. */
  async putSetting(key: string, value: string): Promise<void> {
    await using directory = await openDirectory(this.directoryUrl, { facts: undefined });
    await directory.putSetting(key, value);
  }

  /** Undoes every fault on links and processes, and starts what is not running. */
  async heal(): Promise<void> {
    for (const { proxy } of this.links) {
      proxy.heal();
      proxy.delay(0);
    }
    for (const node of this.nodes) node.resume();
    await wait(100);
    for (const node of this.nodes) if (!node.isRunning) node.start();
    await Promise.all(this.nodes.map((node) => this.#ensureReady(node)));
  }

  /** A start may meet its own fencing, or a neighbour that is just taking its journal: then again, as a supervisor does. */
  async startAgain(node: ProcessNode): Promise<void> {
    const deadlineMs = performance.now() + AGAIN_MS_MAX;
    while (performance.now() < deadlineMs) {
      if (!node.isRunning) node.start();
      node.expectEnd();
      if (await node.ready(deadlineMs - performance.now())) {
        node.expectRunning();
        return;
      }
      await wait(AGAIN_MS);
    }
    const said = this.nodes.map(({ name, pid, output }) => `${name} (${pid}):\n${output.join('\n')}`);
    throw new Error(`${node.name} does not get ready again\n${said.join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      node.resume();
      await node[Symbol.asyncDispose]();
    }
    for (const { proxy } of this.links) await proxy[Symbol.asyncDispose]();
    await this.door?.[Symbol.asyncDispose]();
    if (this.diskNode !== undefined) spawnSync('umount', ['-l', path.join(this.dataFolder, this.diskNode)]);
    if (!this.#keep) rmSync(this.folder, { recursive: true, force: true });
  }

  /** A node that was fenced while it was away ends by itself when it finds out, and begins again with a new ledger. */
  async #ensureReady(node: ProcessNode): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await node.ready(20_000)) return;
      if (!node.isRunning) node.start();
    }
  }
}

interface NodeArguments {
  readonly name: string;
  readonly port: number;
  /** Under which clients are sent to it. */
  readonly clientPort: number;
  readonly peerPort: number;
  readonly folder: string;
  readonly links: readonly Link[];
  readonly options: ProcessClusterOptions;
}

function nodeArguments({ name, port, clientPort, peerPort, folder, links, options }: NodeArguments): string[] {
  const peers = links
    .filter(({ source }) => source === name)
    .flatMap(({ target, proxy }) => ['--peer', `${target}=127.0.0.1:${proxy.port}`]);
  const settings: Readonly<Record<string, string | number>> = {
    node: name,
    directory: `sqlite:${path.join(folder, 'directory.sqlite')}`,
    'data-dir': path.join(folder, 'data'),
    port,
    listen: `127.0.0.1:${peerPort}`,
    'cluster-size': options.nodes,
    'takeover-after-ms': options.takeoverAfterMs,
    'lease-ms': options.leaseMs,
    'checkpoint-ms': 1000,
    // The auditor is to see the whole history.
    'taken-journals-max': 100_000,
    'block-cells': 1,
    'cell-size': 128,
    'aoi-radius': 48,
    'aoi-hysteresis': 4,
    // Nobody ends: a player whose client is gone is missed if it is lost.
    'resume-grace-ms': 3_600_000,
    workers: 1,
    'entities-max': 8192,
    'sessions-max': 512,
    'auth-mode': 'token',
    'log-level': 'warn',
    'log-format': 'json',
    param: `wanderersPerCell=${options.wanderersPerCell}`,
    ...(clientPort !== port && { 'client-url': `ws://127.0.0.1:${clientPort}` }),
    ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  return ['serve', options.world ?? WORLD, '--no-viewer', ...flags, ...peers];
}

async function openProxies(names: readonly string[], peerPorts: ReadonlyMap<string, number>): Promise<Link[]> {
  const links: Link[] = [];
  for (const source of names) {
    for (const target of names) {
      if (source === target) continue;
      const proxy = await TcpProxy.open({ host: '127.0.0.1', port: peerPorts.get(target)! });
      links.push({ source, target, proxy });
    }
  }
  return links;
}

/** Gives the node's name, or undefined where nobody may mount. */
function mountDisk(dataFolder: string, name: string): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const folder = path.join(dataFolder, name);
  mkdirSync(folder, { recursive: true });
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder]);
  return status === 0 ? name : undefined;
}

/** Ports that were free a moment ago; a node that is started again must come back under the same ones. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
