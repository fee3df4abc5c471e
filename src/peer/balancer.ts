/**
 * The balancer of a cluster, in the peer thread of the node that has the seat (balancer-seat.core.ts): once a second it reads all loads,
 * asks the core what to do, has the directory do it, and writes down what was decided and why.
 *
 * It is not needed for safety. Two that both believe to balance can only disagree about owners, and each change compares epochs; a
 * move that is refused was decided by what is no longer so, and the next look decides anew.
 */
import { balance, createBalancer, MINUTE_MS } from './balancer.core.ts';
import type { BalancePlan, BalancerState, BlockMove } from './balancer.core.ts';
import { boundedMovesSince, decisionsText, readDecisions } from './balancer-log.core.ts';
import type { Decision } from './balancer-log.core.ts';
import { seatHolder, seatPatienceMs, seatText } from './balancer-seat.core.ts';
import type { CapacityHook } from './capacity-hook.ts';
import { BALANCE_MODES, DIRECTORY_SETTINGS } from './directory.ts';
import type { BalanceMode, BlockOwner, Directory, Member, SettingEntry } from './directory.ts';
import type { BlockGrid } from './placement.core.ts';
import type { NodeNumber, PeerIdentity } from './protocol.ts';

export interface BalancerOptions {
  readonly directory: Directory;
  readonly me: PeerIdentity;
  readonly name: string;
  readonly grid: BlockGrid;
  readonly tickHz: number;
  readonly movesPerMinute: number;
  readonly hook: CapacityHook;
  readonly utcMs: () => number;
  readonly events: BalancerEvents;
}

export interface BalancerEvents {
  /** Whether this node balances, and what it found. */
  looked(report: { readonly isBalancer: boolean; readonly nodesWanted: number; readonly overloads: number }): void;
  moved(blocks: number): void;
  /** This node or another has decided something: the last decisions, newest last. */
  decided(decisions: readonly Decision[]): void;
  note(level: 'info' | 'warn', message: string, details: Readonly<Record<string, unknown>>): void;
}

const LOOK_MS = 1000;
/** The same words are not said again for so long. */
const SAID_MS = 60_000;
/** Nor that the same nodes could be switched off. */
const IDLE_SAID_MS = 600_000;

export class Balancer {
  readonly #options: BalancerOptions;
  #members: readonly Member[] = [];
  #blocks: readonly BlockOwner[] = [];
  #settings: readonly SettingEntry[] = [];
  #state: BalancerState | undefined;
  #decisions: Decision[] = [];
  readonly #saidMs = new Map<string, number>();
  #logVersion = 0;
  #idleSaid = '';
  #idleSaidMs = 0;
  #emptySinceMs = 0;
  #dueMs = 0;
  #isBusy = false;

  constructor(options: BalancerOptions) {
    this.#options = options;
  }

