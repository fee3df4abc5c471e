import test from 'ava';
import { fuzzBatches, fuzzFiles, fuzzImages } from '../peer/journal-fuzz.ts';

test('fuzz: 200,000 damaged journals, and as many batches, give sound rows or typed errors', (t) => {
  t.timeout(1_100_000);
  const images = fuzzImages(t, { rounds: 198_000, seed: 21 });
  t.log(`images in memory: ${JSON.stringify(images)}`);
  const files = fuzzFiles(t, { rounds: 2000, seed: 22 });
  t.log(`files and their WAL: ${JSON.stringify(files)}`);
  const batches = fuzzBatches(t, { rounds: 200_000, seed: 23 });
  t.log(`batches: ${JSON.stringify(batches)}`);
  t.is(images.sound + images.putAside + images.refused, 198_000);
});
