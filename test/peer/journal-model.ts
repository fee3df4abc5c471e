/**
 * A journal in memory, for tests: JournalWrites applied to a content as journal.sqlite would hold it, and a disk that
 * loses what was not fsynced.
 *
 *   append ──▶ [ position, writes ] … ──fsync(position)──▶ content          crash(): what was not fsynced is gone
 */
import type { EntityId } from '../../src/base/brand.ts';
import { assert, unreachable } from '../../src/base/assert.ts';
import type {
  EntityRow,
  ImportRow,
  InboxRow,
  JournalContent,
  JournalWrite,
  Ledger,
  MessageRow,
  OutboxRow,
  PublicationRow,
} from '../../src/peer/protocol.ts';

export function emptyContent(ledger: Ledger): JournalContent {
  return {
    ledger,
    incarnation: 0,
    position: 0,
    entities: [],
    outbox: [],
    inbox: [],
    watermarks: [],
    messages: [],
    publications: [],
    imports: [],
    transferSeqs: [],
    messageNumber: 0,
  };
}

/** The tables of one journal. Order of rows is the order of insertion, as a rowid gives it. */
export class JournalTables {
  readonly ledger: Ledger;
  incarnation: number;
  position: number;
  readonly #entities = new Map<EntityId, EntityRow>();
  readonly #outbox = new Map<string, OutboxRow>();
  /** Keys of outbox rows per entity, so that a superseding accept needs no scan. */
  readonly #outboxOf = new Map<EntityId, Set<string>>();
  readonly #inbox = new Map<Ledger, Map<number, InboxRow>>();
  readonly #watermarks = new Map<Ledger, number>();
  readonly #messages = new Map<string, MessageRow>();
  readonly #publications = new Map<string, PublicationRow>();
  readonly #imports = new Map<Ledger, ImportRow>();
  readonly #transferSeqs = new Map<string, readonly [Ledger, Ledger, number]>();
  #messageNumber: number;

  constructor(content: JournalContent) {
    this.ledger = content.ledger;
    this.incarnation = content.incarnation;
    this.position = content.position;
    this.#messageNumber = content.messageNumber;
    for (const row of content.entities) this.#entities.set(row.id, row);
    for (const row of content.outbox) this.#insertOutbox(row);
    for (const row of content.inbox) this.#insertInbox(row);
    for (const [source, value] of content.watermarks) this.#watermarks.set(source, value);
    for (const row of content.messages) this.#messages.set(messageKey(row.issuer, row.number), row);
    for (const row of content.publications) this.#publications.set(publicationKey(row), row);
    for (const row of content.imports) this.#imports.set(row.ledger, row);
    for (const [issuer, target, last] of content.transferSeqs) this.#raiseTransferSeq(issuer, target, last);
  }

