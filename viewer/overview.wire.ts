/**
 * The overview feed: what `/overview` sends to the page. Little-endian, one WebSocket message each.
 *
 *   entities   u32 type=1 · u32 tick · u32 count · u32 total · f32 x[count] · f32 z[count] · u32 slot | kind << 24 [count]
 *   handovers  u32 type=2 · u32 tick · u32 count · u32 0     · f32 x[count] · f32 z[count] · u32 sourceCell[count] · u32 targetCell[count]
 *   text       JSON, see overview-text.wire.ts
 *
 * Invariant: a decoded frame has exactly as many values as it says, and every position is a finite number.
 */
import { WireError } from '../src/base/errors.ts';

export const ENTITIES_TYPE = 1;
export const HANDOVERS_TYPE = 2;
const HEADER_BYTES = 16;
/** The server is asked for at most 50,000 entities; a frame of more is not for this page. */
export const FRAME_ENTITIES_MAX = 1 << 16;
const SLOT_MASK = 0xffffff;
const KIND_SHIFT = 24;

export interface EntitiesFrame {
  readonly type: 'entities';
  readonly tick: number;
  /** How many entities the frame carries, of how many there are in the viewport. */
  readonly count: number;
  readonly total: number;
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly slotAndKind: Uint32Array;
}

export interface HandoversFrame {
  readonly type: 'handovers';
  readonly tick: number;
  readonly count: number;
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly sourceCell: Uint32Array;
  readonly targetCell: Uint32Array;
}

/** Throws WireError. The arrays are views of the message where its alignment allows. */
export function decodeFrame(message: ArrayBuffer): EntitiesFrame | HandoversFrame {
  if (message.byteLength < HEADER_BYTES) {
    throw new WireError(
      'ERR_WIRE_TRUNCATED',
      `an overview frame has ${HEADER_BYTES} bytes or more, got ${message.byteLength}`,
    );
  }
  const view = new DataView(message);
  const type = view.getUint32(0, true);
  const tick = view.getUint32(4, true);
  const count = view.getUint32(8, true);
  if (type !== ENTITIES_TYPE && type !== HANDOVERS_TYPE) {
    throw new WireError('ERR_WIRE_TYPE', `an overview frame has type 1 or 2, got ${type}`);
  }
  if (count > FRAME_ENTITIES_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `an overview frame has at most ${FRAME_ENTITIES_MAX} rows, got ${count}`);
  }
  const columns = type === ENTITIES_TYPE ? 3 : 4;
  requireLength(message.byteLength, HEADER_BYTES + 4 * columns * count);
  const x = new Float32Array(message, HEADER_BYTES, count);
  const z = new Float32Array(message, HEADER_BYTES + 4 * count, count);
  requireFinite(x);
  requireFinite(z);
  const third = new Uint32Array(message, HEADER_BYTES + 8 * count, count);
  if (type === ENTITIES_TYPE) {
    return { type: 'entities', tick, count, total: view.getUint32(12, true), x, z, slotAndKind: third };
  }
  const targetCell = new Uint32Array(message, HEADER_BYTES + 12 * count, count);
  return { type: 'handovers', tick, count, x, z, sourceCell: third, targetCell };
}

export function slotOf(slotAndKind: number): number {
  return slotAndKind & SLOT_MASK;
}

export function kindOf(slotAndKind: number): number {
  return slotAndKind >>> KIND_SHIFT;
}

function requireLength(actualBytes: number, expectedBytes: number): void {
  if (actualBytes === expectedBytes) return;
  const code = actualBytes < expectedBytes ? 'ERR_WIRE_TRUNCATED' : 'ERR_WIRE_TRAILING';
  throw new WireError(code, `the overview frame has ${actualBytes} bytes, its header says ${expectedBytes}`);
}

function requireFinite(values: Float32Array): void {
  // A NaN or an infinity anywhere makes the sum of differences not a number, so one test at the end suffices.
  let sum = 0;
  for (const value of values) sum += value - value;
  if (Number.isNaN(sum)) throw new WireError('ERR_WIRE_RANGE', 'the overview frame has a position that is not finite');
}
