/**
 * The end of a node that is to leave for good: obeys drain.core.ts, and hands the journal in.
 *
 *   over ──▶ main stops gateway and simulation ──▶ last state stable ──▶ links closed ──▶ fence(me, successor) ──▶ lock let go
 *                                                                                             └─▶ the successor imports the file
 *
 * Invariant: between the fence and the end of the process nothing is written to the journal and nothing is sent: the links are closed
 * and the lease is not renewed before it. So the successor finds what a crash at that moment would have left, and takes it the same way.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../base/monotonic.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { SessionIndex } from '../base/brand.ts';
import type { Store } from '../memory/store.ts';
import type { CrashPoints } from './crash-point.ts';
import { isEmpty, STAYING, stepDrain } from './drain.core.ts';
import type { DrainLeft, DrainState } from './drain.core.ts';
import type { BlockOwner, Directory, DirectoryChange, Member, SettingEntry } from './directory.ts';
import type { HandoverShell } from './handover-shell.ts';
import { placeBlocks } from './placement.core.ts';
import type { NodeNumber, PeerIdentity } from './protocol.ts';

export interface DrainOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly name: string;
  readonly directory: Directory;
  readonly core: HandoverShell;
  readonly crashPoints: CrashPoints;
  readonly events: DrainEvents;
}

export interface DrainEvents {
  /** Nothing is left here but what the journal keeps: the process is to stop. */
  over(options: { readonly restarts: boolean }): void;
  note(level: 'info' | 'warn', message: string, details: Readonly<Record<string, unknown>>): void;
}

/** Walks over all sessions: not more often than that. */
const LOOK_MS = 50;
/** The version of the own lease changes with each renewal, and the last one may still be on its way. */
const HAND_IN_TRIES_MAX = 20;
const HAND_IN_AGAIN_MS = 50;

/** Key of a setting in the directory: whether the supervisor of that node starts it again once that incarnation has gone. */
export function restartKey(name: string): string {
  return `restart.${name}`;
}

export class Drain {
  readonly #options: DrainOptions;
  #state: DrainState = STAYING;
  #members: readonly Member[] = [];
  #blocks: readonly BlockOwner[] = [];
  #settings: readonly SettingEntry[] = [];
  #dueMs = 0;
  #isGiving = false;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** Nobody is to come here any more. */
  get isLeaving(): boolean {
    return this.#state.phase !== 'staying';
  }

  /** The journal is to be handed in at the end. */
  get isOver(): boolean {
    return this.#state.phase === 'over';
  }

  /** Somebody active can take what is here. */
  get hasSuccessor(): boolean {
    return this.#successor() !== 0;
  }

  see(change: DirectoryChange): void {
    this.#members = change.members ?? this.#members;
    this.#blocks = change.blocks ?? this.#blocks;
    this.#settings = change.settings ?? this.#settings;
  }

