/** Runs a command of this repository to its end and gives what it printed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Of what a process wrote before it failed, its end. */
const ERROR_CHARACTERS_MAX = 600;

export interface ChildOutput {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** @param args of Node: a file, and what it takes. */
export async function runChild(args: readonly string[]): Promise<ChildOutput> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: string[] = [];
  const errors: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: output.join(''), errors: errors.join('') };
}

/** The JSON of its last line. @throws Error with what it wrote when it ends with none of `codes`. */
export async function jsonOf<Value>(args: readonly string[], codes: readonly number[] = [0]): Promise<Value> {
  const { code, output, errors } = await runChild(args);
  const last = output.trim().split('\n').at(-1) ?? '';
  if (code === null || !codes.includes(code) || last === '') {
    throw new Error(`node ${args.join(' ')} ended with ${code}: ${errors.trim().slice(-ERROR_CHARACTERS_MAX)}`);
  }
  return JSON.parse(last) as Value;
}
