/** `node ratio-process.ts NAME SECONDS`: one check in a process of its own, so that no other has warmed or worn it; prints a line of JSON. */
import type { Group, Result } from '../measure.ts';
import { CHECKS } from './checks.ts';
import type { SuiteCheck } from './checks.ts';
import { measurePair } from './pair.ts';
import type { PairRatio } from './pair.ts';

async function measureCheck(check: SuiteCheck, seconds: number): Promise<PairRatio> {
  let measured: PairRatio | undefined;
  const report = async ({ title, cases }: Group): Promise<readonly Result[]> => {
    if (!title.startsWith(check.title)) return [];
    const [subject, limit] = [check.subject, check.limit].map((name) => cases.find((one) => one.name === name));
    if (subject === undefined || limit === undefined) {
      throw new Error(`"${title}" has not both "${check.subject}" and "${check.limit}"`);
    }
    measured = await measurePair({ subject, limit, clock: check.clock, seconds });
    return [];
  };
  await check.suite.run({ quick: true, sizes: check.sizes, report });
  if (measured === undefined) throw new Error(`the suite "${check.suite.name}" has no group "${check.title}"`);
  return measured;
}

const [name, seconds] = process.argv.slice(2);
const check = CHECKS.find((known) => known.name === name);
if (check?.kind !== 'suite') throw new Error(`no check "${name}"`);
const measured = await measureCheck(check, Number(seconds));
process.stdout.write(`${JSON.stringify(measured)}\n`);
process.exit(0);
