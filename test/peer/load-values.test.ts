import test from 'ava';
import * as fc from 'fast-check';
import { DirectoryError } from '../../src/peer/directory-error.ts';
import { LOAD_BLOCKS_MAX, LOAD_TEXT_MAX, loadText, readLoadText } from '../../src/peer/load-values.core.ts';
import type { NodeLoad } from '../../src/peer/load-values.core.ts';
import { nodeLoad } from './directory-fixture.ts';

const count = fc.nat({ max: 2 ** 31 });
const share = { costUs: count, entities: count, sessions: count };
const anyLoad: fc.Arbitrary<NodeLoad> = fc.record({
  tickP50Us: count,
  tickP99Us: count,
  busyShare: fc.nat({ max: 20_000 }).map((parts) => parts / 10_000),
  entities: count,
  entitiesMax: count,
  sessions: count,
  sessionsMax: count,
  gatewayBytesPerSecond: count,
  snapshotBytesPerSecond: count,
  shedLevel: fc.nat({ max: 4 }),
  hottestCell: fc.option(fc.record({ cell: count, ...share }), { nil: undefined }),
  blocks: fc.array(fc.record({ block: count, ...share }), { maxLength: LOAD_BLOCKS_MAX }),
  rest: fc.record({ blocks: count, ...share }),
});

test('a load report as text', (t) => {
  t.is(
    loadText(nodeLoad({ tickP99Us: 9300.4, gatewayBytesPerSecond: 120_499.6 })),
    '{"tick":[4100,9300],"busy":0.0825,"entities":700,"sessions":31,"room":[65536,1024],' +
      '"bytes":[120500,98000],"shed":0,' +
      '"cell":[12,900,40,9],"blocks":[[3,2900,400,25]],"rest":[6,1200,300,6]}',
  );
});

test('any load report comes back as it was', (t) => {
  fc.assert(fc.property(anyLoad, (load) => t.deepEqual(readLoadText(loadText(load)), load)));
  t.pass();
});

test('the largest report fits', (t) => {
  const most = { costUs: 2 ** 31, entities: 2 ** 24, sessions: 65_535 };
  const blocks = Array.from({ length: LOAD_BLOCKS_MAX }, (_, index) => ({ block: 2 ** 20 - index, ...most }));
  t.true(loadText(nodeLoad({ blocks })).length < LOAD_TEXT_MAX);
});

test('whatever else the text is, it is refused by a code or read as a load report', (t) => {
  const text = loadText(nodeLoad());
  const broken = fc.record({ at: fc.nat({ max: text.length - 1 }), by: fc.string({ maxLength: 3 }) });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        broken.map(({ at, by }) => text.slice(0, at) + by + text.slice(at + 1)),
      ),
      (given) => {
        try {
          loadText(readLoadText(given));
        } catch (error) {
          if (!(error instanceof DirectoryError) || error.code !== 'ERR_DIRECTORY_VALUE') throw error;
        }
      },
    ),
    { numRuns: 2000 },
  );
  t.throws(() => readLoadText('x'.repeat(LOAD_TEXT_MAX + 1)), { code: 'ERR_DIRECTORY_VALUE' });
  t.throws(() => readLoadText('null'), { code: 'ERR_DIRECTORY_VALUE' });
});