  /** To be called every few milliseconds while the node may act. */
  time(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + LOOK_MS;
    const isDraining = this.#isDraining();
    if (!isDraining && !this.isLeaving) return;
    const left = this.#left();
    const { hasSuccessor } = this;
    const { state, action } = stepDrain(this.#state, { nowMs, isDraining, left, hasSuccessor });
    this.#state = state;
    const { events } = this.#options;
    switch (action) {
      case 'none':
        return;
      case 'started':
        return events.note('info', 'this node drains: blocks, entities and clients go elsewhere', { ...left });
      case 'cancelled':
        return events.note('info', 'this node stays: its drain was cancelled', { ...left });
      case 'giveBlocks':
        void this.#giveBlocks();
        return;
      case 'over': {
        events.note('info', 'this node is drained', {});
        return events.over({ restarts: this.#restarts() });
      }
    }
  }

  /**
   * Ends this node's lease in favour of a successor, who takes its journal once the lock is free. Call it when the last state is stable,
   * the links are closed and the lease is not renewed any more.
   * @returns false when nobody could be made successor: the journal stays this node's own then.
   */
  async handIn(): Promise<boolean> {
    const { directory, me, crashPoints, events } = this.#options;
    crashPoints.pass('beforeHandIn');
    for (let attempt = 0; attempt < HAND_IN_TRIES_MAX; attempt++) {
      try {
        this.#members = await directory.members();
        const own = this.#members.find(({ incarnation, node }) => node === me.node && incarnation === me.incarnation);
        if (own === undefined) return false;
        // By an attempt whose answer was lost, or by a neighbour that took this process for dead: it will be imported either way.
        if (own.state === 'fenced') return true;
        const successor = this.#successor();
        const isFenced =
          successor !== 0 && (await directory.fence({ node: me.node, seenVersion: own.version, successor }));
        if (isFenced) {
          crashPoints.pass('afterHandIn');
          events.note('info', 'the journal is handed in', { successor: this.#nameOf(successor) });
          return true;
        }
      } catch (error) {
        events.note('warn', 'the journal could not be handed in, once more', { error: String(error) });
      }
      await delay(HAND_IN_AGAIN_MS);
    }
    return false;
  }

  #isDraining(): boolean {
    const { me } = this.#options;
    return this.#members.some(
      ({ node, incarnation, state }) => node === me.node && incarnation === me.incarnation && state === 'draining',
    );
  }

  #left(): DrainLeft {
    const { store, me, core } = this.#options;
    const { outbox } = core.describe();
    const left = {
      blocks: this.#blocks.filter(({ node }) => node === me.node).length,
      entities: Math.max(0, store.entityCount - store.ghostCount),
      inTransit: outbox.releasing + outbox.released + outbox.removing + outbox.reclaiming,
      sessions: 0,
      imports: core.ledgersToTake().length,
    };
    // The walk over all rows is for the end.
    return isEmpty(left) ? { ...left, sessions: countConnected(store) } : left;
  }

  /** Everybody comes to the same, whoever asks: an active node that can carry something. 0 when there is none. */
  #successor(): NodeNumber {
    return placeBlocks([this.#options.me.node], this.#candidates())[0] ?? 0;
  }

  #candidates(): Member[] {
    return this.#members.filter(({ state, node }) => state === 'active' && node !== this.#options.me.node);
  }

  #nameOf(node: NodeNumber): string {
    return this.#members.find((member) => member.node === node)?.name ?? '';
  }

  #restarts(): boolean {
    const { name, me } = this.#options;
    return this.#settings.some(({ key, value }) => key === restartKey(name) && value === String(me.incarnation));
  }

  async #giveBlocks(): Promise<void> {
    if (this.#isGiving) return;
    this.#isGiving = true;
    const { directory, me, events } = this.#options;
    const own = this.#blocks.filter(({ node }) => node === me.node);
    const owners = placeBlocks(
      own.map(({ block }) => block),
      this.#candidates(),
    );
    try {
      for (const to of new Set(owners)) {
        const blocks = own.filter((_, index) => owners[index] === to).map(({ block, epoch }) => ({ block, epoch }));
        if (to === 0 || !(await directory.giveBlocks({ from: me.node, to, blocks }))) continue;
        events.note('info', 'blocks were given away', { to: this.#nameOf(to), blocks: blocks.length });
      }
    } catch (error) {
      events.note('warn', 'blocks could not be given away, once more', { error: String(error) });
    } finally {
      this.#isGiving = false;
      this.#dueMs = monotonicMs();
    }
  }
}

/** Sessions of this gateway with a client at the other end. Those whose client is away are resumed anywhere. */
function countConnected({ sessions }: Store): number {
  let count = 0;
  for (let row = 0; row < sessions.capacity; row++) {
    const index = row as SessionIndex;
    if (sessions.state(index) === SESSION_STATE.attached && sessions.gateway(index) === 0) count++;
  }
  return count;
}
