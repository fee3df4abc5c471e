/** The players of a cluster in processes of their own, as their parent sees them: messages, and what comes back. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Measures } from '../../src/main/bots/measures.ts';
import type { MeasuresData } from '../../src/main/bots/measures.ts';
import { addRedirects, newRedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import type { RedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import type { ClientMode } from '../../src/wire/messages.ts';
import type { InputLog } from './cluster-auditor.ts';
import type { Meeting } from './counting-way.ts';

export interface PlayersOptions {
  readonly urls: readonly string[];
  readonly count: number;
  /** Number of the first. */
  readonly first: number;
  readonly tokens: readonly string[];
  readonly mode: ClientMode;
  readonly seed: number;
  readonly inputsHz: number;
  readonly ways: 'roam' | 'shuttle';
}

/** From the parent: join; walk and measure; meet somewhere, or part again; count redirects anew; walk no more, and answer when all is durable; tell all; leave. */
export type PlayersOrder =
  | { readonly kind: 'join'; readonly options: PlayersOptions }
  | { readonly kind: 'walk' }
  | { readonly kind: 'meet'; readonly place: Meeting['place'] }
  | { readonly kind: 'phase' }
  | { readonly kind: 'rest'; readonly timeoutMs: number }
  | { readonly kind: 'tell' }
  | { readonly kind: 'leave' };

/** What one player sent, was told, and what the world says of it. */
export interface PlayerLog extends InputLog {
  readonly name: string;
  readonly isOnline: boolean;
  /** Number of its last input, and the last one that acted. */
  readonly number: number;
  readonly last: number;
  /** By the SDK's sequence: the last that survives a crash. */
  readonly durable: number;
  /** By the SDK: pushed out of its window before they were durable. */
  readonly undurableGivenUp: number;
}

export interface PlayersState {
  readonly online: number;
  readonly resumes: number;
  readonly sessionsLost: number;
  readonly snapshots: number;
  /** By phase, the one under way last. */
  readonly redirectPhases: readonly Readonly<RedirectCounts>[];
  /** Bytes. */
  readonly memory: number;
  /** Since the process began, in seconds. */
  readonly cpuSeconds: number;
}

export type PlayersAnswer =
  | { readonly kind: 'joined'; readonly joined: number }
  | { readonly kind: 'state'; readonly state: PlayersState }
  | { readonly kind: 'rested'; readonly waiting: number }
  | {
      readonly kind: 'told';
      readonly measures: MeasuresData;
      readonly logs: readonly PlayerLog[];
      readonly gaps: readonly string[];
    };

const PROCESS = fileURLToPath(new URL('players-process.ts', import.meta.url));
/** More than one process can play for, at 10 snapshots a second each, without being late itself. */
const PLAYERS_OF_A_PROCESS_MAX = 600;

export class Players implements AsyncDisposable {
  readonly #children: readonly PlayersChild[];

  private constructor(children: readonly PlayersChild[]) {
    this.#children = children;
  }

  /**
   * Resolves when all have joined.
   * @param options.groups players who know these nodes alone, in groups of about one size; all know `urls` without.
   * @throws Error when not all could.
   */
  static async join(
    options: Omit<PlayersOptions, 'first'> & { readonly groups?: readonly (readonly string[])[] | undefined },
  ): Promise<Players> {
    const { groups = [options.urls], ...shared } = options;
    const ofGroup = Math.ceil(options.count / groups.length / PLAYERS_OF_A_PROCESS_MAX);
    const processes = Math.min(options.count, ofGroup * groups.length);
    const share = Math.ceil(options.count / processes);
    const children = Array.from({ length: processes }, () => new PlayersChild());
    const players = new Players(children);
    try {
      const joined = await Promise.all(
        children.map(async (child, index) => {
          const first = index * share;
          const count = Math.max(0, Math.min(share, options.count - first));
          const tokens = options.tokens.slice(first, first + count);
          const urls = groups[index % groups.length] ?? options.urls;
          child.order({ kind: 'join', options: { ...shared, urls, first, count, tokens } });
          return (await child.answer('joined')).joined;
        }),
      );
      const all = joined.reduce((sum, value) => sum + value, 0);
      if (all < options.count) throw new Error(`only ${all} of ${options.count} players could join`);
    } catch (error) {
      await players[Symbol.asyncDispose]();
      throw error;
    }
    return players;
  }

