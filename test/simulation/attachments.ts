/**
 * Clients that take up their player at another gateway, in one simulated process: what src/peer/attachments.ts is in a node. All
 * decisions are those of attachment.core.ts; messages are lost, repeated and late with their links, and processes crash.
 */
import type { EntityId } from '../../src/base/brand.ts';
import {
  ASK_AGAIN_MS,
  decideAttach,
  FENCED_MS,
  GIVE_UP_MS,
  RENAMED_MS,
  startAttempt,
  stepAttempt,
} from '../../src/peer/attachment.core.ts';
import type { Attachable, AttachAnswer, Attempt, Knowledge } from '../../src/peer/attachment.core.ts';
import { isOnItsWay } from '../../src/peer/handover-describe.core.ts';
import { isRunning, ledgersToTake } from '../../src/peer/handover.core.ts';
import type { Ledger, NodeNumber, SessionId } from '../../src/peer/protocol.ts';
import type { Entity } from './application.ts';
import type { Frame } from './frame.ts';
import type { Process } from './process.ts';

type Resume = Extract<Frame, { kind: 'resume' }>;
type Attach = Extract<Frame, { kind: 'attach' }>;
type AttachDone = Extract<Frame, { kind: 'attachDone' }>;

export class Attachments {
  readonly #process: Process;
  readonly #announce: (entity: Entity) => void;
  readonly #asking = new Map<SessionId, { readonly attempt: Attempt; readonly resume: Resume }>();
  readonly #successors = new Map<SessionId, { readonly to: SessionId; readonly untilMs: number }>();

  readonly #fenced = new Set<Ledger>();
  #lastFenceMs = Number.NEGATIVE_INFINITY;

  constructor(process: Process, announce: (entity: Entity) => void) {
    this.#process = process;
    this.#announce = announce;
  }

