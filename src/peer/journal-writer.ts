/**
 * Carries batches out on a database: one transaction for all that are handed over at once, so one fsync. Runs in the
 * journal thread; the bytes are those of journal-batch.wire.ts.
 *
 * Invariant: after an error nothing of the group is in the file, and the writer is not used again.
 */
import { crc32c } from '../base/crc32c.ts';
import { readerOver } from '../base/pack.ts';
import type { Reader } from '../base/pack.ts';
import { assert } from '../base/assert.ts';
import { readText, readU16, readU32, readU8 } from '../wire/cursor.wire.ts';
import { BATCH_HEADER_BYTES, STAGE_LENGTH_MAX, WRITE_KIND } from './journal-batch.wire.ts';
import { JournalError } from './journal-error.ts';
import { metaRow, readMeta } from './journal-meta.ts';
import type { MetaKey } from './journal-meta.ts';
import {
  importedChecksum,
  readEntityColumns,
  readInboxColumns,
  readMessageColumns,
  readOutboxColumns,
  readPublicationColumns,
  take,
} from './journal-row.wire.ts';
import type { OutboxColumns } from './journal-row.wire.ts';
import type { Database } from './journal-schema.ts';
import { prepareStatements } from './journal-statements.ts';
import { readU53 } from './message-fields.wire.ts';
import { LEDGER_BYTES } from './protocol.ts';

/** Lines of history that are kept. */
export const TRACE_ROWS_MAX = 100_000;
/** How many lines more there may be before the oldest are dropped, some at a time. */
const TRACE_SLACK_ROWS = 1000;
/** The two ledgers of a transferSeq, as they stand in front of it. */
const PAIR_BYTES = 2 * LEDGER_BYTES;
const EMPTY = new Uint8Array();

export class JournalWriter {
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #commit: (batches: readonly Uint8Array[]) => void;
  readonly #ledger: Uint8Array;
  readonly #traceRowsMax: number;
  #position: number;
  #messageNumber: number;
  #messageNumberStored: number;
  #traceNumber: number;
  #traceFirst: number;
  /** The pair whose last transferSeq was raised and is not written yet: releases come many for one target. */
  readonly #pair = new Uint8Array(PAIR_BYTES + 8);
  #pairLast = 0;
  #rows = 0;

  constructor(database: Database, { traceRowsMax = TRACE_ROWS_MAX }: { traceRowsMax?: number } = {}) {
    const meta = readMeta(database);
    assert(typeof meta !== 'string', 'a writer is made for a recovered journal');
    this.#statements = prepareStatements(database);
    this.#commit = database.transaction((batches: readonly Uint8Array[]) => this.#applyAll(batches)).immediate;
    this.#ledger = meta.ledger;
    this.#position = meta.position;
    this.#messageNumber = meta.message_number;
    this.#messageNumberStored = meta.message_number;
    const [first, last] = this.#statements.traceRange.get()!;
    this.#traceFirst = first ?? 1;
    this.#traceNumber = last ?? 0;
    this.#traceRowsMax = traceRowsMax;
  }

  /** Position of the last batch that was committed. */
  get position(): number {
    return this.#position;
  }

  /**
   * Commits the batches in one transaction; when it returns they are on disk.
   * @returns how many rows they touch. @throws JournalError ERR_JOURNAL_BATCH, WireError, or what SQLite says.
   */
  commit(batches: readonly Uint8Array[]): number {
    this.#rows = 0;
    this.#commit(batches);
    return this.#rows;
  }

  /** Written at once, before anything of the incarnation. */
  setIncarnation(incarnation: number): void {
    this.#putMeta('incarnation', incarnation);
  }

