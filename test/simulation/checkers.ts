/** The checkers of FAULTS.md that look on while the cluster runs. Each knows everything, and nothing tells the nodes. */
import type { EntityId } from '../../src/base/brand.ts';
import type { CoreEffect, JournalWrite, Ledger, SessionId } from '../../src/peer/protocol.ts';
import type { Checker } from './failure.ts';
import { SimulationFailure } from './failure.ts';
import type { State } from './record.ts';
import { addInput, countInputs, hasInput, missingInput } from './record.ts';

/** One process, as far as the checkers must know it. */
export interface Witness {
  readonly name: string;
  readonly isAlive: boolean;
  readonly incarnation: number;
  /** Its lease is over, by its own clock, or it does not run: it does nothing now. */
  readonly isIdle: boolean;
  /** Its clock is beyond what leases are made for: only receivers can stop it. */
  readonly isBeyondDrift: boolean;
  readonly isFenced: boolean;
}

type Activation = Extract<CoreEffect, { kind: 'activate' }>;

export class Checkers {
  /** Who has an owned copy, by entity. */
  readonly active = new Map<EntityId, Witness[]>();
  /** Births that are stable, without the despawns that are. */
  readonly expected = new Set<EntityId>();
  readonly despawned = new Set<EntityId>();
  /** Despawned, perhaps not stably: may come back from a journal, or a copy, that had not heard of it. */
  readonly ending = new Set<EntityId>();
  /** Entities of lost disks: C2 does not hold until that very ledger is taken over; another may hold an older row of the same entity. */
  readonly unrecorded = new Map<Ledger, ReadonlySet<EntityId>>();
  /** Inputs that a client was told to be durable, by entity. */
  readonly acknowledged = new Map<EntityId, Uint32Array>();
  /** The last session of each player with which a client was welcomed again. */
  readonly #welcomed = new Map<EntityId, SessionId>();
  /** How often an entity had published at its end. */
  readonly lastPublished = new Map<EntityId, number>();
  readonly #records = new Map<EntityId, number>();
  readonly #lastActivation = new Map<EntityId, { seq: number; incarnation: number }>();
  activations = 0;

  activated(witness: Witness, activation: Activation, state: State): void {
    const { id, seq } = activation.row;
    this.activations++;
    const holders = this.active.get(id) ?? [];
    for (const other of holders) {
      // A fenced process that was paused finishes what it had begun, in its own memory, and acts no more.
      if (!isHarmless(other) && !isHarmless(witness))
        fail('C1', `${witness.name} activates (${activation.cause}, seq ${seq}) what ${other.name} has`, id);
    }
    holders.push(witness);
    this.active.set(id, holders);
    const last = this.#lastActivation.get(id);
    if (
      last &&
      !isHarmless(witness) &&
      (seq < last.seq || (seq === last.seq && witness.incarnation <= last.incarnation))
    ) {
      const now = `(${seq}, ${witness.incarnation})`;
      fail('C6', `activation ${now} of ${witness.name} after (${last.seq}, ${last.incarnation})`, id);
    }
    if (!isHarmless(witness)) this.#lastActivation.set(id, { seq, incarnation: witness.incarnation });
    if (!isHarmless(witness)) this.#checkState(id, state);
  }

  #checkState(id: EntityId, state: State): void {
    const wanted = this.acknowledged.get(id);
    if (wanted !== undefined) {
      const missing = missingInput(state.applied, wanted);
      if (missing !== 0) fail('C4', `the acknowledged input ${missing} is not in the copy`, id);
    }
    if (state.counter !== countInputs(state.applied)) fail('C5', 'an input acted twice', id);
  }

  deactivated(witness: Witness, id: EntityId): void {
    const holders = this.active.get(id);
    const index = holders?.indexOf(witness) ?? -1;
    if (index >= 0) holders?.splice(index, 1);
  }

  /** Before each tick and frame of a process whose own clock says that it may act. */
  acting(witness: Witness): void {
    if (witness.isFenced && !witness.isBeyondDrift) fail('C1', `${witness.name} acts after it was fenced`);
  }

  inputActs(id: EntityId, state: State, number: number, lastInput: number): void {
    if (number <= lastInput || hasInput(state.applied, number))
      fail('C5', `input ${number} acts after ${lastInput}`, id);
  }

  /** A client takes up its player again: whoever spoke for it before speaks no more. */
  welcomed(id: EntityId, session: SessionId): void {
    if (session > (this.#welcomed.get(id) ?? 0)) this.#welcomed.set(id, session);
  }

  /** At most one attachment is current. */
  speaks(witness: Witness, id: EntityId, session: SessionId): void {
    const current = this.#welcomed.get(id) ?? 0;
    if (session >= current || witness.isFenced) return;
    fail('C12', `${witness.name} hears session ${session}, and ${current} was welcomed`, id);
  }

  acknowledge(id: EntityId, number: number): void {
    let numbers = this.acknowledged.get(id);
    if (numbers === undefined) this.acknowledged.set(id, (numbers = new Uint32Array(4)));
    addInput(numbers, number);
  }

  /** Its end is stable. */
  ended(id: EntityId): void {
    this.expected.delete(id);
    this.despawned.add(id);
  }

  /** A journal gained or lost a record of an entity, stably. */
  recorded(id: EntityId, change: 1 | -1, kind: JournalWrite['kind']): void {
    const count = (this.#records.get(id) ?? 0) + change;
    this.#records.set(id, count);
    if (count > 0) {
      return;
    }
    if (this.ending.has(id) || this.#isUnrecorded(id) || !this.expected.has(id)) return;
    fail('C2', `the last record is gone (${kind})`, id);
  }

  #isUnrecorded(id: EntityId): boolean {
    for (const ids of this.unrecorded.values()) if (ids.has(id)) return true;
    return false;
  }

  /** A frame of a fenced incarnation reached a core that knows of the fencing, and something came of it. */
  fencedFrame(kind: string, from: string, to: string): void {
    fail('C7', `${to} obeyed a frame (${kind}) of ${from}, which it knows to be fenced`);
  }
}

function isHarmless(witness: Witness): boolean {
  return witness.isFenced && (witness.isIdle || witness.isBeyondDrift);
}

export function fail(checker: Checker, message: string, entity: number = 0): never {
  throw new SimulationFailure(checker, message, entity);
}
