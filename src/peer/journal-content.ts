/**
 * Reads a whole journal out of its tables, and trusts nothing that it reads: every row is packed again and its checksum
 * compared.
 *
 * A damaged entity, outbox row or message is put aside (`quarantine_…`) and reported: the others are as good as before.
 * A damaged watermark, inbox row or transferSeq is not survivable: with a wrong answer about what was taken, an entity
 * could come to be twice. So such a file is refused as a whole.
 */
import type { EntityId } from '../base/brand.ts';
import { crc32c } from '../base/crc32c.ts';
import { CORRUPT_ADVICE, JournalError } from './journal-error.ts';
import {
  ACCOUNT_BYTES_MAX,
  BODY_BYTES_MAX,
  NAME_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
  ledgerFrom,
  marksFrom,
  writeEntityRow,
  writeImported,
  writeInboxRow,
  writeMessageRow,
  writeOutboxRow,
  writePublicationRow,
  writeValue,
} from './journal-row.wire.ts';
import type { Database } from './journal-schema.ts';
import { MessageBuffer } from './message-buffer.ts';
import { LEDGER_BYTES, NODES_MAX, RECORD_BYTES_MAX } from './protocol.ts';
import type {
  EntityRow,
  ImportRow,
  InboxRow,
  JournalContent,
  Ledger,
  MessageRow,
  OutboxRow,
  Mark,
  Passenger,
  PublicationRow,
  SessionId,
} from './protocol.ts';

/** A row that was put aside. */
export interface DamagedRow {
  readonly table: 'entity' | 'outbox' | 'message' | 'publication';
  readonly rowid: number;
  readonly error: JournalError;
}
export type Tables = Pick<
  JournalContent,
  'entities' | 'outbox' | 'inbox' | 'watermarks' | 'messages' | 'publications' | 'imports' | 'transferSeqs'
>;
type Cells = readonly unknown[];
/** What stands in front of a row, for its checksum. */
type Head = (buffer: MessageBuffer) => void;
type Pairs = (readonly [source: Ledger, value: number])[];

/** In the table's order. Most entities have no marks, and an empty blob costs as much to hand over as a whole record. */
const COLUMNS: Readonly<Record<DamagedRow['table'], string>> = {
  entity: "id, seq, record, last_input, gateway, session, account, nullif(marks, x''), at_rest, published, checksum",
  outbox: `issuer, target, transfer_seq, target_node, target_cell, id, seq, record, last_input, gateway, session, account,
    nullif(marks, x''), published, checksum`,
  message: 'issuer, number, entity, event, payload, checksum',
  publication: 'entity, number, behind, name, body, published_ms, parked, checksum',
};

/** @throws JournalError ERR_JOURNAL_CORRUPT, or what SQLite says. */
export function readTables(database: Database): { tables: Tables; damaged: DamagedRow[] } {
  const damaged: DamagedRow[] = [];
  const buffer = new MessageBuffer();
  const reading = { database, damaged, buffer };
  const tables: Tables = {
    entities: readRows(reading, 'entity', entityFrom, writeEntityRow),
    outbox: readRows(reading, 'outbox', outboxFrom, writeOutboxRow),
    messages: readRows(reading, 'message', messageFrom, writeMessageRow),
    publications: readRows(reading, 'publication', publicationFrom, writePublicationRow),
    inbox: readSound(reading, 'inbox', 'source, transfer_seq, id, seq, checksum', (cells) => inboxFrom(cells, buffer)),
    watermarks: readSound(reading, 'watermark', 'source, value, checksum', (cells) => valueFrom(cells, buffer)),
    transferSeqs: readSound(reading, 'transfer_seq', 'issuer, target, last, checksum', (cells) =>
      lastFrom(cells, buffer),
    ),
    imports: readImports(reading),
  };
  return { tables, damaged };
}

interface Reading {
  readonly database: Database;
  readonly damaged: DamagedRow[];
  readonly buffer: MessageBuffer;
}

