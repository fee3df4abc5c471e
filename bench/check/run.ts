/**
 * `npm run bench:check`: what clients are sent, and how fast the parts are beside their limits, against what both were when the baselines
 * were written. Ends with 1 when anything grew by more than a fifth. docs/BENCHES.md says how it tells noise from a loss.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { GROWTH_MAX } from '../payload/baseline.core.ts';
import { checkPayload } from '../payload/check.ts';
import type { PayloadResult } from '../payload/check.ts';
import { hardware } from '../peers/report.ts';
import { CHECKS } from './checks.ts';
import type { Check } from './checks.ts';
import { measureCheck } from './measure-check.ts';
import type { Effort } from './measure-check.ts';
import { judge } from './verdict.core.ts';
import type { Judged, RatioBaseline } from './verdict.core.ts';

const BASELINE = new URL('baseline.json', import.meta.url);
const PAYLOAD = 'payload';
/** What is too much at first is measured again: so often in all. */
const ATTEMPTS_MAX = 4;
const EFFORT: Effort = { processes: 3, seconds: 1, peersSeconds: 3 };
const DIGITS = 4;
/** Processes that want a core, for each core. */
const BUSY_FACTOR = 4;

const HELP = `npm run bench:check -- [options]

Bytes of snapshots, and ratios of the parts to their limits, against the baselines in bench/. At most ${percent(GROWTH_MAX).trim()} more is allowed;
a ratio that is more is measured again, up to ${ATTEMPTS_MAX} times in all, and fails when it was more each time.

  --only NAME[,NAME]   these alone: ${[PAYLOAD, ...CHECKS.map(({ name }) => name)].join(', ')}
  --update             write the baselines anew (with --only: of these alone)
  --json               one JSON object instead of tables
  --help

Exit codes: 0 nothing grew too much, 1 something did or could not be measured, 2 wrong usage.`;

class UsageError extends Error {}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      update: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const only = namesOf(values.only);
  const startMs = performance.now();
  const say = (text: string): void => {
    if (!values.json) console.log(text);
  };
  const isWanted = (name: string): boolean => only === undefined || only.includes(name);
  const payload = isWanted(PAYLOAD) ? checkPayload({ update: values.update, say }) : undefined;
  const checks = CHECKS.filter(({ name }) => isWanted(name));
  const ratios = await checkRatios(checks, { update: values.update, say });
  const failures = [...(payload?.failures ?? []), ...ratios.failures];
  const seconds = (performance.now() - startMs) / 1000;
  if (values.json) console.log(jsonText({ payload, ratios: ratios.judged, failures, seconds }));
  for (const text of failures) console.error(`bench:check: ${text}`);
  if (failures.length > 0) console.error(busyText());
  const count = checks.length + (payload === undefined ? 0 : payload.compared.length);
  if (failures.length === 0)
    say(`\nNothing grew by more than${percent(GROWTH_MAX)}: ${count} figures in ${seconds.toFixed(0)} s.`);
  return failures.length === 0 ? 0 : 1;
}

function namesOf(text: string | undefined): readonly string[] | undefined {
  const names = text?.split(',').map((name) => name.trim());
  const known = [PAYLOAD, ...CHECKS.map(({ name }) => name)];
  for (const name of names ?? []) {
    if (!known.includes(name)) throw new UsageError(`no check "${name}"; there are ${known.join(', ')}`);
  }
  return names;
}

interface Options {
  readonly update: boolean;
  readonly say: (text: string) => void;
}

async function checkRatios(
  checks: readonly Check[],
  { update, say }: Options,
): Promise<{ readonly judged: readonly Judged[]; readonly failures: readonly string[] }> {
  const baseline = readBaseline();
  const written: Record<string, number> = { ...baseline.ratios };
  const judged: Judged[] = [];
  const failures: string[] = [];
  if (checks.length > 0) say(headText(baseline, update));
  for (const [index, check] of checks.entries()) {
    progress(`${index + 1} of ${checks.length}: ${check.name} …`);
    try {
      if (update) written[check.name] = Number((await lowestOf(check)).toPrecision(DIGITS));
      const attempts = update
        ? [written[check.name] ?? Number.NaN]
        : await attemptsAt(check, baseline.ratios[check.name], say);
      const result = judge(check, attempts, update ? written[check.name] : baseline.ratios[check.name]);
      judged.push(result);
      progress('');
      say(ratioText(result));
      failures.push(...failureOf(result));
    } catch (error) {
      failures.push(`"${check.name}" could not be measured: ${(error as Error).message}`);
    }
  }
  progress('');
  if (update && checks.length > 0) writeBaseline({ machine: machineText(), ratios: written });
  return { judged, failures };
}

