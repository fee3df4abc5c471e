/** What is on a disk: the tables of a journal in maps, by the meaning that protocol.ts gives to each write. */
import { assert } from '../../src/base/assert.ts';
import type { EntityId } from '../../src/base/brand.ts';
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

/** Told of each entity that gains or loses a record in this journal. */
export type RecordListener = (id: EntityId, change: 1 | -1, write: JournalWrite['kind']) => void;

export class StableJournal {
  readonly ledger: Ledger;
  incarnation = 0;
  position = 0;
  messageNumber = 0;
  readonly entities = new Map<EntityId, EntityRow>();
  readonly outbox = new Map<string, OutboxRow>();
  readonly inbox = new Map<string, InboxRow>();
  readonly watermarks = new Map<Ledger, number>();
  readonly messages = new Map<string, MessageRow>();
  readonly publications = new Map<string, PublicationRow>();
  readonly imports = new Map<Ledger, ImportRow>();
  readonly transferSeqs = new Map<string, readonly [Ledger, Ledger, number]>();
  #imported: Ledger = '';
  #changes: { id: EntityId; change: 1 | -1; kind: JournalWrite['kind'] }[] = [];
  onRecord: RecordListener = () => {};
  onImport: (ledger: Ledger) => void = () => {};

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** One transaction. */
  apply(position: number, writes: readonly JournalWrite[]): void {
    assert(position === this.position + 1, `batch ${position} does not follow ${this.position}`);
    this.position = position;
    for (const write of writes) this.#applyOne(write);
    this.#tellChanges();
    if (this.#imported !== '') this.onImport(this.#imported);
    this.#imported = '';
  }

  #tellChanges(): void {
    // What comes before what goes: a transaction has no middle.
    const changes = this.#changes;
    if (changes.length === 0) return;
    this.#changes = [];
    for (const { id, change, kind } of changes) if (change > 0) this.onRecord(id, change, kind);
    for (const { id, change, kind } of changes) if (change < 0) this.onRecord(id, change, kind);
  }

