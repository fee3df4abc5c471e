import test from 'ava';
import { fuzzConfigs } from '../main/config/config-fuzz.ts';

test('100,000 random configurations are accepted or refused with a ConfigError', (t) => {
  const { valid, refused } = fuzzConfigs({ count: 100_000, seed: 42 });
  t.is(valid + refused, 100_000);
  t.log(`${valid} valid, ${refused} refused`);
});
