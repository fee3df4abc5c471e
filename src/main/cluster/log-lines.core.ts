/** Lines out of what arrives in pieces, and lines of JSON that tell their node. Pure. */

/** A longer line is cut into several. */
export const LINE_LENGTH_MAX = 65_536;
/** As pino numbers them. */
export const LEVELS = { info: 30, warn: 40, error: 50 } as const;

export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#cut(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (this.#rest.length > LINE_LENGTH_MAX) {
      this.#onLine(this.#rest.slice(0, LINE_LENGTH_MAX));
      this.#rest = this.#rest.slice(LINE_LENGTH_MAX);
    }
  }

  /** What stands behind the last line break is a line too. */
  end(): void {
    if (this.#rest !== '') this.#cut(this.#rest);
    this.#rest = '';
  }

  #cut(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += LINE_LENGTH_MAX) {
      this.#onLine(line.slice(at, at + LINE_LENGTH_MAX));
    }
  }
}

/**
 * A line of a node's log with the field `node`; what is no JSON object becomes the message of one. What a line itself calls `node`
 * is another node that it tells of, and becomes `aboutNode`.
 */
export function jsonLineOf(
  node: string,
  line: string,
  { isError, nowMs }: { isError: boolean; nowMs: number },
): string {
  const fields = jsonObject(line);
  if (fields === undefined) {
    return JSON.stringify({ node, level: isError ? LEVELS.error : LEVELS.info, time: nowMs, msg: line });
  }
  const { node: aboutNode, ...rest } = fields;
  return JSON.stringify({ node, ...rest, ...(aboutNode !== undefined && { aboutNode }) });
}

function jsonObject(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // Text that begins with a brace.
  }
}
