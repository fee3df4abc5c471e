/** One log for all nodes: lines with the node's name in its colour on a terminal, JSON lines with a field `node` elsewhere. */
import { styleText } from 'node:util';
import { LEVELS, jsonLineOf } from './log-lines.core.ts';

export interface ClusterLogOptions {
  readonly pretty: boolean;
  /** Names, for the width of the column. */
  readonly nodes: readonly string[];
  readonly write: (text: string) => void;
  /** UTC milliseconds. */
  readonly now: () => number;
  /** Decides about colours. */
  readonly stream: NodeJS.WriteStream;
}

/** Told apart also by people who do not see red and green. */
const COLOURS = ['cyan', 'yellow', 'magenta', 'blue', 'green', 'white'] as const;
const OWN_NAME = 'cluster';

export class ClusterLog {
  readonly #options: ClusterLogOptions;
  readonly #prefixes = new Map<string, string>();
  readonly #ownPrefix: string;

  constructor(options: ClusterLogOptions) {
    this.#options = options;
    const width = Math.max(OWN_NAME.length, ...options.nodes.map((name) => name.length));
    for (const [index, name] of options.nodes.entries()) {
      const colour = COLOURS[index % COLOURS.length] ?? 'white';
      this.#prefixes.set(name, `${styleText(colour, `${name.padEnd(width)} │`, { stream: options.stream })} `);
    }
    this.#ownPrefix = `${styleText('bold', `${OWN_NAME.padEnd(width)} │`, { stream: options.stream })} `;
  }

  /** A line that a node wrote. */
  line(node: string, line: string, { isError }: { readonly isError: boolean }): void {
    const { pretty, write, now } = this.#options;
    if (!pretty) return write(`${jsonLineOf(node, line, { isError, nowMs: now() })}\n`);
    // The empty lines around a node's own banner would only tear the log apart.
    if (line.trim() !== '') write(`${this.#prefixes.get(node) ?? ''}${line}\n`);
  }

  /** A line of the supervisor's own. */
  tell(level: keyof typeof LEVELS, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { pretty, write, now, stream } = this.#options;
    if (!pretty) return write(`${JSON.stringify({ level: LEVELS[level], time: now(), ...fields, msg: message })}\n`);
    const time = styleText('dim', new Date(now()).toTimeString().slice(0, 8), { stream });
    const colour = level === 'error' ? 'red' : 'yellow';
    const text = level === 'info' ? message : styleText(colour, message, { stream });
    write(`${this.#ownPrefix}${time}  ${text}\n`);
  }
}
