/** Clients walk, faults happen, the auditor looks every few seconds; and what came of it. */
import { setTimeout as wait } from 'node:timers/promises';
import { Random, mixSeed } from '../../src/base/random.ts';
import type { AuditReport } from '../../src/main/audit/audit.ts';
import { ClusterAuditor, codesText, historyCounts } from '../cluster/cluster-auditor.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import type { UnexpectedEnd } from '../cluster/process-node.ts';
import { FAULTS, inject } from './faults.ts';
import type { Fault, FaultContext } from './faults.ts';
import { Walker } from './walker.ts';
import type { Stall } from './walker.ts';

export interface ChaosOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly nodes: number;
  readonly clients: number;
  /** Which faults; all by default. */
  readonly faults?: readonly Fault[];
  readonly wanderersPerCell?: number;
  readonly auditSeconds?: number;
  /** The cluster's files stay, and progress says where. */
  readonly keep?: boolean;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface ChaosResult {
  readonly seed: number;
  readonly seconds: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly entitiesBefore: number;
  readonly entitiesAfter: number;
  readonly sessionsBefore: number;
  readonly sessionsAfter: number;
  /** Sessions that could not be taken up again after their connection was lost. */
  readonly sessionsNew: number;
  readonly reconnects: number;
  readonly inputsSent: number;
  readonly inputsAcknowledged: number;
  /** By the world's count, of all players. */
  readonly inputsTwice: number;
  readonly inputsMissed: number;
  readonly snapshots: number;
  readonly ownerChanges: number;
  readonly handovers: number;
  readonly takeovers: number;
  readonly audits: number;
  /** Longest time without a snapshot, in milliseconds, while the client's own gateway ran; and over all. */
  readonly longestStallMs: number;
  readonly longestOutageMs: number;
  readonly jumps: number;
  readonly longestJumpMetres: number;
  readonly verdict: AuditReport['verdict'];
  /** Everything that is wrong; empty when nothing is. */
  readonly wrong: readonly string[];
  readonly final: AuditReport;
}

/** Longer than a process takes to start again, so that both happen: restarts in place, and takeovers. */
const TAKEOVER_AFTER_MS = 3000;
/** Longer than the default: nodes, players and proxies share the cores of one machine. */
const LEASE_MS = 2000;
const JOIN_MS_MAX = 30_000;
const BETWEEN_FAULTS_MS_MIN = 1500;
const BETWEEN_FAULTS_MS_MAX = 4000;
/** After the last fault: everything must be resolved within this. */
const SETTLE_MS = 20_000;
const RECOVER_MS = 5000;
/** A checkpoint and a commit after the last input. */
const QUIET_MS = 3000;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, clients, nodes, signal } = options;
  const tell = options.onProgress ?? (() => {});
  const allowed = options.faults ?? FAULTS;
  await using cluster = await ProcessCluster.start({
    nodes,
    takeoverAfterMs: TAKEOVER_AFTER_MS,
    leaseMs: LEASE_MS,
    wanderersPerCell: options.wanderersPerCell ?? 8,
    withDisk: allowed.includes('full disk'),
    keep: options.keep ?? false,
  });
  if (options.keep === true) tell(`files in ${cluster.folder}`);
  using walkers = await Walkers.join(cluster, { count: clients, seed });
  tell(
    `${nodes} nodes (${cluster.nodes.map(({ name, pid }) => `${name} ${pid}`).join(', ')}) and ${walkers.all.length} players are there`,
  );
  const run = new ChaosRun({ cluster, walkers, tell });
  await wait(QUIET_MS);
  await run.audit({ settleMs: undefined });
  const before = run.auditor.counts;
  const faults = allowed.filter((fault) => fault !== 'full disk' || cluster.diskNode !== undefined);
  const stop = performance.now() + options.seconds * 1000;
  const auditing = run.auditUntil(stop, (options.auditSeconds ?? 7) * 1000);
  const random = new Random(mixSeed(seed, 1));
  while (performance.now() < stop) {
    signal?.throwIfAborted();
    const fault = faults[random.below(faults.length)];
    if (fault === undefined) break;
    const context = { cluster, random, takeoverAfterMs: TAKEOVER_AFTER_MS, leaseMs: LEASE_MS };
    if (!(await run.inject(fault, context))) break;
    await wait(random.between(BETWEEN_FAULTS_MS_MIN, BETWEEN_FAULTS_MS_MAX));
  }
  run.end();
  await auditing;
  await cluster.heal();
  await wait(RECOVER_MS);
  const sessionsAfter = walkers.online;
  for (const walker of walkers.all) walker.fallSilent();
  await cluster.setHandoverPercent(0);
  await wait(QUIET_MS);
  const final = await run.audit({ settleMs: SETTLE_MS });
  return summary({ options, cluster, walkers, run, before, sessionsAfter, final });
}

/** The players of a run. */
export class Walkers implements Disposable {
  readonly all: readonly Walker[];

  private constructor(all: readonly Walker[]) {
    this.all = all;
  }

