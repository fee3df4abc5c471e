/** Records of this store in a buffer that is used again and again; what does not encode is brought into order. */
import { RecordError } from '../base/errors.ts';
import { RecordEncoder } from '../memory/record.ts';
import type { Store } from '../memory/store.ts';

/** A record beyond this does not travel: peer/protocol.ts refuses it. */
export const RECORD_BYTES_MAX = 1 << 20;
const CONDUCTOR = 0;

export class RecordBuffer {
  readonly #store: Store;
  readonly #encoder: RecordEncoder;
  #bytes = new Uint8Array(4096);

  constructor(store: Store) {
    this.#store = store;
    this.#encoder = new RecordEncoder(store);
  }

  /** The entity's record as a view of the buffer until the next call; undefined when it has none that may travel. */
  encode(slot: number): Uint8Array | undefined {
    const wanted = this.#encoder.sizeBytes(slot);
    if (wanted > RECORD_BYTES_MAX) return undefined;
    if (wanted > this.#bytes.length) this.#bytes = new Uint8Array(2 ** Math.ceil(Math.log2(wanted)));
    try {
      return this.#bytes.subarray(0, this.#encoder.encode(slot, this.#bytes));
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.#stop(slot);
      return undefined;
    }
  }

  /** Encodes into the middle of another buffer; -1 when it does not fit or has no record. */
  encodeInto(slot: number, target: Uint8Array, at: number): number {
    if (this.#encoder.sizeBytes(slot) > target.length - at) return -1;
    const record = this.encode(slot);
    if (record === undefined) return -1;
    for (let index = 0; index < record.length; index++) target[at + index] = record[index]!;
    return record.length;
  }

  /** A velocity that is no finite number has no record. */
  #stop(slot: number): void {
    const { columns, stats } = this.#store;
    columns.vx[slot] = 0;
    columns.vz[slot] = 0;
    if (!Number.isFinite(columns.x[slot]! + columns.z[slot]!)) {
      columns.x[slot] = columns.homeX[slot]!;
      columns.z[slot] = columns.homeZ[slot]!;
    }
    stats.add(CONDUCTOR, 'notFinite', 1);
  }
}
