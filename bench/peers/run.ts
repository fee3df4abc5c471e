/**
 * `npm run peers`: the same people walking in the same world on Worldmesh, on Colyseus, and on bare `ws` that writes frames of
 * our sizes and does nothing else. docs/BENCHES.md says what each figure is.
 *
 * The sides take turns in one run, so that a busy moment of the machine hits all alike; figures are medians of the rounds.
 */
import { parseArgs } from 'node:util';
import type { Side } from './clients-plan.ts';
import { measureRun, medianFigures } from './measure.ts';
import type { Figures, Run } from './measure.ts';
import { goalsText, hardware, headText, tableText } from './report.ts';
import { versions } from './servers.ts';

export interface Options {
  readonly clients: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly sides: readonly Side[];
  readonly inputsHz: number;
  readonly rateHz: number;
  readonly pin: boolean;
  readonly profile: string | undefined;
  readonly json: boolean;
}

const HELP = `npm run peers -- [options]

The same work on Worldmesh, Colyseus and bare ws, side by side.

  --clients 100,300,500,1000   numbers of clients to measure
  --seconds 10                 how long each run is measured, after joining and settling
  --rounds 3                   turns of each side; figures are medians of them
  --sides worldmesh,bare,colyseus
  --inputs-hz 20               inputs a second and client
  --rate-hz 20                 ticks, and snapshots or patches, a second
  --pin                        server on core 0, clients on core 1 (needs taskset)
  --profile FOLDER             write CPU profiles of the servers there, one for each thread
  --json                       one JSON object instead of tables
  --help

Exit codes: 0 measured, 1 a run failed or lost clients, 2 wrong usage.`;

/** The bare server repeats our frames, so ours comes first. */
const SIDES: readonly Side[] = ['worldmesh', 'bare', 'colyseus'];

class UsageError extends Error {}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  if (!options.json) console.log(headText(options, versions()));
  const results: { readonly clients: number; readonly sides: Partial<Record<Side, Figures>> }[] = [];
  let isWhole = true;
  for (const clients of options.clients) {
    const { sides, problems } = await measureSides(clients, options);
    for (const problem of problems) console.error(problem);
    isWhole &&= problems.length === 0;
    results.push({ clients, sides });
    if (!options.json) console.log(tableText(clients, sides));
  }
  if (options.json) console.log(JSON.stringify({ hardware: hardware(), versions: versions(), options, results }));
  else console.log(goalsText(results));
  return isWhole ? 0 : 1;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      clients: { type: 'string', default: '100,300,500,1000' },
      seconds: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '3' },
      sides: { type: 'string', default: SIDES.join() },
      'inputs-hz': { type: 'string', default: '20' },
      'rate-hz': { type: 'string', default: '20' },
      pin: { type: 'boolean', default: false },
      profile: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const sides = values.sides.split(',');
  for (const side of sides) if (!SIDES.some((known) => known === side)) throw new UsageError(`no side "${side}"`);
  return {
    clients: values.clients.split(',').map((text) => number('clients', text, { min: 2, max: 20_000 })),
    seconds: number('seconds', values.seconds, { min: 1, max: 3600 }),
    rounds: number('rounds', values.rounds, { min: 1, max: 100 }),
    sides: SIDES.filter((side) => sides.includes(side)),
    inputsHz: number('inputs-hz', values['inputs-hz'], { min: 1, max: 50 }),
    rateHz: number('rate-hz', values['rate-hz'], { min: 1, max: 100 }),
    pin: values.pin,
    profile: values.profile,
    json: values.json,
  };
}

function number(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${name}: a whole number from ${min} to ${max} expected, got "${text}"`);
}

/** All rounds of one number of clients. */
async function measureSides(
  clients: number,
  options: Options,
): Promise<{ sides: Partial<Record<Side, Figures>>; problems: string[] }> {
  const { seconds, rounds, inputsHz, rateHz, pin, profile } = options;
  const runs = new Map<Side, Figures[]>(options.sides.map((side) => [side, []]));
  const problems: string[] = [];
  let sizes: readonly number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const side of options.sides) {
      progress(`${clients} clients, round ${round} of ${rounds}: ${side} …`);
      try {
        const run: Run = await measureRun({ side, clients, seconds, inputsHz, rateHz, pin, profile, sizes });
        if (side === 'worldmesh') sizes = run.stateBytes;
        runs.get(side)?.push(run.figures);
        problems.push(...problemsOf(side, clients, run));
      } catch (error) {
        // The other runs still say something.
        problems.push(`${side}, ${clients} clients: ${(error as Error).message}`);
      }
    }
  }
  progress('');
  const sides = Object.fromEntries(
    [...runs].flatMap(([side, figures]) => (figures.length === 0 ? [] : [[side, medianFigures(figures)]])),
  );
  return { sides, problems };
}

function problemsOf(side: Side, clients: number, { figures, failures }: Run): string[] {
  const codes = Object.entries(failures).map(([code, count]) => `${code} × ${count}`);
  if (figures.online === clients && codes.length === 0) return [];
  return [`${side}: ${figures.online} of ${clients} clients were online; ${codes.join(', ')}`];
}

/** One line that is written over, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`peers: ${(error as Error).message}`);
  process.exitCode = isUsage === true ? 2 : 1;
}
