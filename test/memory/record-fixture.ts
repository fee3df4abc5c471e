/** The golden entity, forged records and the record fuzzer: also for test/long. */
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { crc32c } from '../../src/base/crc32c.ts';
import { RecordError } from '../../src/base/errors.ts';
import type { RecordErrorCode } from '../../src/base/errors.ts';
import { bool, bytes, entity, f32, f64, i16, i32, i8, list, text, u16, u32, u8 } from '../../src/base/fields.ts';
import { Random } from '../../src/base/random.ts';
import { RecordEncoder, SchemaRegistry, applyRecord, decodeRecord } from '../../src/memory/record.ts';
import { makeColumns, schemaOf } from './fixture.ts';
import type { SmallStore } from './fixture.ts';

/** The schema of the golden files. It never changes: a new one gets a new name. */
export const GOLDEN_SCHEMA = schemaOf(
  {
    look: { name: text(24), crest: bytes(9) },
    body: { alive: bool(), a: i8(), b: u8(), c: i16(), d: u16(), e: i32(), f: u32(), g: f32(), h: f64() },
    bag: { items: list({ what: u16(), count: u8(), owner: entity(), weight: f32() }, { max: 40 }), friend: entity() },
  },
  { kinds: { rock: { components: ['body'] }, player: { components: ['look', 'body', 'bag'] } } },
);

export function fillGolden({ columns }: SmallStore, slot: number): void {
  const [look, body, bag] = columns.components.map((component) => component.byName as Record<string, any>);
  columns.id[slot] = 3 * 2 ** 32 + 0x0102_0304;
  columns.kind[slot] = 1;
  columns.ownershipSeq[slot] = 0xdead_beef;
  columns.x[slot] = -12.5;
  columns.z[slot] = 1e-3;
  columns.vx[slot] = -0;
  columns.vz[slot] = 3;
  look!['name'].set(slot, 'Ærøskøbing 🜁');
  look!['crest'].set(slot, Uint8Array.of(1, 2, 255));
  const scalars = {
    alive: 1,
    a: -128,
    b: 255,
    c: -32_768,
    d: 65_535,
    e: -1,
    f: 0xffff_ffff,
    g: Math.fround(0.1),
    h: Math.PI,
  };
  for (const [name, value] of Object.entries(scalars)) body![name][slot] = value;
  bag!['items'].set(slot, [
    { what: 513, count: 7, owner: 2 ** 32 + 9, weight: 0.5 },
    { what: 1, count: 255, owner: 0, weight: -2 },
  ]);
  bag!['friend'][slot] = 2 ** 53 - 1;
}

export const encodeSlot = (store: SmallStore, slot: number, compressBytesMin = Infinity): Uint8Array => {
  const encoder = new RecordEncoder(store, { compressBytesMin });
  const target = new Uint8Array(encoder.sizeBytes(slot));
  return target.slice(0, encoder.encode(slot, target));
};

export const golden = (name: string): Uint8Array => {
  const hex = readFileSync(new URL(`golden/${name}`, import.meta.url), 'utf8').replaceAll(/\s/g, '');
  return Uint8Array.from(Buffer.from(hex, 'hex'));
};

/** Changes a record and repairs its checksum. */
export function forged(record: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = record.slice();
  const view = new DataView(copy.buffer);
  change(view);
  view.setUint32(copy.length - 4, crc32c(copy, 0, copy.length - 4), true);
  return copy;
}

export function throwsCode(
  t: ExecutionContext,
  { code, message = /./ }: { code: RecordErrorCode; message?: RegExp | undefined },
  run: () => unknown,
): void {
  const error = t.throws(run, { instanceOf: RecordError });
  t.is(error?.code, code, error?.message);
  t.regex(error?.message ?? '', message);
}

/** Half of the mutants get a right checksum, else nothing behind it would be tried. */
export function fuzzRecords(
  t: ExecutionContext,
  { rounds, seed }: { rounds: number; seed: number },
): { accepted: number; refused: number } {
  const store = makeColumns(GOLDEN_SCHEMA);
  fillGolden(store, 0);
  const samples = [encodeSlot(store, 0), golden('format-1-player-compressed.hex')];
  const registry = new SchemaRegistry(GOLDEN_SCHEMA);
  const random = new Random(seed);
  const counts = { accepted: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const mutant = mutate(samples[round & 1]!, random);
    try {
      applyRecord(store.columns, 1, decodeRecord(mutant, registry));
      counts.accepted++;
    } catch (error) {
      if (!(error instanceof RecordError)) {
        t.fail(`${String(error)} for ${Buffer.from(mutant).toString('hex')}`);
        return counts;
      }
      counts.refused++;
    }
  }
  t.pass();
  return counts;
}

function mutate(sample: Uint8Array, random: Random): Uint8Array {
  let bytes = sample.slice();
  for (let change = random.below(4); change >= 0; change--) {
    const at = random.below(bytes.length);
    const action = random.below(8);
    if (action < 4) bytes[at] = random.below(256);
    else if (action < 6) bytes[at]! ^= 1 << random.below(8);
    else if (action === 6) bytes = bytes.slice(0, at + 1);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length))]);
  }
  if (bytes.length < 48 || random.below(4) === 0) return bytes;
  return forged(Uint8Array.from(bytes), (view) => {
    if (random.below(4) > 0) view.setUint32(40, bytes.length - 48, true);
  });
}
