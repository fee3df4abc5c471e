/**
 * Obeys the handover core: what it wants written goes to the journal, what it wants said to the links, what it gives to the
 * simulation to the arrivals ring. It decides nothing; it measures.
 *
 * A message that a link has no room for waits here, in order, until it has; the credits bound how much that can be. When
 * the link goes down it is forgotten: the core says it again to the next session.
 */
import { assert } from '../base/assert.ts';
import type { EntityId } from '../base/brand.ts';
import type { PeerLogKind } from '../memory/peer-log.ts';
import type { Store } from '../memory/store.ts';
import type { ArrivalQueue } from './arrival-queue.ts';
import type { CrashPoint, CrashPoints } from './crash-point.ts';
import { isOnItsWay } from './handover-describe.core.ts';
import { HandoverHistory } from './handover-history.ts';
import type { Stage, StageName } from './handover-history.ts';
import { StuckHandovers } from './stuck-handovers.ts';
import type { HandoverTracer } from './handover-tracer.ts';
import { createHandover, describe, isRunning, ledgersToTake, step } from './handover.core.ts';
import type { HandoverState } from './handover.core.ts';
import { MessageBuffer } from './message-buffer.ts';
import { encodePeerMessage, PEER_MESSAGE_TYPE } from './peer-message.wire.ts';
import type { WiredMessage } from './peer-message.wire.ts';
import { NO_MUTATIONS } from './protocol.ts';
import type {
  CoreEffect,
  CoreEvent,
  EntityRow,
  JournalWrite,
  Ledger,
  NodeNumber,
  PeerIdentity,
  PublicationRow,
  SessionId,
} from './protocol.ts';

export interface HandoverShellOptions {
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly arrivals: ArrivalQueue;
  readonly append: (position: number, writes: readonly JournalWrite[]) => void;
  readonly send: (node: NodeNumber, type: number, payload: Uint8Array) => 'sent' | 'busy' | 'down';
  readonly nodeOf: (ledger: Ledger) => NodeNumber;
  readonly activated: (row: EntityRow) => void;
  /** What the inputs of a session up to `lastInput` have done is stable. */
  readonly inputsStable: (session: SessionId, lastInput: number) => void;
  /** A player who rests in this ledger. */
  readonly rests: (row: EntityRow) => void;
  readonly importStable: () => void;
  /** For the sink. */
  readonly offer: (rows: readonly PublicationRow[]) => void;
  readonly stopped: (reason: string) => void;
  readonly crashPoints: CrashPoints;
  readonly tickMs: number;
  /** Handovers under way to, and from, one node. */
  readonly handoversMax: number;
  readonly tracer: HandoverTracer;
  /** Something about one entity that its operator should know. */
  readonly note: (level: 'info' | 'warn', message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** UTC. */
  readonly utcMs: () => number;
}

/** When an entity that left passed the stages, monotonic milliseconds; 0 is not yet. */
interface Passage {
  readonly frozenMs: number;
  readonly releasedMs: number;
  sentMs: number;
  acceptedMs: number;
}

const STAGE_POINTS: Readonly<Partial<Record<StageName, CrashPoint>>> = {
  'source released': 'afterRelease',
  'source stable': 'afterStable',
  'source sent': 'afterCommitSent',
  'source confirmed': 'beforeDone',
  'source done': 'afterDone',
  'target accepted': 'afterAccept',
  'target confirmed': 'afterConfirm',
};
const LOG_KINDS: Readonly<Partial<Record<StageName, PeerLogKind>>> = {
  'source released': 'released',
  'source accepted': 'handedOver',
  'source reclaimed': 'reclaimed',
  'target accepted': 'arrived',
};

export class HandoverShell {
  readonly #options: HandoverShellOptions;
  readonly #state: HandoverState;
  readonly #effects: CoreEffect[] = [];
  readonly #buffer = new MessageBuffer();
  readonly #waiting = new Map<NodeNumber, { readonly type: number; readonly payload: Uint8Array }[]>();
  /** Incarnations that links are up to. */
  readonly #linked = new Map<NodeNumber, number>();
  readonly #passages = new Map<EntityId, Passage>();
  /** Per node: credits in the table and releases that are still in the ring. */
  readonly #granted = new Map<NodeNumber, number>();
  /** Ledgers whose import is written and not stable, by position; and those that are. */
  readonly #imports = new Map<Ledger, number>();
  readonly #imported = new Set<Ledger>();
  /** Players' rows that are written and not stable, in the order of the journal. */
  readonly #inputs: { readonly position: number; readonly session: SessionId; readonly lastInput: number }[] = [];
  readonly #history: HandoverHistory;
  readonly #stuck: StuckHandovers;
  /** Batches of a turn that is not over. */
  #turn: { readonly position: number; readonly writes: readonly JournalWrite[] }[] | undefined;
  #position: number;
  #isStepping = false;