  static async join(cluster: ProcessCluster, { count, seed }: { count: number; seed: number }): Promise<Walkers> {
    const walkers = new Walkers(
      await Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const { url, name: gateway } = cluster.nodes[index % cluster.nodes.length]!;
          const name = `walker-${index}`;
          return new Walker({ url, gateway, name, seed: mixSeed(seed, 2, index), token: await cluster.token(name) });
        }),
      ),
    );
    const deadlineMs = performance.now() + JOIN_MS_MAX;
    while (walkers.online < count) {
      if (performance.now() > deadlineMs) {
        walkers[Symbol.dispose]();
        throw new Error(`only ${walkers.online} of ${count} players could join`);
      }
      await wait(100);
    }
    return walkers;
  }

  get online(): number {
    return this.all.filter(({ isOnline, self }) => isOnline && self !== 0).length;
  }

  sum(of: (walker: Walker) => number): number {
    return this.all.reduce((total, walker) => total + of(walker), 0);
  }

  [Symbol.dispose](): void {
    for (const walker of this.all) walker[Symbol.dispose]();
  }
}

export class ChaosRun {
  readonly faults = new Map<Fault, number>();
  readonly wrong = new Set<string>();
  readonly auditor: ClusterAuditor;
  readonly #walkers: Walkers;
  readonly #tell: (text: string) => void;
  readonly #ended = new AbortController();

  constructor({ cluster, walkers, tell }: { cluster: ProcessCluster; walkers: Walkers; tell: (text: string) => void }) {
    this.auditor = new ClusterAuditor(cluster, tell);
    this.#walkers = walkers;
    this.#tell = tell;
  }

  /** False when the cluster cannot get over it. */
  async inject(fault: Fault, context: FaultContext): Promise<boolean> {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    try {
      this.#tell(`${fault}: ${await inject(fault, context)}`);
      return true;
    } catch (error) {
      this.wrong.add(`after "${fault}": ${String(error)}`);
      this.#tell(`${fault}: ${String(error).split('\n', 1)[0]}`);
      return false;
    }
  }

  end(): void {
    this.#ended.abort();
  }

  async auditUntil(stopMs: number, intervalMs: number): Promise<void> {
    while (performance.now() < stopMs && !this.#ended.signal.aborted) {
      await wait(intervalMs, undefined, { signal: this.#ended.signal }).catch(() => {});
      if (!this.#ended.signal.aborted) await this.audit({ settleMs: undefined });
    }
  }

  async audit({ settleMs }: { settleMs: number | undefined }): Promise<AuditReport> {
    const inputs = this.#walkers.all.flatMap(({ logs, self }) =>
      // What a session that is over was told may have gone back with its node to the last checkpoint.
      [...logs.values()].map((log) => (log.entity === self ? log : { ...log, acknowledged: 0 })),
    );
    const report = await this.auditor.audit({ settleMs, inputs });
    for (const text of this.auditor.wrong) this.wrong.add(text);
    return report;
  }
}

interface SummaryContext {
  readonly options: ChaosOptions;
  readonly cluster: ProcessCluster;
  readonly walkers: Walkers;
  readonly run: ChaosRun;
  readonly before: AuditReport['counts'] | undefined;
  readonly sessionsAfter: number;
  readonly final: AuditReport;
}

function summary({ options, cluster, walkers, run, before, sessionsAfter, final }: SummaryContext): ChaosResult {
  const logs = walkers.all.flatMap((walker) => [...walker.logs.values()]);
  const total = (of: (log: (typeof logs)[number]) => number): number => logs.reduce((sum, log) => sum + of(log), 0);
  const stalls = walkers.all.flatMap((walker) => walker.stalls);
  const longest = (of: (stall: Stall) => boolean): number =>
    Math.max(0, ...stalls.filter(of).map(({ durationMs }) => durationMs));
  const wrong = [...run.wrong];
  const repeats = total((log) => log.repeats);
  if (repeats > 0) wrong.push(`${repeats} inputs were applied twice`);
  if (final.verdict !== 'proven') wrong.push(`the last audit says "${final.verdict}": ${codesText(final)}`);
  if (sessionsAfter < options.clients) wrong.push(`${options.clients - sessionsAfter} players are not online again`);
  for (const end of cluster.nodes.flatMap(({ ends }) => ends)) wrong.push(endText(end));
  const histories = historyCounts(cluster);
  return {
    seed: options.seed,
    seconds: options.seconds,
    faults: Object.fromEntries(run.faults),
    entitiesBefore: before?.present ?? 0,
    entitiesAfter: final.counts.present,
    sessionsBefore: options.clients,
    sessionsAfter,
    sessionsNew: walkers.sum(({ newSessions }) => newSessions),
    reconnects: walkers.sum(({ reconnects }) => reconnects),
    inputsSent: total(({ sent }) => sent),
    inputsAcknowledged: total(({ acknowledged }) => acknowledged),
    inputsTwice: repeats,
    inputsMissed: total(({ missed }) => missed),
    snapshots: walkers.sum(({ snapshots }) => snapshots),
    ownerChanges: walkers.sum(({ owners }) => owners.length),
    handovers: histories.handovers,
    takeovers: histories.takeovers,
    audits: run.auditor.audits,
    longestStallMs: longest(({ isConnected }) => isConnected),
    longestOutageMs: longest(() => true),
    jumps: walkers.sum(({ jumps }) => jumps),
    longestJumpMetres: Math.max(0, ...walkers.all.map(({ longestJumpMetres }) => longestJumpMetres)),
    verdict: final.verdict,
    wrong,
    final,
  };
}

function endText({ name, code, signal, output }: UnexpectedEnd): string {
  return `${name} ended by itself (${signal ?? code}):\n${output.map((line) => `    ${line}`).join('\n')}`;
}