  get pids(): readonly number[] {
    return this.#children.map(({ pid }) => pid);
  }

  /** Of all phases, of about a second ago. */
  get redirects(): RedirectCounts {
    const total = newRedirectCounts();
    for (const { state } of this.#children) for (const phase of state?.redirectPhases ?? []) addRedirects(total, phase);
    return total;
  }

  /** Of about a second ago. */
  get state(): Omit<PlayersState, 'redirectPhases'> {
    const states = this.#children.map(({ state }) => state);
    const total = (of: (state: PlayersState) => number): number =>
      states.reduce((sum, state) => sum + (state === undefined ? 0 : of(state)), 0);
    return {
      online: total(({ online }) => online),
      resumes: total(({ resumes }) => resumes),
      sessionsLost: total(({ sessionsLost }) => sessionsLost),
      snapshots: total(({ snapshots }) => snapshots),
      memory: total(({ memory }) => memory),
      cpuSeconds: total(({ cpuSeconds }) => cpuSeconds),
    };
  }

  walk(): void {
    for (const child of this.#children) child.order({ kind: 'walk' });
  }

  /** All go there and stay; undefined: they part. */
  meet(place: Meeting['place']): void {
    for (const child of this.#children) child.order({ kind: 'meet', place });
  }

  /** Redirects that are offered from now on are counted apart. */
  beginPhase(): void {
    for (const child of this.#children) child.order({ kind: 'phase' });
  }

  /** They send nothing more. Resolves with how many still wait for an input to be durable, or to be online. */
  async rest(timeoutMs: number): Promise<number> {
    const waiting = await Promise.all(
      this.#children.map(async (child) => {
        child.order({ kind: 'rest', timeoutMs });
        return (await child.answer('rested')).waiting;
      }),
    );
    return waiting.reduce((sum, value) => sum + value, 0);
  }

  async tell(): Promise<{ measures: Measures; logs: readonly PlayerLog[]; gaps: readonly string[] }> {
    const measures = new Measures();
    const logs: PlayerLog[] = [];
    const gaps: string[] = [];
    for (const child of this.#children) {
      child.order({ kind: 'tell' });
      const told = await child.answer('told');
      measures.add(told.measures);
      logs.push(...told.logs);
      gaps.push(...told.gaps);
    }
    return { measures, logs, gaps };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child.end()));
  }
}

const LEAVE_MS_MAX = 10_000;

class PlayersChild {
  state: PlayersState | undefined;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, (answer: PlayersAnswer) => void>();
  #failure: ((error: Error) => void) | undefined;
  #isEnded = false;

  constructor() {
    this.#child = fork(PROCESS, [], { serialization: 'advanced' });
    this.#child.on('message', (message) => this.#take(message as PlayersAnswer));
    this.#child.once('exit', (code, signal) => {
      this.#isEnded = true;
      this.#failure?.(new Error(`a process of players ended (${signal ?? code})`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  order(order: PlayersOrder): void {
    if (!this.#isEnded) this.#child.send(order);
  }

  async answer<Kind extends PlayersAnswer['kind']>(kind: Kind): Promise<Extract<PlayersAnswer, { kind: Kind }>> {
    if (this.#isEnded) throw new Error('a process of players has ended');
    const { promise, resolve, reject } = Promise.withResolvers<PlayersAnswer>();
    this.#waiting.set(kind, resolve);
    this.#failure = reject;
    return (await promise) as Extract<PlayersAnswer, { kind: Kind }>;
  }

  async end(): Promise<void> {
    if (this.#isEnded) return;
    const gone = once(this.#child, 'exit');
    this.order({ kind: 'leave' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LEAVE_MS_MAX);
    await gone;
    clearTimeout(timer);
  }

  #take(answer: PlayersAnswer): void {
    if (answer.kind === 'state') this.state = answer.state;
    const waiting = this.#waiting.get(answer.kind);
    this.#waiting.delete(answer.kind);
    waiting?.(answer);
  }
}