  #record(id: EntityId, change: 1 | -1, kind: JournalWrite['kind']): void {
    this.#changes.push({ id, change, kind });
  }

  #applyOne(write: JournalWrite): void {
    switch (write.kind) {
      case 'entity':
        this.#putEntity(write.row, write.kind);
        return;
      case 'despawn':
        this.#dropEntity(write.id, write.kind);
        return;
      case 'release':
        this.#putOutbox(write.row, write.kind);
        this.#dropEntity(write.row.id, write.kind);
        return;
      case 'accept':
        this.#accept(write.row, write.from);
        return;
      case 'done':
        this.#dropOutbox(transferKey(write.issuer, write.target, write.transferSeq), write.kind);
        return;
      case 'reclaim':
        this.#putEntity(write.row, write.kind);
        this.#dropOutbox(transferKey(write.issuer, write.target, write.transferSeq), write.kind);
        return;
      case 'watermark':
        this.watermarks.set(write.source, Math.max(write.value, this.watermarks.get(write.source) ?? 0));
        for (const [key, row] of this.inbox) {
          if (row.source === write.source && row.transferSeq <= write.value) this.inbox.delete(key);
        }
        return;
      case 'import':
        this.#import(write);
        return;
      case 'importDone':
        this.imports.set(write.ledger, { ledger: write.ledger, inbox: [], watermarks: [] });
        return;
      case 'message':
        this.messages.set(`${write.row.issuer} ${write.row.number}`, write.row);
        if (write.row.issuer === this.ledger) this.messageNumber = Math.max(this.messageNumber, write.row.number);
        return;
      case 'messageDone':
        this.messages.delete(`${write.issuer} ${write.number}`);
        return;
      case 'publication':
        this.#putPublication(write.row);
        return;
      case 'publicationDone':
        this.publications.delete(`${write.entity}:${write.number}`);
        return;
      case 'trace':
        return;
    }
  }

  #putPublication(row: PublicationRow): void {
    this.publications.set(`${row.entity}:${row.number}`, row);
  }

  #accept(row: EntityRow, from: InboxRow): void {
    this.#putEntity(row, 'accept');
    this.inbox.set(transferKey(from.source, '', from.transferSeq), from);
    for (const [key, old] of this.outbox) {
      if (old.id === row.id && old.seq < row.seq) this.#dropOutbox(key, 'accept');
    }
  }

  #import(write: Extract<JournalWrite, { kind: 'import' }>): void {
    this.imports.set(write.frozen.ledger, write.frozen);
    for (const row of write.entities) this.#putEntity(row, 'import');
    for (const row of write.outbox) this.#putOutbox(row, 'import');
    for (const row of write.messages) this.messages.set(`${row.issuer} ${row.number}`, row);
    for (const row of write.publications) this.#putPublication(row);
    for (const row of write.imports) this.imports.set(row.ledger, row);
    for (const [issuer, target, last] of write.transferSeqs) this.#raise(issuer, target, last);
    this.#imported = write.frozen.ledger;
  }

  #putEntity(row: EntityRow, kind: JournalWrite['kind']): void {
    if (!this.entities.has(row.id)) this.#record(row.id, 1, kind);
    this.entities.set(row.id, row);
  }

  #dropEntity(id: EntityId, kind: JournalWrite['kind']): void {
    if (this.entities.delete(id)) this.#record(id, -1, kind);
  }

  #putOutbox(row: OutboxRow, kind: JournalWrite['kind']): void {
    const key = transferKey(row.issuer, row.target, row.transferSeq);
    if (!this.outbox.has(key)) this.#record(row.id, 1, kind);
    this.outbox.set(key, row);
    this.#raise(row.issuer, row.target, row.transferSeq);
  }

  #dropOutbox(key: string, kind: JournalWrite['kind']): void {
    const row = this.outbox.get(key);
    if (row === undefined) return;
    this.outbox.delete(key);
    this.#record(row.id, -1, kind);
  }

  #raise(issuer: Ledger, target: Ledger, value: number): void {
    const key = `${issuer} ${target}`;
    const last = this.transferSeqs.get(key)?.[2] ?? 0;
    this.transferSeqs.set(key, [issuer, target, Math.max(last, value)]);
  }

  /** Forgets everything, and holds this from now on. */
  reset(content: JournalContent): void {
    this.entities.clear();
    this.outbox.clear();
    this.inbox.clear();
    this.watermarks.clear();
    this.messages.clear();
    this.publications.clear();
    this.imports.clear();
    this.transferSeqs.clear();
    this.incarnation = content.incarnation;
    this.position = content.position;
    this.messageNumber = content.messageNumber;
    for (const row of content.entities) this.entities.set(row.id, row);
    for (const row of content.outbox) this.outbox.set(transferKey(row.issuer, row.target, row.transferSeq), row);
    for (const row of content.inbox) this.inbox.set(transferKey(row.source, '', row.transferSeq), row);
    for (const [source, value] of content.watermarks) this.watermarks.set(source, value);
    for (const row of content.messages) this.messages.set(`${row.issuer} ${row.number}`, row);
    for (const row of content.publications) this.#putPublication(row);
    for (const row of content.imports) this.imports.set(row.ledger, row);
    for (const [issuer, target, last] of content.transferSeqs) this.#raise(issuer, target, last);
  }

  content(): JournalContent {
    return {
      ledger: this.ledger,
      incarnation: this.incarnation,
      position: this.position,
      entities: [...this.entities.values()],
      outbox: [...this.outbox.values()],
      inbox: [...this.inbox.values()],
      watermarks: [...this.watermarks],
      messages: [...this.messages.values()],
      publications: [...this.publications.values()],
      imports: [...this.imports.values()],
      transferSeqs: [...this.transferSeqs.values()],
      messageNumber: this.messageNumber,
    };
  }

  lastTransfer(issuer: Ledger, target: Ledger): number {
    return this.transferSeqs.get(`${issuer} ${target}`)?.[2] ?? 0;
  }

  /** Rows that a quiet cluster does not have. */
  get openRows(): number {
    return this.outbox.size + this.messages.size + this.publications.size;
  }
}

function transferKey(issuer: Ledger, target: Ledger, transferSeq: number): string {
  return `${issuer} ${target} ${transferSeq}`;
}
