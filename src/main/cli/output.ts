/** How the command line talks to people and to machines: results on stdout, everything else on stderr. */
import { styleText } from 'node:util';
import { WorldmeshError } from '../../base/errors.ts';
import { ConfigError } from '../config/config-error.ts';
import { userFrames } from '../user-frames.ts';

export const EXIT_CODE = { ok: 0, failure: 1, usage: 2 } as const;

type Style = Parameters<typeof styleText>[0];

/** Colours only where a terminal shows them, and not with NO_COLOR. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** A section of a command's help. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One readable block for an expected failure; a stack only for what must be a bug. */
export function printError(error: unknown): void {
  process.stderr.write(`${errorBlock(error)}\n`);
}

export function errorBlock(error: unknown): string {
  const head = styled(['bold', 'red'], 'worldmesh:', process.stderr);
  if (error instanceof WorldmeshError) {
    const code = styled('dim', `[${error.code}]`, process.stderr);
    return `${head} ${indented(error.message)} ${code}`;
  }
  if (error instanceof Error && EXPECTED_NAMES.has(error.name)) {
    return `${head} ${indented(error.message)}\n${userFrames(error.stack ?? '')
      .split('\n')
      .slice(1)
      .join('\n')}`.trimEnd();
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${head} unexpected error; this is a bug in worldmesh, please report it with the lines below\n${stack}`;
}

export function exitCodeOf(error: unknown): number {
  const isUsage = error instanceof ConfigError || (error instanceof WorldmeshError && USAGE_CODES.has(error.code));
  return isUsage ? EXIT_CODE.usage : EXIT_CODE.failure;
}

/** Of an argument that cannot be meant, whatever there is to work on. */
const USAGE_CODES: ReadonlySet<string> = new Set(['ERR_KEYS_NAME', 'ERR_AUDIT_ID', 'ERR_NODE_PARAM']);

/** Expected failures that came from another thread: they keep their name and message, but not their class. */
const EXPECTED_NAMES: ReadonlySet<string> = new Set(['SystemError', 'CapacityError', 'ModuleError']);

/**
 * A line that is written over and over while long work goes on; on a terminal only, and never in the way of output.
 */
export class Progress implements Disposable {
  readonly #isShown: boolean;
  #lastMs = 0;

  constructor() {
    this.#isShown = process.stderr.isTTY;
  }

  show(text: string): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#lastMs < REFRESH_MS) return;
    this.#lastMs = nowMs;
    process.stderr.write(`\r\u001B[K${text}`);
  }

  [Symbol.dispose](): void {
    if (this.#isShown && this.#lastMs > 0) process.stderr.write('\r\u001B[K');
  }
}

const REFRESH_MS = 100;

function indented(message: string): string {
  return message.replaceAll('\n', '\n  ');
}
