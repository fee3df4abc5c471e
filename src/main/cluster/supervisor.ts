/**
 * Starts the nodes of a cluster on this host, keeps them running, and stops them.
 *
 *   start ──▶ starting ──ready──▶ running ──died──▶ waiting ──after a while──▶ starting
 *                │                   │                └──too often──▶ down
 *                └──ended with an error at its first start──▶ the whole cluster stops with that exit code
 *   stop: SIGTERM to all, SIGKILL to who is left after stopMs
 */
import type { ClusterLog } from './cluster-log.ts';
import { NodeProcess } from './node-process.ts';
import type { ProcessEnd } from './node-process.ts';
import type { NodePlan } from './node-plan.core.ts';
import { NO_HISTORY, decideAfterExit } from './restart.core.ts';
import type { RestartDecision, RestartHistory } from './restart.core.ts';
import type { NodeDrained, NodeReady } from './supervised.ts';

export interface SupervisorOptions {
  readonly nodes: readonly NodePlan[];
  /** A program for Node that is given `command`, the arguments of a plan, and its port. */
  readonly program: string;
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Whether a node that died is started again. */
  readonly restarts: boolean;
  readonly log: ClusterLog;
  /** For a stop that was asked for, until the rest is killed. */
  readonly stopMs?: number;
  readonly onAllReady: (nodes: readonly RunningNode[]) => void;
}

export interface RunningNode {
  readonly name: string;
  readonly pid: number;
  readonly ready: NodeReady;
}

/** Longer than a node needs to say goodbye to clients and to finish its journal. */
export const STOP_MS_DEFAULT = 10_000;

interface SupervisedNode {
  readonly plan: NodePlan;
  /** As it was first given, so that clients find it again. */
  port: number;
  run: NodeProcess | undefined;
  ready: NodeReady | undefined;
  readySinceMs: number;
  /** It was drained, and this is what was said of its return. */
  drained: NodeDrained | undefined;
  history: RestartHistory;
  timer: NodeJS.Timeout | undefined;
}

export class Supervisor implements AsyncDisposable {
  /** The exit code: 0 when all nodes ended well. */
  readonly ended: Promise<number>;
  readonly #end: (code: number) => void;
  readonly #options: SupervisorOptions;
  readonly #nodes: readonly SupervisedNode[];
  #exitCode = 0;
  #isStopping = false;
  #wasAllReady = false;
  #stopTimer: NodeJS.Timeout | undefined;

