/**
 * What commands that run for minutes have in common: flags with bounds, `--help`, `--seed`, `--json`, progress with its time on standard error,
 * an end on a signal, and exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage.
 */
import { parseArgs } from 'node:util';

export interface LongRun {
  readonly seed: number;
  readonly onProgress: (text: string) => void;
  /** The first signal ends the run, and what is there is still judged and cleaned up; the second one ends all. */
  readonly signal: AbortSignal;
}

export interface Flag<Value> {
  readonly about: string;
  /** As typed; undefined: it may be left out. */
  readonly by: string | undefined;
  /** What stands for its value in the usage; undefined: it has none. */
  readonly shown: string | undefined;
  /** What it has to be, for people. */
  readonly expected: string;
  /** Undefined when it is none. */
  readonly read: (text: string) => Value | undefined;
}

type Flags = Readonly<Record<string, Flag<unknown>>>;
type Values<Given extends Flags> = {
  readonly [Name in keyof Given]: Given[Name] extends Flag<infer Value> ? Value : never;
};

export interface LongRunCommand<Given extends Flags, Result> {
  /** Of the script in package.json. */
  readonly name: string;
  readonly about: string;
  readonly flags: Given;
  run(values: Values<Given>, run: LongRun): Promise<Result>;
  text(result: Result): string;
}

const SEED_END = 2 ** 32;
const ABOUT_COLUMN = 24;
const LINE_COLUMNS = 130;

class UsageError extends Error {}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly isWhole?: boolean;
}

/** Without `by` it may be left out. */
export function number(about: string, bounds: Bounds & { readonly by: number }): Flag<number>;
export function number(about: string, bounds: Bounds): Flag<number | undefined>;
export function number(about: string, { by, min, max, isWhole = false }: Bounds & { by?: number }): Flag<number> {
  return {
    about,
    by: by === undefined ? undefined : String(by),
    shown: by === undefined ? 'N' : String(by),
    expected: `a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}`,
    read: (text) => {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      return value >= min && value <= max && (!isWhole || Number.isInteger(value)) ? value : undefined;
    },
  };
}

export function whole(about: string, bounds: Bounds & { readonly by: number }): Flag<number> {
  return number(about, { ...bounds, isWhole: true });
}

export function oneOf<Value extends string>(
  about: string,
  { of, by }: { of: readonly Value[]; by: NoInfer<Value> },
): Flag<Value> {
  const expected = of.join(', ');
  return {
    about: `${about}: ${expected}`,
    by,
    shown: by,
    expected: `one of ${expected}`,
    read: (text) => of.find((known) => known === text),
  };
}

/** Some of them, with commas between; all without. */
export function someOf<Value extends string>(about: string, of: readonly Value[]): Flag<readonly Value[]> {
  const expected = of.join(', ');
  return {
    about: `${about}, with commas between: ${expected}`,
    by: of.join(','),
    shown: 'NAMES',
    expected: `some of ${expected}`,
    read: (text) => {
      const found = text.split(',').flatMap((part) => of.find((known) => known === part.trim()) ?? []);
      return found.length === text.split(',').length ? found : undefined;
    },
  };
}

export function file(about: string): Flag<string | undefined> {
  return { about, by: undefined, shown: 'FILE', expected: 'a file', read: (text) => (text === '' ? undefined : text) };
}

export function folder(about: string, { by }: { by: string }): Flag<string> {
  return { about, by, shown: by, expected: 'a folder', read: (text) => (text === '' ? undefined : text) };
}

export function toggle(about: string): Flag<boolean> {
  return { about, by: undefined, shown: undefined, expected: 'no value', read: () => true };
}

const COMMON = {
  seed: number('of all that is random: the same seed does the same', { min: 0, max: SEED_END - 1, isWhole: true }),
  json: toggle('print the result as one JSON object'),
  help: toggle('show this'),
} as const;

/** Runs the command by the flags of this process, prints what came of it, and sets the exit code. */
export async function longRunCommand<Given extends Flags, Result extends { readonly wrong: readonly string[] }>(
  command: LongRunCommand<Given, Result>,
): Promise<void> {
  try {
    const { seed, json, help, ...values } = readFlags({ ...command.flags, ...COMMON });
    if (help === true) return void process.stdout.write(usageOf(command));
    const result = await command.run(values as Values<Given>, startLongRun(seed as number | undefined));
    process.stdout.write(json === true ? `${jsonText(result)}\n` : command.text(result));
    process.exitCode = result.wrong.length === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${command.name}: ${error.message}\n\n${usageOf(command)}`);
    process.exitCode = 2;
  }
}

/** @throws UsageError */
function readFlags(flags: Flags): Record<string, unknown> {
  const names = Object.keys(flags);
  const options = Object.fromEntries(
    names.map((name) => [name, { type: flags[name]!.shown === undefined ? 'boolean' : 'string' } as const]),
  );
  let given: Record<string, string | boolean | undefined>;
  try {
    given = parseArgs({ options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  return Object.fromEntries(names.map((name) => [name, valueOf(name, { flag: flags[name]!, given: given[name] })]));
}

function valueOf(name: string, { flag, given }: { flag: Flag<unknown>; given: string | boolean | undefined }): unknown {
  if (flag.shown === undefined) return given === true;
  const text = typeof given === 'string' ? given : flag.by;
  if (text === undefined) return undefined;
  const value = flag.read(text);
  if (value === undefined) throw new UsageError(`--${name} is ${flag.expected}, not "${text}"`);
  return value;
}

function usageOf({ name, about, flags }: Pick<LongRunCommand<Flags, unknown>, 'name' | 'about' | 'flags'>): string {
  const lines = Object.entries({ ...flags, ...COMMON }).map(([flag, { shown, about: meaning }]) => {
    const typed = `--${flag}${shown === undefined ? '' : ` ${shown}`}`;
    return `  ${typed.padEnd(ABOUT_COLUMN)}  ${meaning}`;
  });
  return `npm run ${name} -- [flags]\n\n${wrapped(about)}\n\n${lines.join('\n')}\n`;
}

function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    if (lines.at(-1)!.length + word.length >= LINE_COLUMNS) lines.push('');
    lines.push(`${lines.pop()!} ${word}`.trimStart());
  }
  return lines.join('\n');
}

function jsonText(result: unknown): string {
  return JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** @param seed undefined: a random one. Tells it, for the next time. */
export function startLongRun(seed: number = Math.floor(Math.random() * 2 ** 31)): LongRun {
  const startMs = performance.now();
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  process.stderr.write(`seed ${seed}\n`);
  const onProgress = (text: string): void => {
    process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
  };
  return { seed, onProgress, signal: stop.signal };
}