/** Rows that can be put aside. */
function readRows<Row>(
  { database, damaged, buffer }: Reading,
  table: DamagedRow['table'],
  rowFrom: (cells: Cells) => Row | undefined,
  write: (buffer: MessageBuffer, row: Row) => void,
): Row[] {
  const rows: Row[] = [];
  const cursor = database
    .prepare(`SELECT rowid, ${COLUMNS[table]} FROM ${table}`)
    .raw()
    .iterate() as IterableIterator<Cells>;
  for (const [rowid, ...cells] of cursor) {
    const row = rowFrom(cells);
    if (row !== undefined && matches(buffer, cells, (target) => write(target, row))) {
      rows.push(row);
      continue;
    }
    const reason = row === undefined ? 'a value out of range' : 'a wrong checksum';
    const message = `${database.name}: row ${String(rowid)} of table ${table} has ${reason}; kept in quarantine_${table}`;
    damaged.push({ table, rowid: Number(rowid), error: new JournalError('ERR_JOURNAL_ROW', message) });
  }
  return rows;
}

/** Rows that all have to be sound. */
function readSound<Row>(
  { database }: Reading,
  table: string,
  columns: string,
  rowFrom: (cells: Cells) => Row | undefined,
): Row[] {
  const rows: Row[] = [];
  const cursor = database.prepare(`SELECT ${columns} FROM ${table}`).raw().iterate() as IterableIterator<Cells>;
  for (const cells of cursor) {
    const row = rowFrom(cells);
    if (row === undefined) throw unsound(database, `a row of table ${table} is damaged`);
    rows.push(row);
  }
  return rows;
}

export function unsound(database: Database, what: string): JournalError {
  return new JournalError('ERR_JOURNAL_CORRUPT', `${database.name}: ${what}; ${CORRUPT_ADVICE}`);
}

function readImports(reading: Reading): ImportRow[] {
  const { buffer } = reading;
  const imports = new Map<Ledger, { inbox: InboxRow[]; watermarks: Pairs }>();
  const ledgers = readSound(reading, 'import', 'ledger, checksum', (cells) => importedFrom(cells, buffer));
  for (const ledger of ledgers) imports.set(ledger, { inbox: [], watermarks: [] });
  readSound(reading, 'import_inbox', 'ledger, source, transfer_seq, id, seq, checksum', ([cell, ...cells]) => {
    const ledger = ledgerOf(cell) ?? '';
    const row = inboxFrom(cells, buffer, (target) => writeImported(target, ledger));
    return row === undefined ? undefined : imports.get(ledger)?.inbox.push(row);
  });
  readSound(reading, 'import_watermark', 'ledger, source, value, checksum', ([cell, ...cells]) => {
    const ledger = ledgerOf(cell) ?? '';
    const pair = valueFrom(cells, buffer, (target) => writeImported(target, ledger));
    return pair === undefined ? undefined : imports.get(ledger)?.watermarks.push(pair);
  });
  return [...imports].map(([ledger, frozen]) => ({ ledger, ...frozen }));
}

/** The last cell is the checksum of what `write` packs. */
function matches(buffer: MessageBuffer, cells: Cells, write: (buffer: MessageBuffer) => void): boolean {
  write(buffer.start());
  return crc32c(buffer.taken()) === cells.at(-1);
}

function entityFrom(cells: Cells): EntityRow | undefined {
  const [id, seq, record, lastInput, gateway, session, account, marks, atRest, published] = cells;
  const passenger = passengerFrom([lastInput, gateway, session, account, marks, published]);
  if (!isCount(id) || !isCount(seq) || !isBlob(record, RECORD_BYTES_MAX) || passenger === undefined) return undefined;
  if (atRest !== 0 && atRest !== 1) return undefined;
  return { id: id as EntityId, seq, record, passenger, atRest: atRest === 1 };
}

function outboxFrom(cells: Cells): OutboxRow | undefined {
  const [issuerCell, targetCellLedger, transferSeq, targetNode, targetCell, id, seq, record, ...rest] = cells;
  const issuer = ledgerOf(issuerCell);
  const target = ledgerOf(targetCellLedger);
  const passenger = passengerFrom(rest);
  if (issuer === undefined || target === undefined || passenger === undefined) return undefined;
  if (!isCount(transferSeq) || !isCount(targetNode) || !isCount(targetCell) || !isCount(id)) return undefined;
  if (targetNode > NODES_MAX || targetCell > 0xffff_ffff) return undefined;
  if (!isCount(seq) || !isBlob(record, RECORD_BYTES_MAX)) return undefined;
  return { issuer, target, transferSeq, targetNode, targetCell, id: id as EntityId, seq, record, passenger };
}