  #applyAll(batches: readonly Uint8Array[]): void {
    for (const batch of batches) this.#applyBatch(batch);
    this.#flushTransferSeq();
    this.#putMeta('position', this.#position);
    if (this.#messageNumber !== this.#messageNumberStored) {
      this.#putMeta('message_number', this.#messageNumber);
      this.#messageNumberStored = this.#messageNumber;
    }
    this.#trimTrace();
  }

  #applyBatch(batch: Uint8Array): void {
    const reader = readerOver(batch);
    const position = readU53(reader);
    if (position <= this.#position) {
      throw new JournalError('ERR_JOURNAL_BATCH', `batch ${position} after ${this.#position}: positions only grow`);
    }
    this.#rows += readU32(reader);
    const writes = readU32(reader);
    assert(reader.at === BATCH_HEADER_BYTES, 'the header is read');
    for (let index = 0; index < writes; index++) this.#applyWrite(reader);
    if (reader.at !== batch.length) {
      throw new JournalError('ERR_JOURNAL_BATCH', `${batch.length - reader.at} bytes after the last write`);
    }
    this.#position = position;
  }

  #applyWrite(reader: Reader): void {
    const { entityPut, entityDelete, inboxPut, outboxDelete, outboxSupersede } = this.#statements;
    const kind = readU8(reader);
    switch (kind) {
      case WRITE_KIND.entity:
        entityPut.run(...readEntityColumns(reader));
        return;
      case WRITE_KIND.despawn:
        entityDelete.run(readU53(reader));
        return;
      case WRITE_KIND.release:
        this.#release(readOutboxColumns(reader));
        return;
      case WRITE_KIND.accept: {
        const entity = readEntityColumns(reader);
        entityPut.run(...entity);
        inboxPut.run(...readInboxColumns(reader));
        outboxSupersede.run(entity[0], entity[1]);
        return;
      }
      case WRITE_KIND.done:
        outboxDelete.run(take(reader, LEDGER_BYTES), take(reader, LEDGER_BYTES), readU53(reader));
        return;
      case WRITE_KIND.reclaim:
        outboxDelete.run(take(reader, LEDGER_BYTES), take(reader, LEDGER_BYTES), readU53(reader));
        entityPut.run(...readEntityColumns(reader));
        return;
      case WRITE_KIND.watermark:
        this.#raiseWatermark(reader);
        return;
      default:
        this.#applyRareWrite(kind, reader);
    }
  }

  #applyRareWrite(kind: number, reader: Reader): void {
    switch (kind) {
      case WRITE_KIND.import:
        this.#import(reader);
        return;
      case WRITE_KIND.importDone:
        this.#emptyImport(take(reader, LEDGER_BYTES));
        return;
      case WRITE_KIND.message:
        this.#putMessage(reader);
        return;
      case WRITE_KIND.messageDone:
        this.#statements.messageDelete.run(take(reader, LEDGER_BYTES), readU53(reader));
        return;
      case WRITE_KIND.trace:
        this.#trace(reader);
        return;
      case WRITE_KIND.publication:
        this.#statements.publicationPut.run(...readPublicationColumns(reader));
        return;
      case WRITE_KIND.publicationDone:
        this.#statements.publicationDelete.run(readU53(reader), readU53(reader));
        return;
      default:
        throw new JournalError(
          'ERR_JOURNAL_BATCH',
          `a write of kind ${kind}; there are 1 to ${WRITE_KIND.publicationDone}`,
        );
    }
  }

  #release(row: OutboxColumns): void {
    this.#statements.entityDelete.run(row[5]);
    this.#putOutbox(row);
  }

  #putOutbox(row: OutboxColumns): void {
    this.#statements.outboxPut.run(...row);
    this.#raiseTransferSeq(row[0], row[1], row[2]);
  }

  #raiseTransferSeq(issuer: Uint8Array, target: Uint8Array, value: number): void {
    if (this.#pairLast > 0 && !this.#isPair(issuer, target)) this.#flushTransferSeq();
    if (this.#pairLast === 0) {
      this.#pair.set(issuer, 0);
      this.#pair.set(target, LEDGER_BYTES);
    }
    this.#pairLast = Math.max(this.#pairLast, value);
  }

  #isPair(issuer: Uint8Array, target: Uint8Array): boolean {
    for (let at = 0; at < LEDGER_BYTES; at++) {
      if (this.#pair[at] !== issuer[at] || this.#pair[LEDGER_BYTES + at] !== target[at]) return false;
    }
    return true;
  }

  #flushTransferSeq(): void {
    if (this.#pairLast === 0) return;
    const pair = this.#pair;
    const view = new DataView(pair.buffer);
    view.setUint32(PAIR_BYTES, this.#pairLast % 2 ** 32, true);
    view.setUint32(PAIR_BYTES + 4, Math.floor(this.#pairLast / 2 ** 32), true);
    const issuer = pair.subarray(0, LEDGER_BYTES);
    const target = pair.subarray(LEDGER_BYTES, PAIR_BYTES);
    this.#statements.transferSeqRaise.run(issuer, target, this.#pairLast, crc32c(pair));
    this.#pairLast = 0;
  }

  #raiseWatermark(reader: Reader): void {
    const first = reader.at;
    const source = take(reader, LEDGER_BYTES);
    const value = readU53(reader);
    if (value === 0) return;
    const { changes } = this.#statements.watermarkRaise.run(source, value, crc32c(reader.source, first, reader.at));
    if (changes > 0) this.#statements.inboxCollect.run(source, value);
  }

  #putMessage(reader: Reader): void {
    const row = readMessageColumns(reader);
    this.#statements.messagePut.run(...row);
    if (Buffer.compare(row[0], this.#ledger) === 0) this.#messageNumber = Math.max(this.#messageNumber, row[1]);
  }

  #import(reader: Reader): void {
    const { entityPut } = this.#statements;
    for (let left = readU16(reader); left > 0; left--) this.#importAnswers(reader);
    for (let left = readU32(reader); left > 0; left--) entityPut.run(...readEntityColumns(reader));
    for (let left = readU32(reader); left > 0; left--) this.#putOutbox(readOutboxColumns(reader));
    for (let left = readU32(reader); left > 0; left--) this.#putMessage(reader);
    for (let left = readU32(reader); left > 0; left--) {
      this.#raiseTransferSeq(take(reader, LEDGER_BYTES), take(reader, LEDGER_BYTES), readU53(reader));
    }
    for (let left = readU32(reader); left > 0; left--)
      this.#statements.publicationPut.run(...readPublicationColumns(reader));
  }

  #importAnswers(reader: Reader): void {
    const { importInboxPut, importWatermarkPut } = this.#statements;
    const ledger = take(reader, LEDGER_BYTES);
    this.#emptyImport(ledger);
    for (let left = readU32(reader); left > 0; left--) {
      const first = reader.at;
      const [source, transferSeq, id, seq] = readInboxColumns(reader);
      const checksum = importedChecksum(ledger, reader.source.subarray(first, reader.at));
      importInboxPut.run(ledger, source, transferSeq, id, seq, checksum);
    }
    for (let left = readU32(reader); left > 0; left--) {
      const first = reader.at;
      const source = take(reader, LEDGER_BYTES);
      const value = readU53(reader);
      importWatermarkPut.run(ledger, source, value, importedChecksum(ledger, reader.source.subarray(first, reader.at)));
    }
  }

  /** The row of the ledger stays for ever. */
  #emptyImport(ledger: Uint8Array): void {
    const { importPut, importInboxDelete, importWatermarkDelete } = this.#statements;
    importPut.run(ledger, importedChecksum(ledger, EMPTY));
    importInboxDelete.run(ledger);
    importWatermarkDelete.run(ledger);
  }

  #trace(reader: Reader): void {
    const atMs = readU53(reader);
    const stage = readText(reader, readU8(reader), { sizeBytesMax: 3 * STAGE_LENGTH_MAX, what: 'a stage' });
    const id = readU53(reader);
    const seq = readU53(reader);
    const session = readU53(reader);
    const peer = readU8(reader) === 0 ? EMPTY : take(reader, LEDGER_BYTES);
    this.#traceNumber++;
    this.#statements.tracePut.run(this.#traceNumber, atMs, stage, id, seq, session, peer, readU53(reader));
  }

  #putMeta(key: MetaKey, value: number): void {
    const [, stored, checksum] = metaRow(key, value);
    this.#statements.metaUpdate.run(stored, checksum, key);
  }

  #trimTrace(): void {
    if (this.#traceNumber - this.#traceFirst < this.#traceRowsMax + TRACE_SLACK_ROWS) return;
    this.#traceFirst = this.#traceNumber - this.#traceRowsMax + 1;
    this.#statements.traceTrim.run(this.#traceFirst);
  }
}
