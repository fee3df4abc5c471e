import test from 'ava';
import { fuzzConfigs } from './config-fuzz.ts';

test('5,000 random configurations are accepted or refused with a ConfigError', (t) => {
  const { valid, refused } = fuzzConfigs({ count: 5000, seed: 7 });
  t.true(valid > 500 && refused > 500, `${valid} valid, ${refused} refused`);
});
