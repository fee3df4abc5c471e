/**
 * The binary frames of the viewer's feed, little-endian, every field 4 bytes so that a browser can lay typed arrays
 * over them:
 *
 *   entities   u32 type = 1 · u32 tick · u32 count · u32 total ║ f32 x × count · f32 z × count · u32 slotAndKind × count
 *   handovers  u32 type = 2 · u32 tick · u32 count · u32 0     ║ f32 x × count · f32 z × count
 *                                                              · u32 sourceCell × count · u32 targetCell × count
 *   between    u32 type = 3 · u32 tick · u32 count · u32 0     ║ f32 x × count · f32 z × count
 *   nodes                                                      · u32 kindAndNode × count · u32 ageMs × count
 *
 * slotAndKind is slot | kind << 24, kindAndNode kind (memory/peer-log.ts) | node << 8. Ghosts are not sent: their owners do it. `total` is how many entities the viewport holds, `count` how many were sent: when
 * there are too many, those are sent whose slot is a multiple of a step, so that the same ones are from frame to frame.
 *
 * The simulation writes on while the rows are read: a position may be of the next tick, which nobody will see.
 */
import type { ColumnSet } from '../memory/columns.ts';
import type { HandoverLog } from '../memory/handover-log.ts';
import type { PeerHandoverView } from './overview-peers.ts';

export const OVERVIEW_FRAME = { entities: 1, handovers: 2, peerHandovers: 3 } as const;
const HEAD_WORDS = 4;
const KIND_SHIFT = 24;
const NODE_SHIFT = 8;

export interface Viewport {
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  readonly entitiesMax: number;
}

/** Room for the largest frame, used again and again; a frame is copied out. */
export class OverviewFrames {
  readonly #x: Float32Array<ArrayBuffer>;
  readonly #z: Float32Array<ArrayBuffer>;
  readonly #first: Uint32Array<ArrayBuffer>;
  readonly #second: Uint32Array<ArrayBuffer>;

  constructor(countMax: number) {
    this.#x = new Float32Array(countMax);
    this.#z = new Float32Array(countMax);
    this.#first = new Uint32Array(countMax);
    this.#second = new Uint32Array(countMax);
  }

  entities(
    columns: ColumnSet,
    viewport: Viewport,
    { tick, slotsHigh }: { tick: number; slotsHigh: number },
  ): Uint8Array {
    const countMax = Math.min(viewport.entitiesMax, this.#x.length);
    const total = countInside(columns, viewport, slotsHigh);
    const step = Math.max(1, Math.ceil(total / Math.max(1, countMax)));
    const { id, x, z, kind, ghostOf } = columns;
    const { minX, minZ, maxX, maxZ } = viewport;
    let count = 0;
    for (let slot = 0; slot < slotsHigh && count < countMax; slot += step) {
      const atX = x[slot]!;
      const atZ = z[slot]!;
      if (id[slot] === 0 || ghostOf[slot] !== 0) continue;
      if (atX < minX || atX > maxX || atZ < minZ || atZ > maxZ) continue;
      this.#x[count] = atX;
      this.#z[count] = atZ;
      this.#first[count] = slot | (kind[slot]! << KIND_SHIFT);
      count++;
    }
    return this.#frame([OVERVIEW_FRAME.entities, tick, count, total], [this.#x, this.#z, this.#first]);
  }

  /** The handovers since `cursor`, or no frame when there were none; and the next cursor. */
  handovers(log: HandoverLog, cursor: number, tick: number): { frame: Uint8Array | undefined; cursor: number } {
    let count = 0;
    const next = log.readSince(cursor, (x, z, sourceCell, targetCell) => {
      if (count === this.#x.length) return;
      this.#x[count] = x;
      this.#z[count] = z;
      this.#first[count] = sourceCell;
      this.#second[count] = targetCell;
      count++;
    });
    if (count === 0) return { frame: undefined, cursor: next };
    const head = [OVERVIEW_FRAME.handovers, tick, count, 0];
    return { frame: this.#frame(head, [this.#x, this.#z, this.#first, this.#second]), cursor: next };
  }

  /** What happens between this node and others. */
  peerHandovers(views: readonly PeerHandoverView[], tick: number): Uint8Array {
    const count = Math.min(views.length, this.#x.length);
    for (const [index, { kind, node, x, z, ageMs }] of views.slice(0, count).entries()) {
      this.#x[index] = x;
      this.#z[index] = z;
      this.#first[index] = kind | (node << NODE_SHIFT);
      this.#second[index] = ageMs;
    }
    const head = [OVERVIEW_FRAME.peerHandovers, tick, count, 0];
    return this.#frame(head, [this.#x, this.#z, this.#first, this.#second]);
  }

  #frame(head: readonly number[], columns: readonly (Float32Array | Uint32Array)[]): Uint8Array {
    const count = head[2]!;
    const words = new Uint32Array(HEAD_WORDS + columns.length * count);
    words.set(head);
    columns.forEach((column, index) => {
      const bits = new Uint32Array(column.buffer, column.byteOffset, count);
      words.set(bits, HEAD_WORDS + index * count);
    });
    return new Uint8Array(words.buffer);
  }
}

function countInside(
  { id, x, z, ghostOf }: ColumnSet,
  { minX, minZ, maxX, maxZ }: Viewport,
  slotsHigh: number,
): number {
  let count = 0;
  for (let slot = 0; slot < slotsHigh; slot++) {
    const atX = x[slot]!;
    const atZ = z[slot]!;
    if (id[slot] === 0 || ghostOf[slot] !== 0) continue;
    if (atX >= minX && atX <= maxX && atZ >= minZ && atZ <= maxZ) count++;
  }
  return count;
}

/** What a viewer wants to see; undefined when it is not a viewport. More entities than `entitiesMax` are not given. */
export function readViewport(table: Readonly<Record<string, unknown>>, entitiesMax: number): Viewport | undefined {
  const { minX, minZ, maxX, maxZ } = table;
  const wanted = table['entitiesMax'] ?? entitiesMax;
  const numbers = [minX, minZ, maxX, maxZ, wanted];
  if (!numbers.every((number) => Number.isFinite(number))) return undefined;
  const count = Math.max(0, Math.min(entitiesMax, Math.trunc(wanted as number)));
  return { minX: minX as number, minZ: minZ as number, maxX: maxX as number, maxZ: maxZ as number, entitiesMax: count };
}
