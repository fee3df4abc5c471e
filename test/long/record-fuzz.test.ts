import test from 'ava';
import { fuzzRecords } from '../memory/record-fixture.ts';

test('fuzz: 1,000,000 mutated records give a record or a typed error', (t) => {
  t.timeout(600_000);
  const counts = fuzzRecords(t, { rounds: 1_000_000, seed: 12 });
  t.is(counts.accepted + counts.refused, 1_000_000);
});
