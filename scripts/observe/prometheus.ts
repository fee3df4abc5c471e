/**
 * A real Prometheus over the rules of deploy/, for tests and demonstrations: it looks at its targets twice a second, and alerts wait for one second
 * instead of the time that they have. Everything else of the rules is as it is.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';

const DEPLOY = fileURLToPath(new URL('../../deploy/prometheus', import.meta.url));
const RULES = path.join(DEPLOY, 'rules');
const TESTS = path.join(DEPLOY, 'tests');
const INTERVAL = '500ms';
const HOLD = '1s';
const POLL_MS = 100;
const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 5000;
const ASK_MS_MAX = 5000;

export interface Target {
  readonly instance: string;
  readonly health: string;
}

export interface FiringAlert {
  readonly name: string;
  readonly state: string;
  readonly instance: string;
  readonly summary: string;
  readonly runbook: string;
}

export interface RuleHealth {
  readonly name: string;
  readonly health: string;
  readonly lastError: string;
}

interface Config {
  global: { scrape_interval: string; evaluation_interval: string };
  rule_files: string[];
  scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
}

interface RuleFile {
  groups: { rules: { alert?: string; for?: string }[] }[];
}

/** What promtool says of rules, their tests and the configuration. @throws Error with what it said, when it is not content. */
export async function checkRules(): Promise<string[]> {
  const files = (folder: string): string[] => readdirSync(folder).map((file) => path.join(folder, file));
  const run = async (args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await promisify(execFile)('promtool', args);
    return `promtool ${args.slice(0, 2).join(' ')}: ${summaryOf(stdout + stderr)}`;
  };
  return [
    await run(['check', 'config', path.join(DEPLOY, 'prometheus.yml')]),
    await run(['check', 'rules', ...files(RULES)]),
    await run(['test', 'rules', ...files(TESTS)]),
  ];
}

function summaryOf(text: string): string {
  const found = [...text.matchAll(/(\d+) rules? found/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  const successes = text.split('SUCCESS').length - 1;
  return `${successes} of ${successes} succeeded${found === 0 ? '' : `, ${found} rules`}`;
}

export class Prometheus implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;
  #output = '';

  /** @param targets host:port of each node. @throws Error when it is not installed or does not get ready. */
  static async start(targets: readonly string[]): Promise<Prometheus> {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-prometheus-'));
    const port = await freePort();
    writeConfiguration(folder, targets);
    const prometheus = new Prometheus(folder, port);
    try {
      await prometheus.#ready();
      return prometheus;
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.url = `http://127.0.0.1:${port}`;
    this.#child = spawn(
      'prometheus',
      [
        `--config.file=${path.join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${path.join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const hear = (text: string): void => {
      this.#output = (this.#output + text).slice(-8192);
    };
    this.#child.stdout?.setEncoding('utf8').on('data', hear);
    this.#child.stderr?.setEncoding('utf8').on('data', hear);
    this.#child.once('error', (error) => hear(`${error.message}; install it: apt-get install prometheus\n`));
  }

  async targets(): Promise<Target[]> {
    const { activeTargets } = await this.#ask<{
      activeTargets: { labels: { instance: string }; health: string }[];
    }>('targets?state=active');
    return activeTargets.map(({ labels: { instance }, health }) => ({ instance, health }));
  }

  async rules(): Promise<RuleHealth[]> {
    const { groups } = await this.#ask<{ groups: { rules: RuleHealth[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async firing(): Promise<FiringAlert[]> {
    const { alerts } = await this.#ask<{
      alerts: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[];
    }>('alerts');
    return alerts
      .filter(({ state }) => state === 'firing')
      .map(({ state, labels, annotations }) => ({
        name: labels['alertname'] ?? '',
        state,
        instance: labels['instance'] ?? '',
        summary: annotations['summary'] ?? '',
        runbook: annotations['runbook'] ?? '',
      }));
  }

  /** The value of the first series; undefined without one. */
  async value(query: string): Promise<number | undefined> {
    const { result } = await this.#ask<{ result: { value: [number, string] }[] }>(
      `query?query=${encodeURIComponent(query)}`,
    );
    const [first] = result;
    return first === undefined ? undefined : Number(first.value[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    this.#child.once('exit', () => resolve());
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.kill('SIGTERM')) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
      await gone;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_MS_MAX;
    while (performance.now() < deadlineMs && this.#child.exitCode === null && this.#child.pid !== undefined) {
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (answer?.ok) return;
      await wait(POLL_MS);
    }
    // What spawn could not do is said a moment later.
    await wait(POLL_MS);
    throw new Error(`Prometheus does not get ready: ${this.#output}`);
  }

  async #ask<Data>(what: string): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${what}`, { signal: AbortSignal.timeout(ASK_MS_MAX) });
    const { status, data, error } = (await response.json()) as { status: string; data: Data; error?: string };
    if (status !== 'success') throw new Error(`Prometheus answers ${status}: ${error}`);
    return data;
  }
}

function writeConfiguration(folder: string, targets: readonly string[]): void {
  mkdirSync(path.join(folder, 'rules'));
  for (const file of readdirSync(RULES)) {
    const rules = parse(readFileSync(path.join(RULES, file), 'utf8')) as RuleFile;
    for (const rule of rules.groups.flatMap(({ rules: ofGroup }) => ofGroup)) {
      if (rule.alert !== undefined && rule.for !== '0s') rule.for = HOLD;
    }
    writeFileSync(path.join(folder, 'rules', file), stringify(rules));
  }
  const config = parse(readFileSync(path.join(DEPLOY, 'prometheus.yml'), 'utf8')) as Config;
  config.global.scrape_interval = INTERVAL;
  config.global.evaluation_interval = INTERVAL;
  for (const scrape of config.scrape_configs) scrape.static_configs = [{ targets: [...targets] }];
  writeFileSync(path.join(folder, 'prometheus.yml'), stringify(config));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
