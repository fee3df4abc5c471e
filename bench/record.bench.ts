/** The record codec against copying as many bytes. */
import { crc32c } from '../src/base/crc32c.ts';
import { RecordEncoder, SchemaRegistry, applyRecord, decodeRecord } from '../src/memory/record.ts';
import type { Suite } from './measure.ts';
import { openStore } from './store.ts';

const ENTITIES = 500;

export const recordSuite: Suite = {
  name: 'record',
  async run({ report }) {
    const store = openStore(ENTITIES, { size: 4096 });
    const encoder = new RecordEncoder(store);
    const compressing = new RecordEncoder(store, { compressBytesMin: 1 });
    const registry = new SchemaRegistry(store.schema);
    const target = new Uint8Array(4096);
    const records = Array.from({ length: ENTITIES }, (_, slot) => target.slice(0, encoder.encode(slot, target)));
    const compressed = Array.from({ length: ENTITIES }, (_, slot) => target.slice(0, compressing.encode(slot, target)));
    const decoded = records.map((record) => decodeRecord(record, registry));
    const each = (run: (slot: number) => void) => () => {
      for (let slot = 0; slot < ENTITIES; slot++) run(slot);
    };
    const operations = ENTITIES;
    await report({
      title: `record: ${records[0]!.length} bytes, ${compressed[0]!.length} compressed`,
      unit: 'entity',
      cases: [
        { name: 'memcpy of the record', operations, isLimit: true, run: each((slot) => target.set(records[slot]!)) },
        { name: 'CRC-32C of the record', operations, run: each((slot) => void crc32c(records[slot]!)) },
        { name: 'encode', operations, run: each((slot) => void encoder.encode(slot, target)) },
        { name: 'decode and check', operations, run: each((slot) => void decodeRecord(records[slot]!, registry)) },
        {
          name: 'apply to the columns',
          operations,
          run: each((slot) => applyRecord(store.columns, slot, decoded[slot]!)),
        },
        { name: 'encode and compress', operations, run: each((slot) => void compressing.encode(slot, target)) },
        {
          name: 'inflate, decode and check',
          operations,
          run: each((slot) => void decodeRecord(compressed[slot]!, registry)),
        },
      ],
    });
  },
};