  content(): JournalContent {
    return {
      ledger: this.ledger,
      incarnation: this.incarnation,
      position: this.position,
      entities: [...this.#entities.values()],
      outbox: [...this.#outbox.values()],
      inbox: [...this.#inbox.values()].flatMap((rows) => [...rows.values()]),
      watermarks: [...this.#watermarks],
      messages: [...this.#messages.values()],
      publications: [...this.#publications.values()],
      imports: [...this.#imports.values()],
      transferSeqs: [...this.#transferSeqs.values()],
      messageNumber: this.#messageNumber,
    };
  }

  /** One transaction. */
  apply(position: number, writes: readonly JournalWrite[]): void {
    assert(position === this.position + 1, `batch ${position} does not follow ${this.position}`);
    this.position = position;
    for (const write of writes) this.#write(write);
  }

  #write(write: JournalWrite): void {
    switch (write.kind) {
      case 'entity':
        this.#entities.set(write.row.id, write.row);
        return;
      case 'despawn':
        this.#entities.delete(write.id);
        return;
      case 'release':
        this.#entities.delete(write.row.id);
        this.#insertOutbox(write.row);
        return;
      case 'accept':
        this.#entities.set(write.row.id, write.row);
        this.#insertInbox(write.from);
        this.#supersede(write.row);
        return;
      case 'done':
        this.#deleteOutbox(outboxKey(write.issuer, write.target, write.transferSeq));
        return;
      case 'reclaim':
        this.#deleteOutbox(outboxKey(write.issuer, write.target, write.transferSeq));
        this.#entities.set(write.row.id, write.row);
        return;
      case 'watermark':
        this.#raiseWatermark(write.source, write.value);
        return;
      case 'import':
        this.#import(write);
        return;
      case 'importDone':
        this.#imports.set(write.ledger, { ledger: write.ledger, inbox: [], watermarks: [] });
        return;
      case 'message':
        this.#messages.set(messageKey(write.row.issuer, write.row.number), write.row);
        if (write.row.issuer === this.ledger) this.#messageNumber = Math.max(this.#messageNumber, write.row.number);
        return;
      case 'messageDone':
        this.#messages.delete(messageKey(write.issuer, write.number));
        return;
      case 'publication':
        this.#publications.set(publicationKey(write.row), write.row);
        return;
      case 'publicationDone':
        this.#publications.delete(publicationKey(write));
        return;
      case 'trace':
        return;
      default:
        unreachable(write);
    }
  }

  #import(write: Extract<JournalWrite, { kind: 'import' }>): void {
    for (const row of write.entities) this.#entities.set(row.id, row);
    for (const row of write.outbox) this.#insertOutbox(row);
    for (const row of write.messages) this.#messages.set(messageKey(row.issuer, row.number), row);
    for (const row of write.publications) this.#publications.set(publicationKey(row), row);
    for (const row of [...write.imports, write.frozen]) this.#imports.set(row.ledger, row);
    for (const [issuer, target, last] of write.transferSeqs) this.#raiseTransferSeq(issuer, target, last);
  }

  #raiseWatermark(source: Ledger, value: number): void {
    if (value <= (this.#watermarks.get(source) ?? 0)) return;
    this.#watermarks.set(source, value);
    const rows = this.#inbox.get(source);
    if (rows === undefined) return;
    for (const transferSeq of rows.keys()) if (transferSeq <= value) rows.delete(transferSeq);
  }

  #insertInbox(row: InboxRow): void {
    let rows = this.#inbox.get(row.source);
    if (rows === undefined) this.#inbox.set(row.source, (rows = new Map()));
    rows.set(row.transferSeq, row);
  }

  #insertOutbox(row: OutboxRow): void {
    const key = outboxKey(row.issuer, row.target, row.transferSeq);
    this.#outbox.set(key, row);
    const keys = this.#outboxOf.get(row.id);
    if (keys === undefined) this.#outboxOf.set(row.id, new Set([key]));
    else keys.add(key);
    this.#raiseTransferSeq(row.issuer, row.target, row.transferSeq);
  }

  #deleteOutbox(key: string): void {
    const row = this.#outbox.get(key);
    if (row === undefined) return;
    this.#outbox.delete(key);
    const keys = this.#outboxOf.get(row.id);
    keys?.delete(key);
    if (keys?.size === 0) this.#outboxOf.delete(row.id);
  }

  #supersede(row: EntityRow): void {
    for (const key of this.#outboxOf.get(row.id) ?? []) {
      if (this.#outbox.get(key)!.seq < row.seq) this.#deleteOutbox(key);
    }
  }

  #raiseTransferSeq(issuer: Ledger, target: Ledger, last: number): void {
    const key = `${issuer}>${target}`;
    if (last > (this.#transferSeqs.get(key)?.[2] ?? 0)) this.#transferSeqs.set(key, [issuer, target, last]);
  }
}

/** A disk: batches wait in memory until they are fsynced; a crash forgets those that wait. */
export class JournalModel {
  #stable: JournalTables;
  #waiting: { readonly position: number; readonly writes: readonly JournalWrite[] }[] = [];

  constructor(content: JournalContent) {
    this.#stable = new JournalTables(content);
  }

  get ledger(): Ledger {
    return this.#stable.ledger;
  }

  /** Position of the last batch that is fsynced. */
  get fsynced(): number {
    return this.#stable.position;
  }

  /** Position of the last batch. */
  get position(): number {
    return this.#waiting.at(-1)?.position ?? this.#stable.position;
  }

  set incarnation(value: number) {
    this.#stable.incarnation = value;
  }

  append(position: number, writes: readonly JournalWrite[]): void {
    assert(position === this.position + 1, `batch ${position} does not follow ${this.position}`);
    this.#waiting.push({ position, writes });
  }

  /** Everything up to `position` becomes durable. Returns the position that is. */
  fsync(position = this.position): number {
    while (this.#waiting.length > 0 && this.#waiting[0]!.position <= position) {
      const batch = this.#waiting.shift()!;
      this.#stable.apply(batch.position, batch.writes);
    }
    return this.#stable.position;
  }

  /** What was not fsynced is gone. */
  crash(): void {
    this.#waiting = [];
  }

  /** What is durable. */
  content(): JournalContent {
    return this.#stable.content();
  }
}

function outboxKey(issuer: Ledger, target: Ledger, transferSeq: number): string {
  return `${issuer}>${target}#${transferSeq}`;
}

function publicationKey({ entity, number }: Pick<PublicationRow, 'entity' | 'number'>): string {
  return `${entity}:${number}`;
}

function messageKey(issuer: Ledger, number: number): string {
  return `${issuer}#${number}`;
}
