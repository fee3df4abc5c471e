/**
 * One batch of writes on its way to the journal thread, as bytes: objects with small blobs are dear to clone between
 * threads, and a view of a large buffer would be cloned with the whole of it.
 *
 *   batch   position u53 · rows u32 · writes u32 · each: kind u8, its fields (rows as in journal-row.wire.ts)
 *
 *   1 entity      entity                       7 watermark    source ledger · u53
 *   2 despawn     id u53                       8 import       imports u16 (the last is the ledger taken over), each:
 *   3 release     outbox                                      ledger · list inbox · list (ledger · u53)
 *   4 accept      entity · inbox                              · list entity · list outbox · list message
 *   5 done        issuer · target · u53                       · list (issuer · target · u53)        list: count u32
 *                                                           · list publication
 *   6 reclaim     issuer · target · u53        9 importDone   ledger
 *                 · entity                    10 message      message
 *  11 messageDone issuer · number u53         12 trace        atMs u53 · stage text · id u53 · seq u53 · session u53
 *                                                             · peer: u8 0, or 1 and ledger · transferSeq u53
 *  13 publication publication                14 publicationDone entity u53 · number u53
 */
import { assert } from '../base/assert.ts';
import type { MessageBuffer } from './message-buffer.ts';
import type { ImportRow, JournalWrite, TraceRow } from './protocol.ts';
import {
  writeEntityRow,
  writeInboxRow,
  writeInteger,
  writeMessageRow,
  writeOutboxRow,
  writePublicationRow,
  writeValue,
} from './journal-row.wire.ts';

export const WRITE_KIND = {
  entity: 1,
  despawn: 2,
  release: 3,
  accept: 4,
  done: 5,
  reclaim: 6,
  watermark: 7,
  import: 8,
  importDone: 9,
  message: 10,
  messageDone: 11,
  trace: 12,
  publication: 13,
  publicationDone: 14,
} as const satisfies Record<JournalWrite['kind'], number>;

export const BATCH_HEADER_BYTES = 16;
export const STAGE_LENGTH_MAX = 32;
type Import = Extract<JournalWrite, { kind: 'import' }>;

/** Packs a batch; the result has memory of its own and may be transferred. */
export function packBatch(
  buffer: MessageBuffer,
  position: number,
  writes: readonly JournalWrite[],
): Uint8Array<ArrayBuffer> {
  buffer.start();
  writeInteger(buffer, position);
  buffer.u32(rowsOf(writes));
  buffer.u32(writes.length);
  for (const write of writes) packWrite(buffer, write);
  return new Uint8Array(buffer.taken());
}

/** How many rows the writes touch, for the limits and the figures of a commit. */
export function rowsOf(writes: readonly JournalWrite[]): number {
  let rows = writes.length;
  for (const write of writes) {
    if (write.kind !== 'import') continue;
    for (const { inbox, watermarks } of [write.frozen, ...write.imports]) rows += inbox.length + watermarks.length;
    rows += write.entities.length + write.outbox.length + write.messages.length + write.publications.length;
  }
  return rows;
}

function packWrite(buffer: MessageBuffer, write: JournalWrite): void {
  buffer.u8(WRITE_KIND[write.kind]);
  switch (write.kind) {
    case 'entity':
      return writeEntityRow(buffer, write.row);
    case 'despawn':
      return writeInteger(buffer, write.id);
    case 'release':
      return writeOutboxRow(buffer, write.row);
    case 'accept':
      writeEntityRow(buffer, write.row);
      return writeInboxRow(buffer, write.from);
    case 'done':
      return writeValue(buffer, [write.issuer, write.target], write.transferSeq);
    case 'reclaim':
      writeValue(buffer, [write.issuer, write.target], write.transferSeq);
      return writeEntityRow(buffer, write.row);
    case 'watermark':
      return writeValue(buffer, [write.source], write.value);
    case 'import':
      return packImport(buffer, write);
    case 'importDone':
      return buffer.ledger(write.ledger);
    case 'message':
      return writeMessageRow(buffer, write.row);
    case 'messageDone':
      return writeValue(buffer, [write.issuer], write.number);
    case 'trace':
      return packTrace(buffer, write.row);
    case 'publication':
      return writePublicationRow(buffer, write.row);
    case 'publicationDone':
      writeInteger(buffer, write.entity);
      return writeInteger(buffer, write.number);
  }
}

function packImport(buffer: MessageBuffer, write: Import): void {
  const imports = [...write.imports, write.frozen];
  buffer.u16(imports.length);
  for (const row of imports) packImportRow(buffer, row);
  packList(buffer, write.entities, writeEntityRow);
  packList(buffer, write.outbox, writeOutboxRow);
  packList(buffer, write.messages, writeMessageRow);
  packList(buffer, write.transferSeqs, (target, [issuer, ledger, last]) => writeValue(target, [issuer, ledger], last));
  packList(buffer, write.publications, writePublicationRow);
}

function packImportRow(buffer: MessageBuffer, { ledger, inbox, watermarks }: ImportRow): void {
  buffer.ledger(ledger);
  packList(buffer, inbox, writeInboxRow);
  packList(buffer, watermarks, (target, [source, value]) => writeValue(target, [source], value));
}

function packList<Item>(
  buffer: MessageBuffer,
  items: readonly Item[],
  pack: (buffer: MessageBuffer, item: Item) => void,
): void {
  buffer.u32(items.length);
  for (const item of items) pack(buffer, item);
}

function packTrace(buffer: MessageBuffer, row: TraceRow): void {
  assert(row.stage.length <= STAGE_LENGTH_MAX, 'a stage is a short word');
  writeInteger(buffer, Math.trunc(row.atMs));
  buffer.shortText(row.stage);
  writeInteger(buffer, row.id);
  writeInteger(buffer, row.seq);
  writeInteger(buffer, row.session);
  buffer.u8(row.peer === '' ? 0 : 1);
  if (row.peer !== '') buffer.ledger(row.peer);
  writeInteger(buffer, row.transferSeq);
}
