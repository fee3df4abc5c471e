import test from 'ava';
import { fuzzBatches, fuzzFiles, fuzzImages } from './journal-fuzz.ts';

/** A slice of test/long/journal-fuzz.test.ts. */
test('fuzz: damaged journals and batches give sound rows or typed errors', (t) => {
  const images = fuzzImages(t, { rounds: 2000, seed: 1 });
  const files = fuzzFiles(t, { rounds: 30, seed: 2 });
  const batches = fuzzBatches(t, { rounds: 2000, seed: 3 });
  t.true(images.refused > 100 && images.putAside > 20 && images.sound > 100);
  t.is(files.sound + files.putAside + files.refused, 30);
  t.true(batches.refused > 100 && batches.sound > 100);
  t.log(JSON.stringify({ images, files, batches }));
});