/** Medians, until one is not too much. */
async function attemptsAt(check: Check, baseline: number | undefined, say: Options['say']): Promise<number[]> {
  const attempts: number[] = [];
  while (attempts.length < ATTEMPTS_MAX) {
    attempts.push(await measureCheck(check, EFFORT));
    const { verdict, growth } = judge(check, attempts.slice(-1), baseline);
    if (verdict !== 'worse') break;
    progress('');
    const again = attempts.length < ATTEMPTS_MAX ? ', measured again' : '';
    say(`  ${check.name.padEnd(20)}${percent(growth).trim()} in attempt ${attempts.length} of ${ATTEMPTS_MAX}${again}`);
  }
  return attempts;
}

/** As a check that is measured as often as can be would find it: a baseline from a busy moment would let a loss pass. */
async function lowestOf(check: Check): Promise<number> {
  let lowest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) lowest = Math.min(lowest, await measureCheck(check, EFFORT));
  return lowest;
}

/** In the order of the list, whatever the file had. */
function writeBaseline({ machine, ratios }: RatioBaseline): void {
  const ordered = CHECKS.flatMap(({ name }) => (ratios[name] === undefined ? [] : [[name, ratios[name]] as const]));
  writeFileSync(BASELINE, `${JSON.stringify({ machine, ratios: Object.fromEntries(ordered) }, null, 2)}\n`);
}

function readBaseline(): RatioBaseline {
  return JSON.parse(readFileSync(BASELINE, 'utf8')) as RatioBaseline;
}

function machineText(): string {
  const { cpu, cores, memoryGiB, node } = hardware();
  return `${cpu} · ${cores} cores · ${memoryGiB} GiB · Node ${node}`;
}

function headText({ machine }: RatioBaseline, update: boolean): string {
  const here = machineText();
  const lines = ['', `Ratios to a limit of the same run; ${here}`];
  if (here !== machine && !update)
    lines.push(`The baseline is of another machine (${machine}): judge with care, or write one for this.`);
  return lines.join('\n');
}

function ratioText({ name, about, ratio, attempts, baseline, growth, verdict }: Judged): string {
  const figures = `${digits(ratio).padStart(9)}  baseline ${digits(baseline ?? Number.NaN).padStart(8)}  ${percent(growth)}`;
  const tries = attempts.length === 1 ? '' : `, ${attempts.length} attempts`;
  return `  ${name.padEnd(20)}${figures}  ${`${VERDICT_WORDS[verdict]}${tries}`.padEnd(8)}  ${about}`;
}

const VERDICT_WORDS = {
  same: 'ok',
  better: 'ok, better: --update',
  worse: 'TOO MUCH',
  unknown: 'NO BASELINE',
} as const;

function failureOf({ name, ratio, attempts, baseline, growth, verdict }: Judged): string[] {
  if (verdict === 'unknown') return [`"${name}" has no baseline: --update --only ${name}`];
  if (verdict !== 'worse' || baseline === undefined) return [];
  const [most, allowed] = [percent(growth), percent(GROWTH_MAX)].map((text) => text.trim());
  const all = attempts.map(digits).join(', ');
  return [
    `"${name}" is at ${digits(ratio)} at best (${all}), ${most} over the baseline ${digits(baseline)}; at most ${allowed} is allowed`,
  ];
}

function jsonText(result: {
  readonly payload: PayloadResult | undefined;
  readonly ratios: readonly Judged[];
  readonly failures: readonly string[];
  readonly seconds: number;
}): string {
  const { payload, ratios, failures, seconds } = result;
  return JSON.stringify({ machine: hardware(), seconds, payload: payload?.compared ?? [], ratios, failures });
}

/** So that nobody hunts for a loss that the machine made: caches that others empty all the time cannot be measured away. */
function busyText(): string {
  const [wanting = 0] = loadavg();
  const cores = availableParallelism();
  const doubt = wanting > BUSY_FACTOR * cores ? ': too busy to be sure of a ratio; check again when it is not' : '';
  return `bench:check: ${wanting.toFixed(1)} processes wanted a core in the last minute, there are ${cores}${doubt}`;
}

/** As many digits as a ratio of any size needs to show a per cent. */
function digits(ratio: number): string {
  return Number.isNaN(ratio) ? '–' : ratio.toPrecision(3);
}

function percent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`.padStart(9);
}

/** One line that is written over, on a terminal only. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`bench:check: ${(error as Error).message}`);
  process.exitCode = isUsage === true ? 2 : 1;
}
