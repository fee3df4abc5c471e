/**
 * Entities that are this node's from now on: after a handover, a reclaim, a recovery or a takeover. One that was a ghost here
 * keeps its row, so that whoever has it in view sees no change; another gets a row.
 *
 * What finds no slot or heap waits here, and is tried every tick; while WAITING_MAX wait, no more arrivals are taken. Nothing
 * is dropped: a ghost gives its row to an entity of our own.
 */
import type { SessionIndex, Slot } from '../base/brand.ts';
import { CapacityError, RecordError } from '../base/errors.ts';
import type { Activation, ArrivedRebind } from '../memory/arrivals.ts';
import { NO_SESSION_ROW, writeSession } from '../memory/departures.ts';
import { PASSENGER_INPUTS_MAX } from '../memory/passenger.ts';
import { adopt, despawn, overwrite, setGhostOf } from '../memory/entities.ts';
import { decodeRecord } from '../memory/record.ts';
import type { DecodedRecord, SchemaRegistry } from '../memory/record.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import type { Store } from '../memory/store.ts';
import type { FlooredInput, Intake } from './intake.ts';
import type { Outbox } from './outbox.ts';
import type { Orphan, Passengers } from './passengers.ts';

const CONDUCTOR = 0;
export const WAITING_MAX = 4096;

export interface ActivatorParts {
  readonly store: Store;
  readonly registry: SchemaRegistry;
  readonly passengers: Passengers;
  readonly intake: Intake;
  readonly outbox: Outbox;
  /** The row is owned here now. */
  readonly activated: (slot: number, wasHere: boolean) => void;
  /** The player's client had gone already. */
  readonly leaves: (slot: Slot) => void;
  readonly onError: (error: CapacityError | RecordError) => void;
}

interface Waiting {
  readonly activation: Activation;
  readonly decoded: DecodedRecord;
  hasLeft: boolean;
  readonly pendingInputs: FlooredInput[];
}

export class Activator {
  readonly #parts: ActivatorParts;
  #waiting: Waiting[] = [];
  #evictAt = 0;
  /** Rows of sessions whose socket is at another node, by SessionId. */
  readonly #remoteRows = new Map<number, SessionIndex>();

