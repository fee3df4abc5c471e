/**
 * A cluster with players, watched by a real Prometheus and a collector of traces: all targets answer, all rules work, a node that is killed fires its
 * alert, what its runbook says clears it, and one handover of a player is a whole trace.
 */
import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SPAN_PARENTS } from '../../src/base/handover-span.ts';
import { mixSeed } from '../../src/base/random.ts';
import { Players } from '../cluster/players.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import type { ProcessNode } from '../cluster/process-node.ts';
import { checkRules, Prometheus } from './prometheus.ts';
import type { FiringAlert, Target } from './prometheus.ts';
import { SpanCollector } from './span-collector.ts';
import type { CollectedSpan } from './span-collector.ts';

const BIN = fileURLToPath(new URL('../../bin/worldmesh.cjs', import.meta.url));
const NODES = 3;
const SPANS_OF_A_PLAYER = Object.keys(SPAN_PARENTS).length;
const INPUTS_HZ = 10;
const POLL_MS = 200;
const STEP_MS_MAX = 60_000;
const ALERT = 'WorldmeshNodeDown';
/** Shown of what is measured meanwhile. */
const LEVELS: Readonly<Record<string, string>> = {
  'handovers in the last minute': 'sum(increase(worldmesh_handovers_out_total[1m]))',
  'share of them that failed': 'worldmesh:handover_failures:ratio_rate5m',
  'share of a tick or longer': 'worldmesh:handovers_slow:ratio_rate5m',
  'handover p99 in seconds': 'worldmesh:handover_seconds:p99_rate5m',
  'share of snapshots later than 100 ms': 'worldmesh:snapshots_late:ratio_rate5m',
  'spans at the collector, by the nodes': 'sum(worldmesh_spans_exported_total)',
};

export interface ObserveOptions {
  readonly clients: number;
  readonly seed: number;
  readonly onProgress?: (text: string) => void;
}

export interface ObserveResult {
  readonly promtool: readonly string[];
  readonly targets: readonly Target[];
  /** All of them, and those that could not be worked out. */
  readonly ruleCount: number;
  readonly brokenRules: readonly string[];
  readonly levels: Readonly<Record<string, number | undefined>>;
  readonly alert: FiringAlert;
  readonly firedAfterSeconds: number;
  readonly clearedAfterSeconds: number;
  /** What the runbook's commands said while it fired, and afterwards. */
  readonly status: string;
  readonly audit: CommandResult;
  readonly trace: readonly CollectedSpan[];
  /** The same handover by `worldmesh trace --spans`. */
  readonly traceCommand: CommandResult;
  readonly wrong: readonly string[];
}

export interface CommandResult {
  readonly command: string;
  readonly code: number | null;
  readonly output: string;
}

