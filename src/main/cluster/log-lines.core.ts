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

/** A line of a node's log with the field `node`; what is no JSON object becomes the message of one. */
export function jsonLineOf(
  node: string,
  line: string,
  { isError, nowMs }: { isError: boolean; nowMs: number },
): string {
  if (isJsonObject(line)) {
    const rest = line.trimStart().slice(1).trimStart();
    return rest.startsWith('}') ? `{"node":${JSON.stringify(node)}}` : `{"node":${JSON.stringify(node)},${rest}`;
  }
  return JSON.stringify({ node, level: isError ? LEVELS.error : LEVELS.info, time: nowMs, msg: line });
}

function isJsonObject(line: string): boolean {
  if (!line.startsWith('{')) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false; // Text that begins with a brace.
  }
}
