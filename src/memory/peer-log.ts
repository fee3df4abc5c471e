/**
 * The last handovers between nodes, for the viewer: a ring of rows that readers may miss but never block.
 *
 *   word 0 written (count of rows ever written) ║ row: kind u32 · node u32 · id low u32 · id high u32
 *
 * `node` is the other side: of `released`, `handedOver` and `reclaimed` the target, of `arrived` the source. A row that is
 * `released` is in doubt until the row of the same id that follows it. Where the entity is, a reader finds by its id.
 *
 * Writer: the peer thread. Readers: the gateway. A reader that fell behind by more than PEER_LOG_ROWS skips ahead.
 */
import { entityIdFrom } from '../base/brand.ts';
import type { EntityId } from '../base/brand.ts';

export const PEER_LOG_KIND = { released: 1, handedOver: 2, reclaimed: 3, arrived: 4 } as const;
export type PeerLogKind = keyof typeof PEER_LOG_KIND;
export const PEER_LOG_ROWS = 4096;

const KINDS = Object.keys(PEER_LOG_KIND) as PeerLogKind[];
const ROW_WORDS = 4;
const HEADER_BYTES = 64;
const LOW_RANGE = 2 ** 32;

export interface PeerLogRow {
  readonly kind: PeerLogKind;
  /** NodeNumber. */
  readonly node: number;
  readonly id: EntityId;
}

export class PeerLog {
  readonly #header: Int32Array<SharedArrayBuffer>;
  readonly #words: Uint32Array<SharedArrayBuffer>;

  static sizeBytes(): number {
    return HEADER_BYTES + PEER_LOG_ROWS * ROW_WORDS * 4;
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number) {
    this.#header = new Int32Array(buffer, offsetBytes, 1);
    this.#words = new Uint32Array(buffer, offsetBytes + HEADER_BYTES, PEER_LOG_ROWS * ROW_WORDS);
  }

  get written(): number {
    return Atomics.load(this.#header, 0) >>> 0;
  }

  write(kind: PeerLogKind, id: number, node: number): void {
    const { written } = this;
    const row = (written % PEER_LOG_ROWS) * ROW_WORDS;
    this.#words[row] = PEER_LOG_KIND[kind];
    this.#words[row + 1] = node;
    this.#words[row + 2] = id % LOW_RANGE;
    this.#words[row + 3] = Math.floor(id / LOW_RANGE);
    Atomics.store(this.#header, 0, (written + 1) | 0);
  }

  /** Visits the rows written since `cursor` and returns the next cursor. Start with `written`. */
  readSince(cursor: number, visit: (row: PeerLogRow) => void): number {
    const { written } = this;
    const missed = Math.max(0, ((written - cursor) >>> 0) - PEER_LOG_ROWS);
    for (let index = (cursor + missed) >>> 0; index !== written; index = (index + 1) >>> 0) {
      const row = (index % PEER_LOG_ROWS) * ROW_WORDS;
      const kind = KINDS[this.#words[row]! - 1];
      // A row that is being written over by a writer who is a whole ring ahead may be anything.
      if (kind === undefined) continue;
      visit({ kind, node: this.#words[row + 1]!, id: entityIdFrom(this.#words[row + 3]!, this.#words[row + 2]!) });
    }
    return written;
  }
}
