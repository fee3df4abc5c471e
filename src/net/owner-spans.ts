/**
 * What a gateway adds to the trace of a handover: when its client had the first snapshot of the new owner, and when it answered. At most one
 * change of owner a session is followed; the next takes its place.
 */
import { isTraced, SpanBuffer } from '../base/handover-span.ts';
import type { SpanBatch, SpanName } from '../base/handover-span.ts';
import { monotonicMs } from '../base/monotonic.ts';

/** Of a session whose owner has changed, and that is traced. */
export interface OwnerChange {
  readonly entity: number;
  readonly seq: number;
  readonly session: number;
  /** NodeNumber of the new owner. */
  readonly node: number;
  readonly heardMs: number;
  isSnapshotSent: boolean;
}

export class OwnerSpans {
  readonly #share: number;
  readonly #buffer = new SpanBuffer();

  /** @param share of handovers that is traced. */
  constructor(share: number) {
    this.#share = share;
  }

  /** Undefined when this one is not traced. */
  begin(change: Pick<OwnerChange, 'entity' | 'seq' | 'session' | 'node'>): OwnerChange | undefined {
    if (change.entity === 0 || !isTraced(change.entity, change.seq, this.#share)) return undefined;
    return { ...change, heardMs: monotonicMs(), isSnapshotSent: false };
  }

  /** The first snapshot of the new owner is in the client's socket. */
  snapshotSent(change: OwnerChange): void {
    if (change.isSnapshotSent) return;
    change.isSnapshotSent = true;
    this.#add('snapshot', change);
  }

  /** The client has said that it knows. */
  answered(change: OwnerChange): void {
    this.#add('client', change);
  }

  take(): SpanBatch | undefined {
    return this.#buffer.take();
  }

  #add(name: SpanName, { entity, seq, session, node, heardMs }: OwnerChange): void {
    this.#buffer.add({ name, entity, seq, session, node, startMs: heardMs, endMs: monotonicMs() });
  }
}
