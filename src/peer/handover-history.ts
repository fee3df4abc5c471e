/**
 * The lines of history that `worldmesh trace` and `worldmesh audit` read. What changes an owner is in the history with the very
 * transaction that changes it, so no crash tears the one from the other; the other stages go with the batch after them.
 *
 * The core's stages do not say whose they are, so the sessions of players who are on their way are remembered here.
 */
import type { EntityId } from '../base/brand.ts';
import type { CoreEffect, EntityRow, JournalWrite, OutboxRow, SessionId, TraceRow } from './protocol.ts';

export type Stage = Extract<CoreEffect, { kind: 'stage' }>;
export type StageName = `${Stage['side']} ${Stage['stage']}`;

/** Lines that wait for a batch; a whole ledger that is taken over has one for each of its entities. */
const LINES_MAX = 65_536;
const NO_SESSION: SessionId = 0;
/** They come with what is written. */
const WRITTEN_STAGES: ReadonlySet<StageName> = new Set(['source released', 'target accepted', 'source reclaimed']);
/** Nothing is said of a transfer after these. */
const LAST_STAGES: ReadonlySet<StageName> = new Set(['source done', 'source reclaimed', 'target confirmed']);

type Line = Omit<TraceRow, 'atMs'>;

export class HandoverHistory {
  readonly #utcMs: () => number;
  readonly #linesMax: number;
  #lines: JournalWrite[] = [];
  /** Sessions of the players in this ledger. */
  readonly #players = new Map<EntityId, SessionId>();
  /** Entities whose reclaim is written, and that are not simulated again yet. */
  readonly #reclaimed = new Set<EntityId>();
  /** Sessions of players in transfers that are not over, by `transferKey`. */
  readonly #travellers = new Map<string, SessionId>();

  constructor({ utcMs, linesMax = LINES_MAX }: { readonly utcMs: () => number; readonly linesMax?: number }) {
    this.#utcMs = utcMs;
    this.#linesMax = linesMax;
  }

  /** What is to be written with the next batch. */
  take(): JournalWrite[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** What the journal had in transit when the process began. */
  start(outbox: readonly OutboxRow[]): void {
    for (const row of outbox) this.#depart(row);
  }

  recovered(row: EntityRow): void {
    this.#own(row);
    this.#add({ ...lineOf(row), stage: 'recovery' });
  }

  /** An entity that could not go is simulated here again. */
  reclaimed(row: EntityRow): void {
    if (this.#reclaimed.delete(row.id)) return;
    // Its target was out of reach when it was to be written down, so it never left; its seq is used up all the same.
    this.#own(row);
    this.#add({ ...lineOf(row), stage: 'source kept' });
  }

  stage({ side, stage, id, seq, peer, transferSeq }: Stage): void {
    const name: StageName = `${side} ${stage}`;
    const key = transferKey(side, { id, transferSeq });
    if (!WRITTEN_STAGES.has(name)) {
      const session = this.#travellers.get(key) ?? NO_SESSION;
      this.#add({ stage: name, id, seq, session, peer, transferSeq });
    }
    if (LAST_STAGES.has(name)) this.#travellers.delete(key);
  }

  /** Of the player in a transfer that is not over; 0 without. */
  sessionOf({ side, id, transferSeq }: Stage): SessionId {
    return this.#travellers.get(transferKey(side, { id, transferSeq })) ?? NO_SESSION;
  }

  write(write: JournalWrite): void {
    switch (write.kind) {
      case 'entity':
        return this.#checkpointed(write.row);
      case 'release': {
        const { target: peer, transferSeq } = write.row;
        this.#players.delete(write.row.id);
        this.#depart(write.row);
        return this.#add({ ...lineOf(write.row), stage: 'source released', peer, transferSeq });
      }
      case 'accept': {
        const { source: peer, transferSeq, id } = write.from;
        this.#own(write.row);
        this.#remember(transferKey('target', { id, transferSeq }), write.row.passenger.session);
        return this.#add({ ...lineOf(write.row), stage: 'target accepted', peer, transferSeq });
      }
      case 'reclaim': {
        const { target: peer, transferSeq } = write;
        this.#own(write.row);
        this.#reclaimed.add(write.row.id);
        return this.#add({ ...lineOf(write.row), stage: 'source reclaimed', peer, transferSeq });
      }
      case 'import':
        for (const row of write.outbox) this.#depart(row);
        for (const row of write.entities) {
          this.#own(row);
          this.#add({ ...lineOf(row), stage: 'takeover' });
        }
        return;
      case 'despawn': {
        const session = this.#players.get(write.id) ?? NO_SESSION;
        this.#players.delete(write.id);
        return this.#add({ stage: 'despawn', id: write.id, seq: 0, session, peer: '', transferSeq: 0 });
      }
      default:
        return;
    }
  }

  /** Most checkpoints tell nothing new; the first of a player's session does, and that of one who left. */
  #checkpointed(row: EntityRow): void {
    const before = this.#players.get(row.id);
    this.#own(row);
    const now = this.#players.get(row.id);
    if (now === before) return;
    if (now === undefined) this.#add({ ...lineOf(row), stage: 'left', session: before ?? NO_SESSION });
    else this.#add({ ...lineOf(row), stage: 'joined' });
  }

  #own({ id, passenger, atRest }: EntityRow): void {
    if (atRest || passenger.session === NO_SESSION) this.#players.delete(id);
    else this.#players.set(id, passenger.session);
  }

  #depart({ id, transferSeq, passenger }: OutboxRow): void {
    this.#remember(transferKey('source', { id, transferSeq }), passenger.session);
  }

  #remember(key: string, session: SessionId): void {
    if (session !== NO_SESSION) this.#travellers.set(key, session);
  }

  #add(line: Line): void {
    if (this.#lines.length > this.#linesMax) return;
    const isFull = this.#lines.length === this.#linesMax;
    const row = { atMs: this.#utcMs(), ...(isFull ? DROPPED : line) };
    this.#lines.push({ kind: 'trace', row });
  }
}

/** From there on lines are missing, until the next batch. */
const DROPPED: Line = {
  stage: 'dropped',
  id: 0 as EntityId,
  seq: 0,
  session: NO_SESSION,
  peer: '',
  transferSeq: 0,
};

function transferKey(side: Stage['side'], { id, transferSeq }: Pick<OutboxRow, 'id' | 'transferSeq'>): string {
  return `${side} ${id} ${transferSeq}`;
}

function lineOf({ id, seq, passenger }: Pick<EntityRow, 'id' | 'seq' | 'passenger'>): Omit<Line, 'stage'> {
  return { id, seq, session: passenger.session, peer: '', transferSeq: 0 };
}
