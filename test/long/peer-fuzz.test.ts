/** A million frames and more from hostile peers against a live link: typed errors, no crash, memory flat. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { fuzzLink } from '../peer/link-fuzz.ts';

const SEED = 3;
const FRAMES = 1_000_000;
const GROWTH_MIB_MAX = 24;

test('a million hostile frames', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const memoryMiB = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 2 ** 20;
  };
  await fuzzLink(new Random(SEED), 50_000);
  const beforeMiB = memoryMiB();
  const report = await fuzzLink(new Random(SEED + 1), FRAMES);
  const growthMiB = memoryMiB() - beforeMiB;
  const codes = [...report.codes].sort(([, left], [, right]) => right - left);
  t.log(`${report.frames} frames over ${report.connections} connections, ${report.messages} messages taken`);
  t.log(
    `${growthMiB.toFixed(1)} MiB more than before; links ended by ${codes.map(([code, count]) => `${code} ${count}`).join(', ')}`,
  );
  t.true(report.frames >= FRAMES);
  t.is(report.disturbances, 0);
  t.true(growthMiB < GROWTH_MIB_MAX);
});
