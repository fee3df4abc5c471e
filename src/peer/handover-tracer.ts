/**
 * The spans of handovers that are traced, as far as this node sees them: of those that leave, from the freeze to the end, and of those that
 * arrive, until the gateway knows. What is not traced costs one hash of two numbers.
 */
import { isTraced, SpanBuffer } from '../base/handover-span.ts';
import type { HandoverSpan, SpanBatch, SpanName } from '../base/handover-span.ts';
import type { Stage } from './handover-history.ts';
import type { NodeNumber, SessionId } from './protocol.ts';
import type { Player } from './session-players.ts';

/** Handovers followed at once, in each direction; more are not traced. */
const FOLLOWED_MAX = 4096;

/** What the core's stage does not say. */
export interface StageFacts {
  readonly node: NodeNumber;
  readonly session: SessionId;
  readonly nowMs: number;
}

interface Trip {
  readonly seq: number;
  readonly session: SessionId;
  readonly node: NodeNumber;
  readonly frozenMs: number;
  readonly capturedMs: number;
  sentMs: number;
  retries: number;
  isRejected: boolean;
}

interface Arrival {
  readonly seq: number;
  readonly session: SessionId;
  readonly node: NodeNumber;
  readonly acceptedMs: number;
  isCommitted: boolean;
  isActivated: boolean;
  isRouted: boolean;
}

export class HandoverTracer {
  readonly #share: number;
  readonly #buffer = new SpanBuffer();
  readonly #trips = new Map<number, Trip>();
  readonly #arrivals = new Map<number, Arrival>();
  #heardMs = 0;

  constructor(share: number) {
    this.#share = share;
  }

  take(): SpanBatch | undefined {
    return this.#buffer.take();
  }

  /** A COMMIT is about to be heard: what it brings is accepted from here on. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** @param frozenMs when the simulation let go of it, and `capturedMs` when the protocol had it. */
  released(
    { id, seq }: Stage,
    { node, session }: StageFacts,
    { frozenMs, capturedMs }: { readonly frozenMs: number; readonly capturedMs: number },
  ): void {
    if (!isTraced(id, seq, this.#share) || this.#trips.size >= FOLLOWED_MAX) return;
    const trip = { seq, session, node, frozenMs, capturedMs, sentMs: 0, retries: 0, isRejected: false };
    this.#trips.set(id, trip);
    this.#add('capture', id, trip, { startMs: frozenMs, endMs: capturedMs });
  }

  stage(effect: Stage, facts: StageFacts): void {
    if (effect.side === 'target') return this.#arrivalStage(effect, facts);
    const trip = this.#trips.get(effect.id);
    if (trip === undefined || trip.seq !== effect.seq) return;
    const { id } = effect;
    const { nowMs } = facts;
    switch (effect.stage) {
      case 'stable':
        return this.#add('journal', id, trip, { startMs: trip.capturedMs, endMs: nowMs });
      case 'sent':
        if (trip.sentMs === 0) trip.sentMs = nowMs;
        else trip.retries++;
        return;
      case 'accepted':
        return this.#add('wire', id, trip, { startMs: trip.sentMs, endMs: nowMs });
      case 'rejected':
        trip.isRejected = true;
        return;
      case 'confirmed':
        this.#add('confirm', id, trip, { startMs: trip.sentMs, endMs: nowMs });
        return this.#end(id, trip, { endMs: nowMs });
      case 'reclaimed':
        return this.#end(id, trip, { endMs: nowMs, problem: trip.isRejected ? 'rejected' : 'reclaimed' });
      case 'done':
        // A later handover of the entity proved that this one had arrived.
        return this.#end(id, trip, { endMs: nowMs });
      case 'released':
        return;
    }
  }

  /** The player is in the store. */
  activated(id: number, seq: number, nowMs: number): void {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined || arrival.seq !== seq || arrival.isActivated) return;
    arrival.isActivated = true;
    this.#add('activate', id, arrival, { startMs: arrival.acceptedMs, endMs: nowMs });
  }

  /** The gateway of its player has answered. */
  routed({ id, seq }: Pick<Player, 'id' | 'seq'>, nowMs: number): void {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined || arrival.seq !== seq || arrival.isRouted) return;
    arrival.isRouted = true;
    this.#add('route', id, arrival, { startMs: arrival.acceptedMs, endMs: nowMs });
    // What is left to be told is that it is stable, and that may have been told.
    if (arrival.isCommitted) this.#arrivals.delete(id);
  }

  #arrivalStage({ id, seq, stage }: Stage, { node, session, nowMs }: StageFacts): void {
    if (stage === 'accepted') {
      if (!isTraced(id, seq, this.#share)) return;
      this.#makeRoom();
      const arrival = {
        seq,
        session,
        node,
        acceptedMs: nowMs,
        isCommitted: false,
        isActivated: false,
        isRouted: false,
      };
      this.#arrivals.set(id, arrival);
      return this.#add('accept', id, arrival, { startMs: this.#heardMs, endMs: nowMs });
    }
    const arrival = this.#arrivals.get(id);
    if (stage !== 'confirmed' || arrival === undefined || arrival.seq !== seq || arrival.isCommitted) return;
    arrival.isCommitted = true;
    this.#add('commit', id, arrival, { startMs: arrival.acceptedMs, endMs: nowMs });
    if (session === 0 || arrival.isRouted) this.#arrivals.delete(id);
  }

  /** Whose gateway never answers, because it is gone, would stay for ever: the oldest makes room. */
  #makeRoom(): void {
    if (this.#arrivals.size < FOLLOWED_MAX) return;
    const [oldest] = this.#arrivals.keys();
    if (oldest !== undefined) this.#arrivals.delete(oldest);
  }

  #end(id: number, trip: Trip, { endMs, problem }: { readonly endMs: number; readonly problem?: string }): void {
    this.#trips.delete(id);
    const span = spanOf('handover', id, trip, { startMs: trip.frozenMs, endMs });
    const retries = trip.retries === 0 ? {} : { retries: trip.retries };
    this.#buffer.add(problem === undefined ? { ...span, ...retries } : { ...span, ...retries, problem });
  }

  #add(
    name: SpanName,
    id: number,
    of: Pick<HandoverSpan, 'seq' | 'session' | 'node'>,
    times: Pick<HandoverSpan, 'startMs' | 'endMs'>,
  ): void {
    this.#buffer.add(spanOf(name, id, of, times));
  }
}

function spanOf(
  name: SpanName,
  entity: number,
  { seq, session, node }: Pick<HandoverSpan, 'seq' | 'session' | 'node'>,
  { startMs, endMs }: Pick<HandoverSpan, 'startMs' | 'endMs'>,
): HandoverSpan {
  return { name, entity, seq, session, node, startMs, endMs };
}
