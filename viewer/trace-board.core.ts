/**
 * The way of an entity through the journals of all nodes, put together from what each tells of its own. By ownership seq
 * first, because the clocks of nodes differ and sequences do not; lines of one seq by time.
 */
import type { TraceLine, TraceMessage, TraceSubject } from './overview-text.wire.ts';

export interface BoardLine extends TraceLine {
  readonly node: string;
  /** Name of the other node where its ledger is known, else the beginning of its ledger; empty without one. */
  readonly other: string;
}

const LEDGER_SHOWN = 8;

export class TraceBoard {
  #subject: TraceSubject | undefined;
  readonly #answers = new Map<string, TraceMessage>();
  #asked: readonly string[] = [];

  get subject(): TraceSubject | undefined {
    return this.#subject;
  }

  /** Nodes that have not answered yet. */
  get waiting(): readonly string[] {
    return this.#asked.filter((node) => !this.#answers.has(node));
  }

  /** What kept a node from telling all. */
  get problems(): readonly string[] {
    return [...this.#answers].flatMap(([node, { problem, isCut, olderCount }]) => {
      const prefix = node === '' ? '' : `${node}: `;
      if (problem !== '') return [`${prefix}${problem}`];
      if (olderCount > 0) return [`${prefix}${olderCount} older lines are not shown`];
      return isCut ? [`${prefix}its history does not reach back to the beginning`] : [];
    });
  }

  /** @param nodes names of those that were asked. */
  begin(subject: TraceSubject, nodes: readonly string[]): void {
    this.#subject = subject;
    this.#asked = nodes;
    this.#answers.clear();
  }

  clear(): void {
    this.#subject = undefined;
    this.#asked = [];
    this.#answers.clear();
  }

  /** True when it belongs to what was asked. */
  take(message: TraceMessage): boolean {
    const { subject } = message;
    if (subject.kind !== this.#subject?.kind || subject.id !== this.#subject.id) return false;
    this.#answers.set(message.node, message);
    return true;
  }

  lines(): readonly BoardLine[] {
    const ledgers = [...this.#answers].flatMap(([node, message]) =>
      message.ledgers.map((ledger) => ({ ledger, node })),
    );
    const nameOf = (peer: string): string =>
      // Ledgers may be told by their first digits.
      ledgers.find(({ ledger }) => peer !== '' && ledger.startsWith(peer))?.node ?? peer.slice(0, LEDGER_SHOWN);
    const lines = [...this.#answers].flatMap(([node, message]) =>
      message.lines.map((line) => ({ ...line, node, other: nameOf(line.peer) })),
    );
    const entities = new Set(lines.map(({ entity }) => entity));
    const bySeq = entities.size <= 1 && lines.every(({ seq }) => seq > 0);
    return lines.toSorted((one, other) =>
      bySeq && one.seq !== other.seq ? one.seq - other.seq : one.atMs - other.atMs,
    );
  }
}
