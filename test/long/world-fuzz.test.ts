import test from 'ava';
import { fuzzWorlds } from '../base/world-fuzz.ts';

test('fuzz: 100,000 random modules give a schema or a ModuleError that names the field', (t) => {
  t.timeout(600_000);
  const counts = fuzzWorlds(t, { rounds: 100_000, seed: 2, accept: () => {} });
  t.is(counts.accepted + counts.refused, 100_000);
});