  constructor(options: HandoverShellOptions, position: number) {
    this.#options = options;
    this.#position = position;
    this.#history = new HandoverHistory(options);
    this.#stuck = new StuckHandovers(options.note);
    const { me, handoversMax } = options;
    this.#state = createHandover({ mutations: NO_MUTATIONS, seed: me.incarnation, handoversMax });
  }

  /** Of the last batch that was handed to the journal. */
  get position(): number {
    return this.#position;
  }

  /** Whether the simulation's words may be brought to the core. */
  get isRunning(): boolean {
    return isRunning(this.#state);
  }

  /** Fenced ledgers whose content the core wants to hear now. */
  ledgersToTake(): readonly Ledger[] {
    return ledgersToTake(this.#state);
  }

  /** Whether this journal holds that ledger, stably. */
  isImported(ledger: Ledger): boolean {
    return this.#imported.has(ledger);
  }

  /** Whether the player of this session may become ours, or has gone to somebody who may not know that yet. */
  isInDoubt(session: SessionId): boolean {
    if (!this.isRunning || this.#imports.size > 0 || this.ledgersToTake().length > 0) return true;
    return isOnItsWay(this.#state, session);
  }

  /** Looks for handovers that are stuck. */
  noteStuck(): void {
    this.#stuck.look(this.#state.outgoing.values(), this.#state.nowMs);
  }

  describe(): ReturnType<typeof describe> {
    return describe(this.#state);
  }

  step(event: CoreEvent): void {
    if (event.kind === 'start') {
      for (const { ledger } of event.content.imports) this.#imported.add(ledger);
      this.#history.start(event.content.outbox);
    }
    assert(!this.#isStepping, 'the core hears one event at a time');
    this.#isStepping = true;
    this.#note(event);
    const effects = this.#effects;
    step(this.#state, event, effects);
    for (const effect of effects) this.#obey(effect);
    effects.length = 0;
    this.#isStepping = false;
    this.#reportPublications();
  }

  linkUp(peer: PeerIdentity): void {
    this.#waiting.delete(peer.node);
    this.#linked.set(peer.node, peer.incarnation);
    this.step({ kind: 'linkUp', peer });
  }

  linkDown(peer: PeerIdentity): void {
    this.#waiting.delete(peer.node);
    this.#linked.delete(peer.node);
    this.step({ kind: 'linkDown', peer });
  }

  /** Sends what had to wait. */
  flush(): void {
    for (const [node, waiting] of this.#waiting) {
      let sent = 0;
      for (const { type, payload } of waiting) {
        if (this.#options.send(node, type, payload) !== 'sent') break;
        sent++;
      }
      waiting.splice(0, sent);
      if (waiting.length === 0) this.#waiting.delete(node);
    }
  }

  /**
   * From here to `endTurn`, what is to be written waits. What one tick changed and sent durably is then one transaction: a giver's
   * purse and the message about the gift are on disk together, or neither is.
   */
  startTurn(): void {
    this.#turn = [];
  }

  endTurn(): void {
    const batches = this.#turn;
    this.#turn = undefined;
    if (batches === undefined || batches.length === 0) return;
    const isOne = batches.some(({ writes }) => writes.some(({ kind }) => kind === 'message' || kind === 'publication'));
    const last = batches.at(-1);
    if (isOne && last !== undefined)
      this.#options.append(
        last.position,
        batches.flatMap(({ writes }) => writes),
      );
    // Without messages entities do not depend on each other, and releases need not wait for checkpoints.
    else for (const { position, writes } of batches) this.#options.append(position, writes);
  }

  /** The simulation let go of it then; measures count from there. */
  frozen(id: EntityId, frozenMs: number): void {
    const nowMs = this.#options.nowMs();
    this.#options.store.peerStats.observe('capture', (nowMs - frozenMs) / 1000);
    this.#passages.set(id, { frozenMs, releasedMs: nowMs, sentMs: 0, acceptedMs: 0 });
  }

  /** A release has come out of the ring, and has used a credit. */
  releaseSeen(node: NodeNumber, count: number): void {
    this.#granted.set(node, (this.#granted.get(node) ?? 0) - count);
  }

  /** What a fsync up to this position means besides. */
  fsynced(position: number): void {
    for (const [ledger, wanted] of this.#imports) {
      if (wanted > position) continue;
      this.#imports.delete(ledger);
      this.#imported.add(ledger);
      this.#options.crashPoints.pass('afterImport');
      this.#options.importStable();
    }
    let stable = 0;
    for (const { position: written, session, lastInput } of this.#inputs) {
      if (written > position) break;
      this.#options.inputsStable(session, lastInput);
      stable++;
    }
    this.#inputs.splice(0, stable);
    this.step({ kind: 'fsynced', position });
  }

  /** At once: `publish` of the simulation looks here whether there is room. */
  #reportPublications(): void {
    const { peerStats } = this.#options.store;
    const { rows, sizeBytes, parked } = this.#state.publicationCounts;
    peerStats.setGauge('publicationsWaiting', rows);
    peerStats.setGauge('publicationsWaitingBytes', sizeBytes);
    peerStats.setGauge('publicationsInPark', parked);
  }

  #obey(effect: CoreEffect): void {
    switch (effect.kind) {
      case 'journal':
        return this.#journal(effect);
      case 'send':
        return this.#send(effect.to, effect.message as WiredMessage);
      case 'activate':
        return this.#activate(effect);
      case 'deliver': {
        const { issuer, number, entity, event, payload } = effect.row;
        this.#options.store.peerStats.add('messagesDelivered', 1);
        return this.#options.arrivals.event({ issuer, number, entity, event, payload });
      }
      case 'offer':
        return this.#options.offer(effect.rows);
      case 'credits':
        return this.#grant(effect.node, effect.credits);
      case 'stage':
        return this.#stage(effect);
      case 'stop':
        return this.#options.stopped(effect.reason);
      case 'moved':
        return;
      case 'unprotect':
      case 'protect':
      case 'copy':
      case 'copyReset':
      case 'readJournal':
        // Nodes of one host are never protected: a neighbour takes the file itself.
        return assert(false, `no ledger of this directory is protected, and yet the core asked for ${effect.kind}`);
    }
  }

  #journal({ position, writes }: Extract<CoreEffect, { kind: 'journal' }>): void {
    this.#position = position;
    for (const write of writes) {
      this.#history.write(write);
      this.#noteInputs(write, position);
      if (write.kind !== 'import') continue;
      this.#imports.set(write.frozen.ledger, position);
      for (const { ledger } of write.imports) this.#imports.set(ledger, position);
    }
    const traces = this.#history.take();
    const batch = { position, writes: traces.length === 0 ? writes : [...writes, ...traces] };
    if (this.#turn === undefined) this.#options.append(batch.position, batch.writes);
    else this.#turn.push(batch);
  }

  #noteInputs(write: JournalWrite, position: number): void {
    if (write.kind !== 'entity' && write.kind !== 'accept') return;
    const { session, lastInput } = write.row.passenger;
    if (session !== 0) this.#inputs.push({ position, session, lastInput });
  }

  #send(to: PeerIdentity, message: WiredMessage): void {
    // The session that this was meant for is over.
    if (this.#linked.get(to.node) !== to.incarnation) return;
    encodePeerMessage(message, this.#buffer.start());
    const type = PEER_MESSAGE_TYPE[message.kind];
    if (message.kind === 'event') this.#options.store.peerStats.add('messagesSent', 1);
    if (message.kind === 'ack' && message.confirmed.length > 0) this.#options.crashPoints.pass('beforeConfirm');
    const waiting = this.#waiting.get(to.node);
    if (waiting === undefined) {
      if (this.#options.send(to.node, type, this.#buffer.taken()) !== 'busy') return;
      this.#waiting.set(to.node, [{ type, payload: this.#buffer.taken().slice() }]);
      return;
    }
    waiting.push({ type, payload: this.#buffer.taken().slice() });
  }

  #activate({ row, cause, targetCell, pendingInputs }: Extract<CoreEffect, { kind: 'activate' }>): void {
    const { peerStats } = this.#options.store;
    if (cause === 'takeover') peerStats.add('entitiesTakenOver', 1);
    if (cause === 'recovery') this.#history.recovered(row);
    else if (cause === 'reclaim') this.#history.reclaimed(row);
    if (row.atRest) {
      this.#options.rests(row);
      return;
    }
    this.#options.arrivals.activate({ cause, row, targetCell, pendingInputs });
    this.#options.activated(row);
  }

  /** The core says how many there may be; the table holds what the simulation has not used yet. */
  #grant(node: NodeNumber, credits: number): void {
    const { peerTable } = this.#options.store;
    const granted = this.#granted.get(node) ?? 0;
    const changed = peerTable.addCredits(node, credits - granted);
    this.#granted.set(node, granted + changed);
  }

  // Measures.

  #note(event: CoreEvent): void {
    const { crashPoints, store } = this.#options;
    if (event.kind === 'release') crashPoints.pass('beforeRelease');
    if (event.kind === 'takeover') {
      store.peerStats.add('takeovers', 1);
      crashPoints.pass('beforeImport');
    }
    if (event.kind !== 'message' || event.message.kind !== 'commit') return;
    this.#options.tracer.heard(this.#options.nowMs());
    crashPoints.pass('beforeAccept');
  }

  #stage(effect: Stage): void {
    const { side, stage, id, peer } = effect;
    const name = `${side} ${stage}` as const;
    const node = this.#options.nodeOf(peer);
    const log = LOG_KINDS[name];
    if (log !== undefined) this.#options.store.peerLog.write(log, id, node);
    this.#count(name);
    this.#trace(effect, node);
    if (side === 'source') this.#measure(stage, id);
    this.#history.stage(effect);
    const point = STAGE_POINTS[name];
    if (point !== undefined) this.#options.crashPoints.pass(point);
  }

  #trace(effect: Stage, node: NodeNumber): void {
    const { nowMs, note, tracer } = this.#options;
    const { side, stage, id, seq } = effect;
    const session = this.#history.sessionOf(effect);
    const facts = { node, session, nowMs: nowMs() };
    const passage = this.#passages.get(id);
    if (side === 'source' && stage === 'released' && passage !== undefined) {
      tracer.released(effect, facts, { frozenMs: passage.frozenMs, capturedMs: passage.releasedMs });
    } else tracer.stage(effect, facts);
    if (side !== 'source' || (stage !== 'rejected' && stage !== 'reclaimed')) return;
    const message =
      stage === 'rejected' ? 'a handover was rejected by its target' : 'an entity came back from a handover';
    note('info', message, { entity: id, seq, session, target: node });
  }

  #count(name: StageName): void {
    const { peerStats } = this.#options.store;
    if (name === 'source accepted') peerStats.add('handoversOut', 1);
    else if (name === 'target accepted') peerStats.add('handoversIn', 1);
    else if (name === 'source rejected') peerStats.add('handoversRejected', 1);
    else if (name === 'target rejected') peerStats.add('handoversRefused', 1);
    else if (name === 'source reclaimed') peerStats.add('handoversReclaimed', 1);
  }

  #measure(stage: Stage['stage'], id: EntityId): void {
    const nowMs = this.#options.nowMs();
    const { peerStats } = this.#options.store;
    const passage = this.#passages.get(id);
    if (passage === undefined) return;
    if (stage === 'stable') peerStats.observe('journal', (nowMs - passage.releasedMs) / 1000);
    else if (stage === 'sent' && passage.sentMs !== 0) peerStats.add('handoversRetried', 1);
    else if (stage === 'sent') passage.sentMs = nowMs;
    else if (stage === 'accepted' && passage.acceptedMs === 0) {
      passage.acceptedMs = nowMs;
      peerStats.observe('wire', (nowMs - passage.sentMs) / 1000);
      peerStats.observe('total', (nowMs - passage.frozenMs) / 1000);
      if (nowMs - passage.frozenMs < this.#options.tickMs) peerStats.add('handoversWithinTick', 1);
    } else if (stage === 'confirmed') peerStats.observe('confirm', (nowMs - passage.sentMs) / 1000);
    if (stage === 'done' || stage === 'reclaimed') this.#passages.delete(id);
  }
}
