/** One run: a server, so many clients, and what both say of a window of time. */
import path from 'node:path';
import type { ClientsOrder, ClientsPlan, Grown, Side } from './clients-plan.ts';
import type { WindowReport } from './measures.ts';
import type { Usage } from './probe.ts';
import { worldSizeFor } from './scene.ts';
import { MeasuredServer } from './servers.ts';
import { SideProcess } from './side-process.ts';

export interface RunOptions {
  readonly side: Side;
  readonly clients: number;
  readonly seconds: number;
  readonly inputsHz: number;
  readonly rateHz: number;
  /** Server and clients each on a core of their own. */
  readonly pin: boolean;
  /** Folder for CPU profiles of the server, one for each thread. */
  readonly profile: string | undefined;
  /** For the bare server. */
  readonly sizes: readonly number[];
}

/** What a table shows; milliseconds, bytes, microseconds. */
export interface Figures {
  readonly cores: number;
  readonly cpuUsPerClientSecond: number;
  /** All that the server does, over the states it sent. */
  readonly cpuUsPerState: number;
  /** The same over all messages, in and out. */
  readonly cpuUsPerMessage: number;
  readonly bytesDown: number;
  readonly bytesUp: number;
  readonly statesPerSecond: number;
  readonly offNominalP50: number;
  readonly offNominalP99: number;
  readonly receiptNearP50: number;
  readonly receiptNearP99: number;
  readonly receiptP50: number;
  readonly receiptP99: number;
  readonly inView: number;
  readonly joinSeconds: number;
  readonly memoryBytes: number;
  readonly clientCores: number;
  readonly clientDelayP99: number;
  readonly online: number;
}

export interface Run {
  readonly figures: Figures;
  readonly failures: Readonly<Record<string, number>>;
  readonly stateBytes: readonly number[];
}

export const SERVER_CORE = 0;
export const CLIENTS_CORE = 1;
/** Views fill, and what joining left behind is collected. */
const SETTLE_SECONDS = 2;
const GROW_MS_MAX = 120_000;

export async function measureRun(options: RunOptions): Promise<Run> {
  const { side, clients, seconds, inputsHz, rateHz, pin, profile, sizes } = options;
  const crowd = { people: clients, worldSize: worldSizeFor(clients) };
  const nodeFlags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const core = pin ? SERVER_CORE : undefined;
  await using server = await MeasuredServer.start(side, { crowd, tickHz: rateHz, stateHz: rateHz, core, nodeFlags });
  if (side === 'bare' && sizes.length > 0) await server.repeat(sizes);
  const plan: ClientsPlan = { side, port: server.port, crowd, inputsHz, stateHz: rateHz };
  await using process = clientsProcess(plan, pin ? CLIENTS_CORE : undefined);
  const empty = await server.usage();
  const grow: ClientsOrder = { type: 'grow', count: clients };
  const grown = await process.ask<Grown>(grow, 'grown', GROW_MS_MAX);
  await window(process, SETTLE_SECONDS);
  const before = await server.usage();
  const report = await window(process, seconds);
  const after = await server.usage();
  const figures = figuresOf({ report, grown, empty, before, after, clients });
  return { figures, failures: report.failures, stateBytes: report.stateBytes };
}

export function clientsProcess(plan: ClientsPlan, core: number | undefined): SideProcess {
  const script = path.join(import.meta.dirname, 'clients-process.ts');
  return new SideProcess({ name: 'the clients', command: [script, JSON.stringify(plan)], core });
}

/** Begins a window, waits, and ends it. */
export async function window(process: SideProcess, seconds: number): Promise<WindowReport> {
  await process.ask<WindowReport>({ type: 'window' }, 'window');
  await new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
  return await process.ask<WindowReport>({ type: 'window' }, 'window');
}

interface Measured {
  readonly report: WindowReport;
  readonly grown: Grown;
  readonly empty: Usage;
  readonly before: Usage;
  readonly after: Usage;
  readonly clients: number;
}

function figuresOf({ report, grown, empty, before, after, clients }: Measured): Figures {
  // Microseconds per millisecond are thousandths of a core.
  const cores = (after.cpuUs - before.cpuUs) / (after.atMs - before.atMs) / 1000;
  const perSecond = (count: number) => count / report.seconds;
  const usPerSecond = cores * 1e6;
  return {
    cores,
    cpuUsPerClientSecond: usPerSecond / clients,
    cpuUsPerState: usPerSecond / perSecond(report.states),
    cpuUsPerMessage: usPerSecond / perSecond(report.messagesIn + report.messagesOut),
    bytesDown: perSecond(report.bytesIn) / clients,
    bytesUp: perSecond(report.bytesOut) / clients,
    statesPerSecond: perSecond(report.states) / clients,
    offNominalP50: report.offNominalMs.p50,
    offNominalP99: report.offNominalMs.p99,
    receiptNearP50: report.receiptNearMs.p50,
    receiptNearP99: report.receiptNearMs.p99,
    receiptP50: report.receiptMs.p50,
    receiptP99: report.receiptMs.p99,
    inView: report.inViewMean,
    joinSeconds: grown.seconds,
    memoryBytes: (before.residentBytes - empty.residentBytes) / clients,
    clientCores: report.cpuCores,
    clientDelayP99: report.loopDelayMs.p99,
    online: report.online,
  };
}

/** The middle of the rounds, figure by figure. */
export function medianFigures(runs: readonly Figures[]): Figures {
  const [first] = runs;
  if (first === undefined) throw new Error('no run');
  const names = Object.keys(first) as (keyof Figures)[];
  return Object.fromEntries(
    names.map((name) => {
      const values = runs.map((run) => run[name]).sort((left, right) => left - right);
      return [name, values[Math.floor((values.length - 1) / 2)]!];
    }),
  ) as unknown as Figures;
}