  get #nowMs(): number {
    return this.#process.world.queue.nowMs;
  }

  // As the gateway.

  begin(resume: Resume): void {
    const { from, to } = resume;
    this.#asking.set(to, { attempt: startAttempt({ from, to }, this.#nowMs), resume });
    this.time();
  }

  /** The client has closed its connection. */
  cancel(session: SessionId): void {
    this.#process.soon(() => {
      this.#asking.delete(session);
    });
  }

  answered(from: NodeNumber, { to, answer, round, successor }: AttachDone): void {
    const asking = this.#asking.get(to);
    if (asking === undefined) return;
    const { attempt, resume } = asking;
    if (answer === 'attached') {
      this.#asking.delete(to);
      this.#remember(resume.from, to);
      this.#process.world.clients.welcomed(resume, this.#process);
      return;
    }
    const event =
      answer === 'renamed'
        ? ({ kind: 'renamed', to: successor, nowMs: this.#nowMs } as const)
        : ({ kind: 'answer', from, answer, round } as const);
    this.#obey(asking, stepAttempt(attempt, event));
  }

  time(): void {
    const linked = [...this.#process.linkedNodes()];
    const isMissing = (node: NodeNumber): boolean => node !== this.#process.node && !linked.includes(node);
    const { leases } = this.#process.watch;
    for (const { state, ledger } of leases) if (state === 'fenced' && !this.#fenced.has(ledger)) this.#sawFence(ledger);
    const isReplacing = this.#nowMs - this.#lastFenceMs < FENCED_MS;
    const isSomebodyMissing = isReplacing || leases.some(({ state, node }) => state !== 'fenced' && isMissing(node));
    const nodes = [this.#process.node, ...linked];
    const event = { kind: 'time', nowMs: this.#nowMs, nodes, isSomebodyMissing } as const;
    for (const asking of this.#asking.values()) this.#obey(asking, stepAttempt(asking.attempt, event));
    for (const [session, { untilMs }] of this.#successors) {
      if (untilMs <= this.#nowMs) this.#successors.delete(session);
    }
  }

  #sawFence(ledger: Ledger): void {
    this.#fenced.add(ledger);
    this.#lastFenceMs = this.#nowMs;
  }

  /** A client of this gateway says something. Whoever made its session of another may not have the player any more. */
  spoke(id: EntityId, session: SessionId): void {
    if (![...this.#successors.values()].some(({ to }) => to === session)) return;
    for (const node of this.#process.linkedNodes()) this.#process.sendTo(node, { kind: 'heard', id, session });
    this.heard(session);
  }

  heard(session: SessionId): void {
    for (const [from, { to }] of this.#successors) if (to === session) this.#successors.delete(from);
  }

  // As the owner.

  receive(from: NodeNumber, { id, ...request }: Attach): void {
    const { application } = this.#process;
    const decision = decideAttach({ ...request, entity: id }, this.#knowledge(id));
    const entity = application.owned.get(id);
    if (decision.kind === 'wait') return;
    if (decision.kind === 'rebind' && entity !== undefined) {
      for (const made of new Set([request.from, entity.session])) {
        this.#remember(made, request.to);
        this.#process.world.clients.rebound({ id, from: made, to: request.to }, this.#process);
      }
      application.rebind(entity, { to: request.to, gateway: from });
      return;
    }
    const successor = decision.kind === 'renamed' ? decision.to : 0;
    const { to, round } = request;
    this.#answer(from, { id, to, answer: decision.kind as AttachAnswer, round, successor });
  }

  /** The journal has these players with these sessions. */
  stable(rebound: readonly { readonly id: EntityId; readonly session: SessionId }[]): void {
    for (const { id, session } of rebound) {
      const entity = this.#process.application.owned.get(id);
      if (entity === undefined || entity.session !== session || entity.isStable) continue;
      entity.isStable = true;
      this.#answer(entity.gateway, { id, to: session, answer: 'attached', round: 0, successor: 0 });
      this.#announce(entity);
    }
  }

  #knowledge(id: EntityId): Knowledge {
    const { application, core } = this.#process;
    const entity = application.owned.get(id);
    const isOf = (session: SessionId): boolean =>
      entity !== undefined && (entity.session === session || entity.before.includes(session));
    const known: Attachable | undefined = entity;
    return {
      playerOf: (session) => (isOf(session) ? known : undefined),
      playerWithId: () => known,
      successorOf: (session) => this.#successors.get(session)?.to,
      isInDoubt: (session) =>
        !isRunning(core) ||
        ledgersToTake(core).length > 0 ||
        [...core.imports.values()].some(({ isStable }) => !isStable) ||
        isOnItsWay(core, session),
    };
  }

  #obey({ attempt, resume }: { attempt: Attempt; resume: Resume }, next: ReturnType<typeof stepAttempt>): void {
    if (next === 'refused' || next === 'unknown') {
      this.#asking.delete(attempt.to);
      const isLate = next === 'unknown';
      this.#process.world.clients.refused(resume, { isLate });
    }
    if (next !== 'ask') return;
    const { from, to, renames, round } = attempt;
    const frame: Attach = { kind: 'attach', id: resume.id, from, to, isRenamed: renames > 0, round };
    for (const node of this.#process.linkedNodes()) this.#process.sendTo(node, frame);
    this.receive(this.#process.node, frame);
  }

  #remember(from: SessionId, to: SessionId): void {
    this.#successors.delete(from);
    this.#successors.delete(to);
    this.#successors.set(from, { to, untilMs: this.#nowMs + RENAMED_MS });
  }

  #answer(gateway: NodeNumber, done: Omit<AttachDone, 'kind'>): void {
    const frame: AttachDone = { kind: 'attachDone', ...done };
    if (gateway === this.#process.node) this.answered(gateway, frame);
    else this.#process.sendTo(gateway, frame);
  }
}

/** A client that waits longer has lost its gateway. */
export const PATIENCE_MS = GIVE_UP_MS + 2 * ASK_AGAIN_MS;
