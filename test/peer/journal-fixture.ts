/** Journals in temporary folders, arbitrary writes, and contents that can be compared. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import type { EntityId } from '../../src/base/brand.ts';
import { openJournal } from '../../src/peer/journal.ts';
import type { Journal, JournalEvent, JournalOptions } from '../../src/peer/journal.ts';
import type {
  EntityRow,
  ImportRow,
  InboxRow,
  JournalContent,
  JournalWrite,
  Ledger,
  MessageRow,
  OutboxRow,
  Passenger,
  PublicationRow,
} from '../../src/peer/protocol.ts';

/** A folder that is gone when the test ends. */
export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-journal-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A journal, and what it said; `until` waits for an event that fits, with a deadline. */
export interface Listening extends AsyncDisposable {
  readonly journal: Journal;
  readonly events: readonly JournalEvent[];
  until<Type extends JournalEvent['type']>(
    type: Type,
    fits?: (event: Extract<JournalEvent, { type: Type }>) => boolean,
  ): Promise<Extract<JournalEvent, { type: Type }>>;
  /** Appends, and waits until it is on disk. */
  write(...writes: readonly JournalWrite[]): Promise<void>;
}

const DEADLINE_MS = 20_000;

export async function listenTo(folder: string, options: Partial<JournalOptions> = {}): Promise<Listening> {
  const events: JournalEvent[] = [];
  let wake = (): void => {};
  const onEvent = (event: JournalEvent): void => {
    events.push(event);
    wake();
  };
  const journal = await openJournal({ folder, onEvent, ...options });
  let position = journal.content.position;
  const until: Listening['until'] = async (type, fits = () => true) => {
    const deadlineMs = performance.now() + DEADLINE_MS;
    for (let next = 0; ;) {
      for (; next < events.length; next++) {
        const event = events[next]!;
        if (event.type === type && fits(event as never)) return event as never;
      }
      const left = deadlineMs - performance.now();
      if (left <= 0) throw new Error(`no event "${type}" within ${DEADLINE_MS} ms: ${JSON.stringify(events)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const write = async (...writes: readonly JournalWrite[]): Promise<void> => {
    position++;
    const mine = position;
    journal.append(position, writes);
    await until('fsynced', (event) => event.position >= mine);
  };
  return { journal, events, until, write, [Symbol.asyncDispose]: () => journal[Symbol.asyncDispose]() };
}

/** A few ledgers and ids, so that writes meet. */
export const LEDGERS: readonly Ledger[] = ['11', '22', '33', 'fe'].map((byte) => byte.repeat(16));
const ledger = fc.constantFrom(...LEDGERS);
const small = fc.integer({ min: 1, max: 6 });
const u53 = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const id = fc.oneof(
  { weight: 9, arbitrary: small.map((counter) => 2 ** 32 * 3 + counter) },
  { weight: 1, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
) as fc.Arbitrary<EntityId>;
const seq = fc.oneof({ weight: 9, arbitrary: small }, { weight: 1, arbitrary: fc.constant(0xffff_ffff) });
const record = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 5000, maxLength: 9000 }) },
);
const unpublished = fc.record({
  lastInput: fc.oneof(small, u53),
  gateway: fc.integer({ min: 0, max: 63 }),
  session: u53,
  account: fc.string({ maxLength: 20, unit: 'grapheme' }),
  marks: fc.array(fc.record({ sender: ledger, number: u53 }), { maxLength: 3 }),
});
const passenger = fc
  .tuple(unpublished, fc.option(fc.record({ sender: ledger, number: u53 }), { nil: undefined }))
  .map(([carried, published]): Passenger => (published === undefined ? carried : { ...carried, published }));
const entity: fc.Arbitrary<EntityRow> = fc.record({ id, seq, record, passenger, atRest: fc.boolean() });
const anyOutbox: fc.Arbitrary<Omit<OutboxRow, 'transferSeq'>> = fc.record({
  issuer: ledger,
  target: ledger,
  targetNode: fc.integer({ min: 0, max: 63 }),
  targetCell: fc.integer({ min: 0, max: 0xffff_ffff }),
  id,
  seq,
  record,
  passenger,
});
/** A transferSeq is never given to a second entity. */
const outbox = anyOutbox.map((row): OutboxRow => ({ ...row, transferSeq: row.id % 2 ** 32 }));
const inbox: fc.Arbitrary<InboxRow> = fc.record({ source: ledger, transferSeq: small, id, seq });
const payload = fc.uint8Array({ maxLength: 30 });
const message: fc.Arbitrary<MessageRow> = fc.record({
  number: small,
  issuer: ledger,
  entity: id,
  event: small,
  payload,
});
const publication: fc.Arbitrary<PublicationRow> = fc.record({
  entity: id,
  number: small,
  behind: fc.oneof(ledger, fc.constant('')),
  name: fc.constantFrom('sold', 'aNameOfThirtyTwoLettersAndDigits'),
  body: fc.string({ maxLength: 60, unit: 'grapheme' }),
  publishedMs: u53,
  isParked: fc.boolean(),
});
const pair = fc.tuple(ledger, u53);
const last = fc.tuple(ledger, ledger, fc.oneof(small, u53));
const imported: fc.Arbitrary<ImportRow> = fc.record({
  ledger,
  inbox: fc.uniqueArray(inbox, { maxLength: 4, selector: (row) => `${row.source}${row.transferSeq}` }),
  watermarks: fc.uniqueArray(pair, { maxLength: 3, selector: ([source]) => source }),
});
const kind = <Name extends string>(name: Name) => fc.constant(name);
const trace = fc.record({
  atMs: u53,
  stage: fc.constantFrom('released', 'stable'),
  id,
  seq,
  session: u53,
  peer: fc.oneof(ledger, fc.constant('')),
  transferSeq: small,
});

export const anyWrite: fc.Arbitrary<JournalWrite> = fc.oneof(
  fc.record({ kind: kind('entity'), row: entity }),
  fc.record({ kind: kind('despawn'), id }),
  fc.record({ kind: kind('release'), row: outbox }),
  fc.record({ kind: kind('accept'), row: entity, from: inbox }),
  fc.record({ kind: kind('done'), issuer: ledger, target: ledger, transferSeq: small }),
  fc.record({ kind: kind('reclaim'), issuer: ledger, target: ledger, transferSeq: small, row: entity }),
  fc.record({ kind: kind('watermark'), source: ledger, value: fc.oneof(small, fc.constant(0)) }),
  fc.record({
    kind: kind('import'),
    frozen: imported,
    entities: fc.array(entity, { maxLength: 4 }),
    outbox: fc.array(outbox, { maxLength: 4 }),
    messages: fc.array(message, { maxLength: 3 }),
    publications: fc.array(publication, { maxLength: 3 }),
    imports: fc.array(imported, { maxLength: 2 }),
    transferSeqs: fc.array(last, { maxLength: 3 }),
  }),
  fc.record({ kind: kind('importDone'), ledger }),
  fc.record({ kind: kind('message'), row: message }),
  fc.record({ kind: kind('messageDone'), issuer: ledger, number: small }),
  fc.record({ kind: kind('publication'), row: publication }),
  fc.record({ kind: kind('publicationDone'), entity: id, number: small }),
  fc.record({ kind: kind('trace'), row: trace }),
);

/** A row to write, told apart by its numbers. */
export function entityRow(idValue: number, seqValue = 1, recordBytes = 40): EntityRow {
  return {
    id: idValue as EntityId,
    seq: seqValue,
    record: new Uint8Array(recordBytes).map((_, at) => (idValue * 7 + seqValue * 31 + at) & 0xff),
    passenger: {
      lastInput: seqValue,
      gateway: 2,
      session: 2 ** 33 + idValue,
      account: idValue % 2 === 0 ? '' : `player ${idValue}`,
      marks: idValue % 3 === 0 ? [{ sender: LEDGERS[1]!, number: idValue }] : [],
    },
    atRest: idValue % 5 === 0,
  };
}

export function publicationRow(entityValue: number, number: number, behind: Ledger = ''): PublicationRow {
  const body = `{"price":${number},"name":"Zoë"}`;
  return { entity: entityValue as EntityId, number, behind, name: 'sold', body, publishedMs: 1e12, isParked: false };
}

export function outboxRow(issuer: Ledger, transferSeq: number, row: EntityRow): OutboxRow {
  const { id: rowId, seq: rowSeq, record: bytes, passenger: carried } = row;
  const to = { target: LEDGERS[3]!, targetNode: 2, targetCell: 4_000_000_000 };
  return { issuer, transferSeq, ...to, id: rowId, seq: rowSeq, record: bytes, passenger: carried };
}

/** What stands in golden/journal-v1.sqlite. */
export function goldenWrites(): readonly (readonly JournalWrite[])[] {
  const payload = new Uint8Array([9, 8, 7]);
  const [own, other] = [LEDGERS[0]!, LEDGERS[2]!];
  return [
    [1, 2, 3].map((id) => ({ kind: 'entity', row: entityRow(id) })),
    [
      { kind: 'release', row: outboxRow(own, 1, entityRow(2, 2)) },
      { kind: 'accept', row: entityRow(7, 4), from: { source: other, transferSeq: 2, id: entityRow(7).id, seq: 4 } },
    ],
    [
      { kind: 'watermark', source: other, value: 1 },
      { kind: 'message', row: { number: 1, issuer: own, entity: entityRow(9).id, event: 3, payload } },
    ],
  ];
}

/** Contents as something that deepEqual compares: tables in one order, blobs as hex. */
export function comparable(content: JournalContent): unknown {
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([left], [right]) => (left < right ? -1 : 1))
        .map(([key, inner]) => [key, plain(inner)]),
    );
  };
  const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(plain(row))).toSorted();
  return {
    ...content,
    entities: sorted(content.entities),
    outbox: sorted(content.outbox),
    inbox: sorted(content.inbox),
    watermarks: sorted(content.watermarks),
    messages: sorted(content.messages),
    publications: sorted(content.publications),
    transferSeqs: sorted(content.transferSeqs),
    imports: sorted(
      content.imports.map((row) => ({ ...row, inbox: sorted(row.inbox), watermarks: sorted(row.watermarks) })),
    ),
  };
}

/** Batch number `position` of a run that everybody can repeat: comes, goes, and is confirmed. */
export function batchOf(own: Ledger, position: number): JournalWrite[] {
  const at = position % 40;
  const other = LEDGERS[2]!;
  const writes: JournalWrite[] = [
    { kind: 'entity', row: entityRow(at + 1, position, 200 + at) },
    { kind: 'entity', row: entityRow(at + 100, position, 3000) },
    {
      kind: 'message',
      row: { number: position, issuer: own, entity: entityRow(3).id, event: 1, payload: new Uint8Array(9) },
    },
  ];
  if (position % 2 === 0)
    writes.push({ kind: 'release', row: outboxRow(own, position, entityRow(at + 1, position + 1)) });
  if (position % 5 === 0) writes.push({ kind: 'done', issuer: own, target: LEDGERS[3]!, transferSeq: position - 3 });
  if (position % 3 === 0) {
    const row = entityRow(at + 200, position);
    writes.push({ kind: 'accept', row, from: { source: other, transferSeq: position, id: row.id, seq: position } });
  }
  if (position % 7 === 0) writes.push({ kind: 'watermark', source: other, value: position - 6 });
  if (position % 4 === 0) writes.push({ kind: 'messageDone', issuer: own, number: position - 2 });
  if (position % 11 === 0) writes.push({ kind: 'despawn', id: entityRow(at + 100).id });
  return writes;
}
