/** Which message a link frame holds, by its type; a message that does not follow its drawing is none. */
import { WireError } from '../base/errors.ts';
import { decodePeerMessage, PEER_MESSAGE_TYPE_MAX } from './peer-message.wire.ts';
import type { WiredMessage } from './peer-message.wire.ts';
import { decodeSessionMessage } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';

export type DecodedFrame =
  | { readonly of: 'handover'; readonly message: WiredMessage }
  | { readonly of: 'session'; readonly message: SessionMessage };

/** Undefined when the bytes are no message. */
export function decodeFrame(type: number, payload: Uint8Array): DecodedFrame | undefined {
  try {
    if (type <= PEER_MESSAGE_TYPE_MAX) return { of: 'handover', message: decodePeerMessage(type, payload) };
    return { of: 'session', message: decodeSessionMessage(type, payload) };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