  constructor(parts: ActivatorParts) {
    this.#parts = parts;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }

  take(activation: Activation): void {
    // A player who rests is no part of the world: the journal has it.
    if (activation.row.atRest) return;
    try {
      const decoded = decodeRecord(activation.row.record, this.#parts.registry);
      const pendingInputs = activation.pendingInputs.map((input) => ({ ...input, floor: 0 }));
      const waiting = { activation, decoded, hasLeft: false, pendingInputs };
      if (this.#waiting.length > 0 || !this.#activate(waiting)) this.#waiting.push(waiting);
    } catch (error) {
      // The journal keeps it; a process that knows its schema can have it.
      if (!(error instanceof RecordError)) throw error;
      this.#parts.store.stats.add(CONDUCTOR, 'activationsFailed', 1);
      this.#parts.onError(error);
    }
  }

  /** At the start of each tick. */
  retry(): void {
    let done = 0;
    while (done < this.#waiting.length && this.#activate(this.#waiting[done]!)) done++;
    if (done > 0) this.#waiting = this.#waiting.slice(done);
  }

  /** The client of an entity that waits is gone; false when no such entity waits. */
  leaveWaiting(session: number): boolean {
    const waiting = this.#waiting.find(({ activation }) => activation.row.passenger.session === session);
    if (waiting === undefined) return false;
    waiting.hasLeft = true;
    return true;
  }

  /** An input for a player who waits; false when no such player waits. More than travel with an entity are dropped. */
  inputWaiting(session: number, input: FlooredInput): boolean {
    const waiting = this.#waiting.find(({ activation }) => activation.row.passenger.session === session);
    if (waiting === undefined) return false;
    if (waiting.pendingInputs.length < PASSENGER_INPUTS_MAX) waiting.pendingInputs.push(input);
    return true;
  }

  /** The session row of a remote session, or -1. */
  remoteRow(session: number): SessionIndex | -1 {
    return this.#remoteRows.get(session) ?? -1;
  }

  /**
   * The client of the session `from` goes on as `to`, perhaps at another gateway, with the view and the inputs that are there.
   * @returns the slot of its player, or -1 when that is not in the store.
   */
  rebind({ from, to, gateway }: ArrivedRebind): Slot | -1 {
    const { store, passengers, outbox } = this.#parts;
    const { sessions, columns, peerTable } = store;
    const repeated = this.#slotOf(to);
    const slot = repeated >= 0 ? repeated : this.#slotOf(from);
    if (slot < 0 || repeated >= 0) return slot as Slot | -1;
    const row = (columns.session[slot]! - 1) as SessionIndex | -1;
    if (row < 0) {
      const lastInput = passengers.orphan(slot)?.lastInput ?? 0;
      passengers.dropOrphan(slot);
      this.#bind(slot as Slot, { session: to, gateway, lastInput }, []);
      return slot as Slot;
    }
    const index = row as SessionIndex;
    if (sessions.gateway(index) === 0 || gateway === peerTable.self) {
      this.#changeRow(slot as Slot, index, { session: to, gateway, lastInput: sessions.inputSequence(index) });
      return slot as Slot;
    }
    // It says nothing more until its new gateway knows of it.
    sessions.setState(index, SESSION_STATE.detached);
    sessions.rename(index, { sessionId: to, gateway });
    this.#remoteRows.delete(from);
    this.#remoteRows.set(to, index);
    const bound = { session: to, gateway, id: columns.id[slot]!, seq: columns.ownershipSeq[slot]! };
    const lastInput = sessions.inputSequence(index);
    const generation = sessions.generation(index);
    outbox.offer((ring) => writeSession(ring, { ...bound, lastInput, row: index, generation }));
    return slot as Slot;
  }

  /** The player has left this node, or the world. A remote row is given back; a local one is the gateway's. */
  unbind(row: SessionIndex): void {
    const { sessions } = this.#parts.store;
    sessions.setSlotPlusOne(row, 0);
    if (sessions.gateway(row) === 0) return;
    this.#remoteRows.delete(sessions.sessionId(row));
    sessions.setState(row, SESSION_STATE.free);
  }

  /** False when there is no room yet. */
  #activate(waiting: Waiting): boolean {
    const { store, passengers, activated, leaves, onError } = this.#parts;
    const { columns, stats } = store;
    const { decoded, hasLeft } = waiting;
    const { row } = waiting.activation;
    const known = store.idMap.get(row.id) as Slot | -1;
    const wasHere = known >= 0;
    // A repeat of what has happened.
    if (wasHere && columns.ghostOf[known] === 0 && columns.ownershipSeq[known]! >= row.seq) return true;
    let slot: Slot;
    try {
      slot = wasHere ? (known as Slot) : this.#adopt(decoded);
      if (wasHere) overwrite(store, slot, decoded);
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error;
      onError(error);
      return false;
    }
    setGhostOf(store, slot, 0);
    columns.ownershipSeq[slot] = row.seq;
    passengers.board(slot, row.passenger);
    stats.add(CONDUCTOR, 'entitiesActivated', 1);
    activated(slot, wasHere);
    if (hasLeft) leaves(slot);
    else if (row.passenger.session !== 0) this.#bind(slot, row.passenger, waiting.pendingInputs);
    return true;
  }

  /** @throws CapacityError */
  #adopt(decoded: DecodedRecord): Slot {
    const { store } = this.#parts;
    if (store.entityCount >= store.options.entitiesMax && store.ghostCount > 0) this.#evictGhost();
    return adopt(store, decoded, { ghostOf: 0 });
  }

  #evictGhost(): void {
    const { store } = this.#parts;
    const { ghostOf } = store.columns;
    while (ghostOf[this.#evictAt % store.slotsHigh] === 0) this.#evictAt++;
    despawn(store, (this.#evictAt % store.slotsHigh) as Slot);
  }

  /** A player without a row: its client is there after all, or there may be a row now. */
  bindOrphan(slot: Slot, pendingInputs: readonly FlooredInput[]): void {
    const orphan = this.#parts.passengers.orphan(slot);
    if (orphan !== undefined) this.#bind(slot, orphan, pendingInputs);
  }

  #bind(slot: Slot, orphan: Orphan, pendingInputs: readonly FlooredInput[]): void {
    const { store, passengers, intake, outbox } = this.#parts;
    const { sessions, peerTable, columns } = store;
    const { session, gateway, lastInput } = orphan;
    const isLocal = gateway === 0 || gateway === peerTable.self;
    const found = isLocal ? sessions.findBySessionId(session) : this.#openRemote(session, gateway);
    const isTaken = found >= 0 && sessions.slotPlusOne(found as SessionIndex) !== 0;
    const id = columns.id[slot]!;
    const seq = columns.ownershipSeq[slot]!;
    const bound = { session, gateway: isLocal ? 0 : gateway, id, seq, lastInput };
    if (found < 0 || isTaken) {
      if (passengers.orphan(slot) !== undefined) return;
      passengers.addOrphan(slot, { session, gateway, lastInput });
      outbox.offer((ring) => writeSession(ring, { ...bound, row: NO_SESSION_ROW, generation: 0 }));
      return;
    }
    const index = found as SessionIndex;
    passengers.dropOrphan(slot);
    columns.session[slot] = index + 1;
    intake.bind(index, slot, lastInput);
    for (const input of pendingInputs) intake.push(index, input);
    const generation = sessions.generation(index);
    outbox.offer((ring) => writeSession(ring, { ...bound, row: index, generation }));
  }

  #changeRow(slot: Slot, row: SessionIndex, orphan: Orphan): void {
    const { store, intake } = this.#parts;
    const { sessions, columns, peerTable } = store;
    const floor = sessions.inputFloor(row);
    const pendingInputs = intake.takePending(row).map((input) => ({ ...input, floor }));
    columns.session[slot] = 0;
    sessions.setSlotPlusOne(row, 0);
    this.#bind(slot, orphan, pendingInputs);
    if (columns.session[slot] !== 0) {
      const next = (columns.session[slot]! - 1) as SessionIndex;
      sessions.copyView(row, next);
      sessions.setDurableInput(next, sessions.durableInput(row));
      if (orphan.gateway !== peerTable.self) sessions.setState(next, SESSION_STATE.detached);
    }
    this.unbind(row);
  }

  #slotOf(session: number): number {
    const { sessions } = this.#parts.store;
    const row = this.#remoteRows.get(session) ?? sessions.findBySessionId(session);
    const slot = row < 0 ? -1 : sessions.slotPlusOne(row as SessionIndex) - 1;
    return slot >= 0 ? slot : this.#parts.passengers.slotOfOrphan(session);
  }

  #openRemote(session: number, gateway: number): SessionIndex | -1 {
    const { sessions } = this.#parts.store;
    const known = this.#remoteRows.get(session);
    if (known !== undefined) return known;
    const row = sessions.open({ sessionId: session, gateway });
    if (row < 0) return -1;
    this.#remoteRows.set(session, row as SessionIndex);
    sessions.setState(row as SessionIndex, SESSION_STATE.attached);
    return row;
  }
}
