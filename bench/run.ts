/**
 * `npm run bench [-- suite … --quick]`: runs all suites or the named ones. Absolute figures move with the machine and
 * the day; judge by the ratios, whose both sides are measured in the same run.
 */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { handoverSuite } from './handover.bench.ts';
import { heapSuite } from './heap.bench.ts';
import { interestSuite } from './interest.bench.ts';
import { journalSuite } from './journal.bench.ts';
import { kernelSuite } from './kernel.bench.ts';
import { linkSuite } from './link.bench.ts';
import { measure } from './measure.ts';
import type { Group, Result, Suite } from './measure.ts';
import { recordSuite } from './record.bench.ts';
import { ringSuite } from './ring.bench.ts';
import { tickSuite } from './tick.bench.ts';

const SUITES: readonly Suite[] = [
  kernelSuite,
  tickSuite,
  interestSuite,
  handoverSuite,
  recordSuite,
  ringSuite,
  heapSuite,
  journalSuite,
  linkSuite,
];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true });
  const quick = values.quick === true;
  const unknown = positionals.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    console.error(`bench: no suite "${unknown.join('", "')}"; there are ${SUITES.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const [cpu] = cpus();
  const memoryGiB = (totalmem() / 2 ** 30).toFixed(0);
  console.log(
    `${cpu?.model ?? 'unknown processor'} · ${availableParallelism()} cores · ${memoryGiB} GiB · Node ${process.version}`,
  );
  console.log(
    `ns per operation: median (best) and the ratio of medians to the limit${quick ? ' · quick: figures mean nothing' : ''}`,
  );
  const report = async (group: Group): Promise<readonly Result[]> => {
    const results = await measure(group, { quick });
    print(group, results);
    return results;
  };
  for (const suite of SUITES) {
    if (positionals.length === 0 || positionals.includes(suite.name)) await suite.run({ quick, report });
  }
  return 0;
}

function print({ title, unit }: Group, results: readonly Result[]): void {
  console.log(`\n${title}, per ${unit}`);
  for (const { name, medianNs, bestNs, ratio, isLimit } of results) {
    const figures = `${format(medianNs).padStart(10)} ns  (${format(bestNs)})`.padEnd(30);
    console.log(`  ${name.padEnd(44)}${figures}${isLimit ? 'limit' : `${ratio.toFixed(2)}×`}`);
  }
}

function format(ns: number): string {
  return ns >= 100 ? Math.round(ns).toLocaleString('en') : ns.toFixed(ns < 10 ? 2 : 1);
}

process.exitCode = await main();
