/**
 * Frames from a gateway to the conductor, in the input ring, little-endian:
 *
 *   join   u8 1 · u8 nameBytes · u8 accountBytes · u8 0 · u32 session · u32 generation · name · account (UTF-8)
 *   leave  u8 2 · u8 0 · u16 0 · u32 session · u32 generation
 *   input  u8 3 · u8 back · u16 payloadBytes · u32 session · u32 generation · u32 sequence · packed input
 *
 * Everything that changes the world from outside is one of these frames; a recording holds them as they are.
 */
import { assert } from '../base/assert.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import type { Ring } from './ring.ts';

export const INTAKE = { join: 1, leave: 2, input: 3 } as const;
export const NAME_BYTES_MAX = 32;
export const ACCOUNT_BYTES_MAX = 64;
const HEAD_BYTES = 12;
const INPUT_HEAD_BYTES = 16;
export const INTAKE_FRAME_BYTES_MAX = HEAD_BYTES + NAME_BYTES_MAX + ACCOUNT_BYTES_MAX;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** False when the ring is full; the caller refuses the client. Name and account must be within their limits. */
export function writeJoin(
  ring: Ring,
  { session, generation, name, account }: { session: number; generation: number; name: string; account: string },
): boolean {
  const nameBytes = encoder.encode(name);
  const accountBytes = encoder.encode(account);
  assert(
    nameBytes.length <= NAME_BYTES_MAX && accountBytes.length <= ACCOUNT_BYTES_MAX,
    'name and account were bounded',
  );
  const sizeBytes = HEAD_BYTES + nameBytes.length + accountBytes.length;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  ring.bytes[at] = INTAKE.join;
  ring.bytes[at + 1] = nameBytes.length;
  ring.bytes[at + 2] = accountBytes.length;
  ring.bytes[at + 3] = 0;
  ring.view.setUint32(at + 4, session, true);
  ring.view.setUint32(at + 8, generation, true);
  ring.bytes.set(nameBytes, at + HEAD_BYTES);
  ring.bytes.set(accountBytes, at + HEAD_BYTES + nameBytes.length);
  ring.commit(sizeBytes);
  return true;
}

/** False when the ring is full; try again. */
export function writeLeave(ring: Ring, { session, generation }: { session: number; generation: number }): boolean {
  const at = ring.reserve(HEAD_BYTES);
  if (at < 0) return false;
  ring.view.setUint32(at, INTAKE.leave, true);
  ring.view.setUint32(at + 4, session, true);
  ring.view.setUint32(at + 8, generation, true);
  ring.commit(HEAD_BYTES);
  return true;
}

/** False when the ring is full; the input is dropped and counted. The payload was checked against the schema. */
export function writeInput(
  ring: Ring,
  input: { session: number; generation: number; sequence: number; back: number; payload: Uint8Array },
): boolean {
  assert(input.payload.length <= INPUT_BYTES_MAX, 'an input was bounded');
  const sizeBytes = INPUT_HEAD_BYTES + input.payload.length;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  ring.bytes[at] = INTAKE.input;
  ring.bytes[at + 1] = input.back;
  ring.view.setUint16(at + 2, input.payload.length, true);
  ring.view.setUint32(at + 4, input.session, true);
  ring.view.setUint32(at + 8, input.generation, true);
  ring.view.setUint32(at + 12, input.sequence, true);
  ring.bytes.set(input.payload, at + INPUT_HEAD_BYTES);
  ring.commit(sizeBytes);
  return true;
}

/** `sequence - back` is the oldest input that the client may send again. */
export interface IntakeInput {
  readonly sequence: number;
  readonly back: number;
  readonly at: number;
  readonly sizeBytes: number;
}

/** What the conductor does with each frame. Offsets are into `bytes`. */
export interface IntakeVisitor {
  join(session: number, generation: number, player: { name: string; account: string }): void;
  leave(session: number, generation: number): void;
  input(session: number, generation: number, input: IntakeInput): void;
}

/** Reads one frame of trusted bytes (our own gateway, or a recording whose checksum was verified). */
export function readIntake(
  { bytes, view }: { bytes: Uint8Array; view: DataView },
  at: number,
  visitor: IntakeVisitor,
): void {
  const session = view.getUint32(at + 4, true);
  const generation = view.getUint32(at + 8, true);
  switch (bytes[at]) {
    case INTAKE.join: {
      const nameEnd = at + HEAD_BYTES + bytes[at + 1]!;
      visitor.join(session, generation, {
        name: decoder.decode(bytes.slice(at + HEAD_BYTES, nameEnd)),
        account: decoder.decode(bytes.slice(nameEnd, nameEnd + bytes[at + 2]!)),
      });
      return;
    }
    case INTAKE.leave:
      return visitor.leave(session, generation);
    case INTAKE.input: {
      const sizeBytes = view.getUint16(at + 2, true);
      const sequence = view.getUint32(at + 12, true);
      const back = bytes[at + 1]!;
      return visitor.input(session, generation, { sequence, back, at: at + INPUT_HEAD_BYTES, sizeBytes });
    }
    default:
      assert(false, `an intake frame has a known type, found ${bytes[at]}`);
  }
}