  /** The node that balances, 0 for nobody. */
  get holder(): NodeNumber {
    return seatHolder(this.#settings, this.#members);
  }

  setMembers(members: readonly Member[]): void {
    this.#members = members.filter(({ state }) => state !== 'fenced');
  }

  setBlocks(blocks: readonly BlockOwner[]): void {
    this.#blocks = blocks;
  }

  setSettings(settings: readonly SettingEntry[]): void {
    this.#settings = settings;
    const log = settings.find(({ key }) => key === DIRECTORY_SETTINGS.balancerLog);
    if (log === undefined || log.version === this.#logVersion) return;
    this.#logVersion = log.version;
    this.#options.events.decided(readDecisions(log.value));
  }

  /** To be called a few times a second while this node may act. */
  time(nowMs: number): void {
    if (this.#isBusy || nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + LOOK_MS;
    this.#isBusy = true;
    this.#look(nowMs)
      .catch((error: unknown) => {
        this.#say(`failed ${String(error)}`, nowMs, () =>
          this.#options.events.note('warn', 'the balancer could not look', { error: String(error) }),
        );
      })
      .finally(() => {
        this.#isBusy = false;
      });
  }

  close(): void {
    this.#options.hook.close();
  }

  async #look(nowMs: number): Promise<void> {
    const { me, events, hook } = this.#options;
    const { holder } = this;
    if (holder === 0) return this.#takeSeat(nowMs);
    this.#emptySinceMs = 0;
    if (holder !== me.node) {
      this.#state = undefined;
      hook.forget();
      events.looked({ isBalancer: false, nodesWanted: 0, overloads: 0 });
      return;
    }
    this.#state ??= this.#begin(nowMs);
    const loads = await this.#options.directory.loads();
    const plan = balance(this.#state, this.#facts(loads, nowMs));
    hook.want(plan.wanted, nowMs);
    events.looked({ isBalancer: true, nodesWanted: plan.wanted.nodes, overloads: plan.overloads.length });
    const before = this.#decisions.length;
    for (const move of plan.moves) await this.#move(move, nowMs);
    this.#sayWhatIs(plan, nowMs);
    if (this.#decisions.length > before) await this.#writeLog();
  }

  async #takeSeat(nowMs: number): Promise<void> {
    const { directory, me, events, name } = this.#options;
    if (this.#emptySinceMs === 0) this.#emptySinceMs = nowMs;
    const patienceMs = seatPatienceMs(me.node, this.#members);
    if (patienceMs === undefined || nowMs - this.#emptySinceMs < patienceMs) return;
    const expectedVersion = this.#settings.find(({ key }) => key === DIRECTORY_SETTINGS.balancer)?.version ?? 0;
    const taken = await directory.putSetting(DIRECTORY_SETTINGS.balancer, seatText(me), { expectedVersion });
    if (taken !== undefined) events.note('info', 'this node balances the cluster now', { name });
  }

  /** What the one before did in the last minute counts. */
  #begin(nowMs: number): BalancerState {
    const state = createBalancer({ blockCount: this.#options.grid.blockCount });
    this.#decisions = readDecisions(this.#settings.find(({ key }) => key === DIRECTORY_SETTINGS.balancerLog)?.value);
    const utcMs = this.#options.utcMs();
    state.movesMs = boundedMovesSince(this.#decisions, utcMs - MINUTE_MS).map((atMs) => nowMs - (utcMs - atMs));
    return state;
  }

  #facts(loads: Awaited<ReturnType<Directory['loads']>>, nowMs: number): Parameters<typeof balance>[1] {
    const { grid, tickHz, movesPerMinute } = this.#options;
    return {
      nowMs,
      tickPeriodUs: 1e6 / tickHz,
      grid,
      mode: balanceMode(this.#settings),
      movesPerMinute,
      members: this.#members,
      blocks: this.#blocks,
      loads,
    };
  }

  async #move(move: BlockMove, nowMs: number): Promise<void> {
    const { directory, events } = this.#options;
    const isDry = balanceMode(this.#settings) === 'dry-run' && move.kind !== 'drain';
    if (isDry) {
      this.#say(move.text, nowMs, () => this.#decide(move, 'dry-run'));
      return;
    }
    const isDone = await directory.giveBlocks({ from: move.from, to: move.to, blocks: move.blocks });
    if (!isDone) {
      this.#say(move.text, nowMs, () => this.#decide(move, 'refused'));
      return;
    }
    // As the watch will tell in a moment: the next look must not decide by what was before.
    const given = new Set(move.blocks.map(({ block }) => block));
    this.#blocks = this.#blocks.map((owner) =>
      given.has(owner.block) ? { ...owner, node: move.to, epoch: owner.epoch + 1 } : owner,
    );
    events.moved(move.blocks.length);
    this.#decide(move, 'done');
  }

  #decide(move: BlockMove, outcome: Decision['outcome']): void {
    const blocks = move.blocks.map(({ block }) => block);
    const [from, to] = [this.#nameOf(move.from), this.#nameOf(move.to)];
    this.#note({ kind: move.kind, outcome, from, to, blocks, blockCount: blocks.length, text: move.text });
  }

  /** What nothing is done about: nodes that are too busy, nodes that could be switched off. */
  #sayWhatIs({ overloads, idle, wanted }: BalancePlan, nowMs: number): void {
    const nothing = { outcome: 'said', to: '', blockCount: 0 } as const;
    for (const { node, kind, block, text } of overloads) {
      this.#say(`overload ${node} ${kind} ${block}`, nowMs, () =>
        this.#note({
          ...nothing,
          kind: 'overload',
          from: this.#nameOf(node),
          blocks: block === undefined ? [] : [block],
          text,
        }),
      );
    }
    const names = idle.map((node) => this.#nameOf(node)).join(', ');
    if (names === '' || (names === this.#idleSaid && nowMs - this.#idleSaidMs < IDLE_SAID_MS)) return;
    this.#idleSaid = names;
    this.#idleSaidMs = nowMs;
    this.#note({ ...nothing, kind: 'idle', from: '', blocks: [], text: wanted.reason });
  }

  #note(decision: Omit<Decision, 'atMs' | 'by'>): void {
    const { events, utcMs, name } = this.#options;
    this.#decisions.push({ atMs: utcMs(), by: name, ...decision });
    const { kind, outcome, blockCount, text } = decision;
    const level = kind === 'overload' || outcome === 'refused' ? 'warn' : 'info';
    events.note(level, `balancer: ${text}`, { kind, outcome, blocks: blockCount });
  }

  async #writeLog(): Promise<void> {
    const value = decisionsText(this.#decisions);
    this.#decisions = readDecisions(value);
    await this.#options.directory.putSetting(DIRECTORY_SETTINGS.balancerLog, value);
  }

  #say(key: string, nowMs: number, say: () => void): void {
    if (nowMs - (this.#saidMs.get(key) ?? Number.NEGATIVE_INFINITY) < SAID_MS) return;
    for (const [said, atMs] of this.#saidMs) if (nowMs - atMs >= SAID_MS) this.#saidMs.delete(said);
    this.#saidMs.set(key, nowMs);
    say();
  }

  #nameOf(node: NodeNumber): string {
    return this.#members.find((member) => member.node === node)?.name ?? String(node);
  }
}

export function balanceMode(settings: readonly SettingEntry[]): BalanceMode {
  const value = settings.find(({ key }) => key === DIRECTORY_SETTINGS.balance)?.value;
  return BALANCE_MODES.find((mode) => mode === value) ?? 'on';
}
