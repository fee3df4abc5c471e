/** Which records a node takes, and what becomes of those that it does not. */
import test from 'ava';
import { u16, u8 } from '../../src/base/fields.ts';
import type { Schema } from '../../src/base/schema.ts';
import { RecordEncoder } from '../../src/memory/record.ts';
import type { SchemaEntry } from '../../src/peer/directory.ts';
import { describe } from '../../src/peer/handover.core.ts';
import type { WiredMessage } from '../../src/peer/peer-message.wire.ts';
import type { CommitItem } from '../../src/peer/protocol.ts';
import { RecordReader } from '../../src/peer/record-reader.ts';
import { fillSlot, makeColumns, schemaOf } from '../memory/fixture.ts';
import { NOBODY, TestCluster } from './handover-cluster.ts';

const OWN = schemaOf({ body: { hp: u8() } });
const NEXT = schemaOf({ body: { hp: u8(), mass: u16() } }, { version: 2 });
const FAR = schemaOf({ body: { hp: u16() } }, { version: 3 });

function recordOf(schema: Schema): Uint8Array {
  const store = makeColumns(schema);
  fillSlot(store, 0, { kind: 0, draw: () => 1 });
  const encoder = new RecordEncoder(store);
  const bytes = new Uint8Array(encoder.sizeBytes(0));
  return bytes.subarray(0, encoder.encode(0, bytes));
}

function entryOf(schema: Schema): SchemaEntry {
  return { hash: schema.hash, version: schema.version, text: JSON.stringify(schema) };
}

function commitOf(records: readonly Uint8Array[]): WiredMessage {
  const items = records.map((record, index): CommitItem => {
    const id = (11 + index) as never;
    return { transferSeq: index + 1, id, seq: 2, targetCell: 35, passenger: NOBODY, pendingInputs: [], record };
  });
  return { kind: 'commit', ledger: '00'.repeat(16), tick: 7, lowWatermark: 0, items };
}

function makeReader() {
  const told: string[] = [];
  const problems: string[] = [];
  const reader = new RecordReader(OWN, {
    onSchema: (text) => told.push(text),
    onProblem: ({ message }) => problems.push(message),
  });
  const verdicts = (...records: Uint8Array[]) => {
    const checked = reader.checked(commitOf(records));
    return checked.kind === 'commit' ? checked.items.map(({ unreadable }) => unreadable) : [];
  };
  return { reader, told, problems, verdicts };
}

test('a schema is read once the directory tells of it, and the simulation is told first', (t) => {
  const { reader, told, problems, verdicts } = makeReader();
  const damaged = recordOf(OWN);
  damaged[damaged.length - 1]! ^= 1;
  const records = [recordOf(OWN), recordOf(NEXT), recordOf(FAR), damaged];
  t.deepEqual(verdicts(...records), [undefined, 'schema', 'schema', 'corrupt']);
  reader.learn([entryOf(OWN), entryOf(NEXT), entryOf(FAR)]);
  t.deepEqual(verdicts(...records), [undefined, undefined, 'schema', 'corrupt']);
  reader.learn([entryOf(NEXT)]);
  t.deepEqual(told, [JSON.stringify(NEXT)]);
  t.deepEqual(problems, []);
});

test('a schema in the directory that is none is told of, and the others are learnt', (t) => {
  const { reader, problems, verdicts } = makeReader();
  reader.learn([{ hash: 5, version: 2, text: '{"no": "schema"}' }, entryOf(NEXT)]);
  t.is(problems.length, 1);
  t.deepEqual(verdicts(recordOf(NEXT)), [undefined]);
});

for (const reason of ['schema', 'corrupt'] as const) {
  test(`a record refused as ${reason} is its source's again, with a seq that no other owner had`, (t) => {
    const cluster = new TestCluster(2);
    const [source, target] = [cluster.at(1), cluster.at(2)];
    cluster.birth(source, [11, 12]);
    cluster.fsync(source);
    cluster.release(source, target, [11, 12]);
    cluster.fsync(source);
    const commit = cluster.wires.find(({ message }) => message.kind === 'commit');
    cluster.wires = [];
    if (commit?.message.kind !== 'commit') return t.fail('a COMMIT');
    // As the reader hands it on: one of the two cannot be read.
    const items = commit.message.items.map((item) => (Number(item.id) === 11 ? { ...item, unreadable: reason } : item));
    cluster.hand({ ...commit, message: { ...commit.message, items } });
    cluster.run(1_000);
    t.true(cluster.transcript.some((line) => line.startsWith('1 stage source rejected 11')));
    t.deepEqual([cluster.ownersOf(11), cluster.ownersOf(12)], [[1], [2]]);
    t.is(source.state.owned.get(11 as never), 3);
    t.is(describe(source.state).outbox.released, 0);
    t.deepEqual(cluster.leftovers(), []);
    t.is(cluster.doubles, 0);
  });
}