export async function runObserve({ clients, seed, onProgress }: ObserveOptions): Promise<ObserveResult> {
  const tell = onProgress ?? (() => {});
  const promtool = await checkRules();
  for (const line of promtool) tell(line);
  await using collector = await SpanCollector.open();
  await using cluster = await ProcessCluster.start({
    nodes: NODES,
    takeoverAfterMs: 100,
    leaseMs: 4000,
    wanderersPerCell: 4,
    withDisk: false,
    withProxies: false,
    settings: { 'otlp-url': collector.url, 'trace-share': 1 },
  });
  const tokens = await Promise.all(Array.from({ length: clients }, (_, index) => cluster.token(`player-${index + 1}`)));
  await using players = await Players.join({
    urls: cluster.nodes.map(({ url }) => url),
    count: clients,
    tokens,
    mode: 'tunnel',
    seed: mixSeed(seed, 1),
    inputsHz: INPUTS_HZ,
    ways: 'shuttle',
  });
  players.walk();
  tell(`${NODES} nodes, ${clients} players`);
  const addresses = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`);
  await using prometheus = await Prometheus.start(addresses);
  const targets = await allUp(prometheus);
  tell(`${targets.length} targets are up`);
  const trace = await wholeTrace(collector);
  tell(`a trace of ${trace.length} spans`);
  const { ruleCount, brokenRules } = await rulesWorked(prometheus);
  const levels = await measured(prometheus);
  const entity = trace[0]?.attributes['worldmesh.entity'] ?? '';
  const directory = ['--directory', cluster.directoryUrl];
  const traceCommand = await worldmesh(['trace', entity, '--spans', ...directory]);
  const fault = await killAndStart(cluster, prometheus, tell);
  const audit = await worldmesh(['audit', ...directory]);
  tell(`audit: exit ${audit.code}`);
  const wrong = brokenRules.map((rule) => `a rule could not be worked out: ${rule}`);
  if (audit.code !== 0) wrong.push(`the audit ended with ${audit.code}`);
  return { promtool, targets, ruleCount, brokenRules, levels, ...fault, audit, trace, traceCommand, wrong };
}

/** The alert for a node that is killed, from its runbook's first command to its last. */
async function killAndStart(
  cluster: ProcessCluster,
  prometheus: Prometheus,
  tell: (text: string) => void,
): Promise<Pick<ObserveResult, 'alert' | 'firedAfterSeconds' | 'clearedAfterSeconds' | 'status'>> {
  const victim = cluster.nodes.at(-1) as ProcessNode;
  const instance = `127.0.0.1:${victim.port}`;
  const find = async (): Promise<FiringAlert | undefined> =>
    (await prometheus.firing()).find((each) => each.name === ALERT && each.instance === instance);
  const killedMs = performance.now();
  await victim.kill();
  tell(`node ${victim.name} is killed`);
  let alert: FiringAlert | undefined;
  await until(`${ALERT} fires`, async () => (alert = await find()) !== undefined);
  const firedAfterSeconds = (performance.now() - killedMs) / 1000;
  tell(`${alert!.name} fires: ${alert!.summary}; see ${alert!.runbook}`);
  const { output: status } = await worldmesh(['status', '--directory', cluster.directoryUrl]);
  const startMs = performance.now();
  await cluster.startAgain(victim);
  await until(`${ALERT} is over`, async () => (await find()) === undefined);
  const clearedAfterSeconds = (performance.now() - startMs) / 1000;
  tell(`node ${victim.name} is started again, and ${ALERT} is over`);
  return { alert: alert!, firedAfterSeconds, clearedAfterSeconds, status };
}

async function allUp(prometheus: Prometheus): Promise<Target[]> {
  let targets: Target[] = [];
  await until('all targets are up', async () => {
    targets = await prometheus.targets();
    return targets.length === NODES && targets.every(({ health }) => health === 'up');
  });
  return targets;
}

/** Every rule has been worked out at least once. */
async function rulesWorked(prometheus: Prometheus): Promise<Pick<ObserveResult, 'ruleCount' | 'brokenRules'>> {
  let rules = await prometheus.rules();
  await until('all rules are worked out', async () => {
    rules = await prometheus.rules();
    return rules.length > 0 && rules.every(({ health }) => health !== 'unknown');
  });
  const broken = rules.filter(({ health }) => health !== 'ok');
  return { ruleCount: rules.length, brokenRules: broken.map(({ name, lastError }) => `${name}: ${lastError}`) };
}

/** As soon as there is something to measure: rates need two looks. */
async function measured(prometheus: Prometheus): Promise<ObserveResult['levels']> {
  await until('handovers and snapshots are measured', async () => {
    const values = await Promise.all(Object.values(LEVELS).map((query) => prometheus.value(query)));
    return values.every((value) => value !== undefined && !Number.isNaN(value)) && values[0]! > 0;
  });
  const levels: Record<string, number | undefined> = {};
  for (const [name, query] of Object.entries(LEVELS)) levels[name] = await prometheus.value(query);
  return levels;
}

/** Of a player's handover: gateway and client are in it. */
async function wholeTrace(collector: SpanCollector): Promise<readonly CollectedSpan[]> {
  let trace: readonly CollectedSpan[] | undefined;
  await until('a whole trace', () => {
    trace = collector.traces.find(({ length }) => length === SPANS_OF_A_PLAYER);
    return trace !== undefined;
  });
  return trace!;
}

async function worldmesh(args: readonly string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { command: `worldmesh ${args.join(' ')}`, code, output };
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + STEP_MS_MAX;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${STEP_MS_MAX / 1000} s: ${what}`);
    await wait(POLL_MS);
  }
}