  static start(options: SupervisorOptions): Supervisor {
    const supervisor = new Supervisor(options);
    for (const node of supervisor.#nodes) supervisor.#start(node);
    return supervisor;
  }

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    this.#end = resolve;
    this.#nodes = options.nodes.map((plan) => ({
      plan,
      port: plan.port,
      run: undefined,
      ready: undefined,
      readySinceMs: 0,
      drained: undefined,
      history: NO_HISTORY,
      timer: undefined,
    }));
  }

  /** Tells all nodes to stop; `ended` tells when they have. Can be called again. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const { log, stopMs = STOP_MS_DEFAULT } = this.#options;
    for (const node of this.#nodes) {
      clearTimeout(node.timer);
      node.timer = undefined;
      node.run?.kill('SIGTERM');
    }
    this.#stopTimer = setTimeout(() => {
      const late = this.#nodes.filter(({ run }) => run !== undefined).map(({ plan }) => plan.name);
      log.tell('error', `${late.join(', ')} did not stop within ${stopMs} ms: killed`, { nodes: late });
      this.kill();
    }, stopMs);
    this.#endIfAllDown();
  }

  /** Ends all nodes at once, unasked. They recover from their journals at the next start. */
  kill(): void {
    this.#exitCode ||= 1;
    for (const { run } of this.#nodes) run?.kill('SIGKILL');
    this.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.ended;
  }

  #start(node: SupervisedNode): void {
    const { program, command, environment, log } = this.#options;
    const { name, args } = node.plan;
    node.timer = undefined;
    node.ready = undefined;
    node.drained = undefined;
    const run = new NodeProcess({
      program,
      args: [...command, ...args, '--port', String(node.port)],
      environment,
      onLine: (line, from) => log.line(name, line, from),
      onReady: (ready) => this.#nodeReady(node, ready),
      onDrained: (drained) => {
        node.drained = drained;
      },
    });
    node.run = run;
    void run.ended.then((end) => this.#nodeEnded(node, end));
  }

  #nodeReady(node: SupervisedNode, ready: NodeReady): void {
    node.ready = ready;
    node.port = ready.port;
    node.readySinceMs = performance.now();
    const running = this.#nodes.flatMap(({ plan, run, ready: said }) =>
      run && said ? [{ name: plan.name, pid: run.pid, ready: said }] : [],
    );
    if (this.#wasAllReady) {
      const { log } = this.#options;
      log.tell('info', `${node.plan.name} is ready again`, { node: node.plan.name, url: ready.url });
    } else if (running.length === this.#nodes.length) {
      this.#wasAllReady = true;
      this.#options.onAllReady(running);
    }
  }

  #nodeEnded(node: SupervisedNode, end: ProcessEnd): void {
    const readyMs = node.ready === undefined ? undefined : performance.now() - node.readySinceMs;
    const comesBack = node.drained?.restarts ?? false;
    const exit = { code: end.code, readyMs, isStopping: this.#isStopping, comesBack };
    const decision = decideAfterExit(node.history, exit, { restarts: this.#options.restarts });
    node.history = {
      failures: 'failures' in decision ? decision.failures : node.history.failures,
      wasReady: node.history.wasReady || readyMs !== undefined,
    };
    node.run = undefined;
    node.ready = undefined;
    this.#tell(node, { end, decision });
    this.#obey(node, { end, decision });
    this.#endIfAllDown();
  }

  #obey(node: SupervisedNode, { end, decision }: { end: ProcessEnd; decision: RestartDecision }): void {
    switch (decision.kind) {
      case 'stopped':
        if (end.code !== 0) this.#exitCode ||= 1;
        return;
      case 'fatal':
        this.#exitCode ||= decision.code;
        return this.stop();
      case 'restart':
        node.timer = setTimeout(() => this.#start(node), decision.delayMs);
        return;
      case 'gaveUp':
      case 'down':
        this.#exitCode ||= 1;
    }
  }

  #tell(
    { plan: { name: node }, drained }: SupervisedNode,
    { end, decision }: { end: ProcessEnd; decision: RestartDecision },
  ): void {
    const { log } = this.#options;
    const how = end.signal ? `was ended by ${end.signal}` : `ended with exit code ${end.code}`;
    const fields = { node, code: end.code, signal: end.signal };
    switch (decision.kind) {
      case 'stopped':
        if (!this.#isStopping) {
          const what = drained === undefined ? 'stopped' : 'drained';
          log.tell('info', `${node} was ${what}; it is not started again`, fields);
        } else if (end.code !== 0) log.tell('warn', `${node} ${how} while stopping`, fields);
        return;
      case 'fatal':
        return log.tell('error', `${node} cannot start (exit code ${end.code}): the cluster stops`, fields);
      case 'restart': {
        if (drained !== undefined && end.code === 0)
          return log.tell('info', `${node} was drained; it starts again`, fields);
        const when = decision.delayMs === 0 ? 'at once' : `in ${decision.delayMs} ms`;
        return log.tell('warn', `${node} ${how}; it starts again ${when}`, { ...fields, delayMs: decision.delayMs });
      }
      case 'gaveUp':
        return log.tell('error', `${node} ${how}, ${decision.failures} times in short time: it stays down`, fields);
      case 'down':
        return log.tell('error', `${node} ${how}; restarts are switched off: it stays down`, fields);
    }
  }

  #endIfAllDown(): void {
    if (this.#nodes.some(({ run, timer }) => run !== undefined || timer !== undefined)) return;
    clearTimeout(this.#stopTimer);
    this.#end(this.#exitCode);
  }
}