function passengerFrom([lastInput, gateway, session, account, marksCell, publishedCell]: Cells): Passenger | undefined {
  const marks = marksCell === null ? [] : marksCell instanceof Uint8Array ? marksFrom(marksCell) : undefined;
  if (marks === undefined || !isCount(lastInput) || !isCount(session)) return undefined;
  if (!isCount(gateway) || gateway > NODES_MAX) return undefined;
  if (typeof account !== 'string' || Buffer.byteLength(account) > ACCOUNT_BYTES_MAX) return undefined;
  const passenger = { lastInput, gateway, session: session as SessionId, account, marks };
  if (publishedCell === null) return passenger;
  const published = publishedFrom(publishedCell);
  return published === undefined ? undefined : { ...passenger, published };
}

function publishedFrom(cell: unknown): Mark | undefined {
  const marks = cell instanceof Uint8Array ? marksFrom(cell) : undefined;
  return marks?.length === 1 ? marks[0] : undefined;
}

function publicationFrom(cells: Cells): PublicationRow | undefined {
  const [entity, number, behindCell, name, body, publishedMs, parked] = cells;
  const isFirst = behindCell === null || (behindCell instanceof Uint8Array && behindCell.length === 0);
  const behind = isFirst ? '' : ledgerOf(behindCell);
  if (!isCount(entity) || !isCount(number) || behind === undefined || !isCount(publishedMs)) return undefined;
  if (typeof name !== 'string' || Buffer.byteLength(name) > NAME_BYTES_MAX || (parked !== 0 && parked !== 1))
    return undefined;
  if (typeof body !== 'string' || Buffer.byteLength(body) > BODY_BYTES_MAX) return undefined;
  return { entity: entity as EntityId, number, behind, name, body, publishedMs, isParked: parked === 1 };
}

function messageFrom(cells: Cells): MessageRow | undefined {
  const [issuerCell, number, entity, event, payload] = cells;
  const issuer = ledgerOf(issuerCell);
  if (issuer === undefined || !isCount(number) || !isCount(entity) || !isCount(event)) return undefined;
  if (event > 0xffff_ffff || !isBlob(payload, PAYLOAD_BYTES_MAX)) return undefined;
  return { number, issuer, entity: entity as EntityId, event, payload };
}

function inboxFrom(cells: Cells, buffer: MessageBuffer, before: Head = noHead): InboxRow | undefined {
  const [sourceCell, transferSeq, id, seq] = cells;
  const source = ledgerOf(sourceCell);
  if (source === undefined || !isCount(transferSeq) || !isCount(id) || !isCount(seq)) return undefined;
  const row: InboxRow = { source, transferSeq, id: id as EntityId, seq };
  const isSound = matches(buffer, cells, (target) => {
    before(target);
    writeInboxRow(target, row);
  });
  return isSound ? row : undefined;
}

function importedFrom(cells: Cells, buffer: MessageBuffer): Ledger | undefined {
  const ledger = ledgerOf(cells[0]);
  if (ledger === undefined) return undefined;
  return matches(buffer, cells, (target) => writeImported(target, ledger)) ? ledger : undefined;
}

function valueFrom(
  cells: Cells,
  buffer: MessageBuffer,
  before: Head = noHead,
): readonly [source: Ledger, value: number] | undefined {
  const [sourceCell, value] = cells;
  const source = ledgerOf(sourceCell);
  if (source === undefined || !isCount(value)) return undefined;
  const isSound = matches(buffer, cells, (target) => {
    before(target);
    writeValue(target, [source], value);
  });
  return isSound ? [source, value] : undefined;
}

function lastFrom(
  cells: Cells,
  buffer: MessageBuffer,
): readonly [issuer: Ledger, target: Ledger, last: number] | undefined {
  const [issuerCell, targetCell, last] = cells;
  const issuer = ledgerOf(issuerCell);
  const target = ledgerOf(targetCell);
  if (issuer === undefined || target === undefined || !isCount(last)) return undefined;
  const isSound = matches(buffer, cells, (into) => writeValue(into, [issuer, target], last));
  return isSound ? [issuer, target, last] : undefined;
}

function noHead(): void {}

function isCount(cell: unknown): cell is number {
  return Number.isSafeInteger(cell) && (cell as number) >= 0;
}

function isBlob(cell: unknown, sizeBytesMax: number): cell is Uint8Array {
  return cell instanceof Uint8Array && cell.length <= sizeBytesMax;
}

function ledgerOf(cell: unknown): Ledger | undefined {
  return cell instanceof Uint8Array && cell.length === LEDGER_BYTES ? ledgerFrom(cell) : undefined;
}
