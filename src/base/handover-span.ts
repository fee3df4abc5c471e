/**
 * What a thread tells of one handover for a trace: a span, named by the handover it belongs to and not by ids. Main makes the ids of it
 * (main/telemetry/trace-ids.ts), the same in every process, so a trace travels without a byte in any protocol.
 *
 *   handover          source, from the freeze until the target has it stable
 *   ├ capture         source, until the protocol has it
 *   ├ journal         source, until the release is stable
 *   ├ wire            source, from sending to hearing that it was accepted
 *   │ └ accept        target, from hearing to having it in memory
 *   │   ├ activate    target, until its player is in the store
 *   │   └ route       target, until the gateway has answered that it knows
 *   │     ├ snapshot  gateway, until the first snapshot of the new owner is written to the client's socket
 *   │     └ client    gateway, from telling the client to its answer
 *   └ confirm         source, from sending to hearing that the target has it stable
 *     └ commit        target, from having it in memory to having it stable
 */

export const SPAN_PARENTS = {
  handover: undefined,
  capture: 'handover',
  journal: 'handover',
  wire: 'handover',
  accept: 'wire',
  activate: 'accept',
  route: 'accept',
  snapshot: 'route',
  client: 'route',
  confirm: 'handover',
  commit: 'confirm',
} as const satisfies Readonly<Record<string, string | undefined>>;
export type SpanName = keyof typeof SPAN_PARENTS;

export interface HandoverSpan {
  readonly name: SpanName;
  readonly entity: number;
  /** The ownership seq that the handover gave. */
  readonly seq: number;
  /** SessionId of its player; 0 without. */
  readonly session: number;
  /** NodeNumber of the other side; 0 without. */
  readonly node: number;
  /** On the machine's monotonic clock (monotonic.ts). */
  readonly startMs: number;
  readonly endMs: number;
  /** Times that it was said again. */
  readonly retries?: number;
  /** Why it failed. */
  readonly problem?: string;
}

/** Spans that a thread has for main, and how many it had no room for since the last time. */
export interface SpanBatch {
  readonly spans: readonly HandoverSpan[];
  readonly dropped: number;
}

const LOW_RANGE = 2 ** 32;

/** Whether this handover is one of the share that is traced. Every process answers alike. */
export function isTraced(entity: number, seq: number, share: number): boolean {
  if (share <= 0) return false;
  let hash = Math.imul(entity >>> 0, 0x9e3779b1) ^ Math.imul(Math.floor(entity / LOW_RANGE), 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 15) ^ Math.imul(seq, 0xc2b2ae3d), 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 13), 0x165667b1);
  return (hash ^ (hash >>> 16)) >>> 0 < share * LOW_RANGE;
}

/** Spans that wait to be taken: beyond `spansMax` they are counted and dropped. */
export class SpanBuffer {
  readonly #spansMax: number;
  #spans: HandoverSpan[] = [];
  #dropped = 0;

  constructor(spansMax = 4096) {
    this.#spansMax = spansMax;
  }

  add(span: HandoverSpan): void {
    if (this.#spans.length < this.#spansMax) this.#spans.push(span);
    else this.#dropped++;
  }

  /** Undefined when there is nothing to tell. */
  take(): SpanBatch | undefined {
    if (this.#spans.length === 0 && this.#dropped === 0) return undefined;
    const batch = { spans: this.#spans, dropped: this.#dropped };
    this.#spans = [];
    this.#dropped = 0;
    return batch;
  }
}
