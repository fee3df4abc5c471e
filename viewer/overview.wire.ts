/**
 * The overview feed: what `/overview` sends to the page. Little-endian, one WebSocket message each.
 *
 *   entities   u32 type=1 · u32 tick · u32 count · u32 total · f32 x[count] · f32 z[count] · u32 slot | kind << 24 [count]
 *   handovers  u32 type=2 · u32 tick · u32 count · u32 0     · f32 x[count] · f32 z[count] · u32 sourceCell[count] · u32 targetCell[count]
 *   between    u32 type=3 · u32 tick · u32 count · u32 0     · f32 x[count] · f32 z[count] · u32 kind | node << 8 [count] · u32 ageMs[count]
 *   text       JSON, see overview-text.wire.ts
 *
 * Invariant: a decoded frame has exactly as many values as it says, and every position is a finite number.
 */
import { WireError } from '../src/base/errors.ts';

export const ENTITIES_TYPE = 1;
export const HANDOVERS_TYPE = 2;
export const PEER_HANDOVERS_TYPE = 3;
/** What became of a handover between nodes; 0 for a kind that this page does not know. */
export const PEER_HANDOVER = { inDoubt: 1, handedOver: 2, cameBack: 3, arrived: 4 } as const;
const HEADER_BYTES = 16;
/** The server is asked for at most 50,000 entities; a frame of more is not for this page. */
export const FRAME_ENTITIES_MAX = 1 << 16;
const SLOT_MASK = 0xffffff;
const KIND_SHIFT = 24;
const NODE_SHIFT = 8;
const PEER_KIND_MASK = 0xff;

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

/** Between two nodes; those in doubt are in every frame until they are resolved. */
export interface PeerHandoversFrame {
  readonly type: 'peerHandovers';
  readonly tick: number;
  readonly count: number;
  readonly x: Float32Array;
  readonly z: Float32Array;
  readonly kindAndNode: Uint32Array;
  readonly ageMs: Uint32Array;
}

/** Throws WireError. The arrays are views of the message where its alignment allows. */
export function decodeFrame(message: ArrayBuffer): EntitiesFrame | HandoversFrame | PeerHandoversFrame {
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
  if (type < ENTITIES_TYPE || type > PEER_HANDOVERS_TYPE) {
    throw new WireError('ERR_WIRE_TYPE', `an overview frame has type 1, 2 or 3, got ${type}`);
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
  const fourth = new Uint32Array(message, HEADER_BYTES + 12 * count, count);
  if (type === PEER_HANDOVERS_TYPE) {
    return { type: 'peerHandovers', tick, count, x, z, kindAndNode: third, ageMs: fourth };
  }
  return { type: 'handovers', tick, count, x, z, sourceCell: third, targetCell: fourth };
}

export function slotOf(slotAndKind: number): number {
  return slotAndKind & SLOT_MASK;
}

export function kindOf(slotAndKind: number): number {
  return slotAndKind >>> KIND_SHIFT;
}

export function peerKindOf(kindAndNode: number): number {
  return kindAndNode & PEER_KIND_MASK;
}

/** Number of the other node. */
export function nodeOf(kindAndNode: number): number {
  return (kindAndNode >>> NODE_SHIFT) & PEER_KIND_MASK;
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
