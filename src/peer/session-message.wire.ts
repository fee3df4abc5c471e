/**
 * What nodes tell each other besides handovers: ghosts, and what belongs to players whose socket is at one node and whose
 * entity is at another. Nothing of it is durable: what is lost with a link is said again or asked for again.
 *
 *   ghosts     the bytes of memory/ghosts.ts, as they are
 *   subscribe  list of cells u32                       which of your cells I want to see
 *   input      session u53 · sequence u32 · back u8 · hops u8 · payload blob          gateway → owner
 *   state      session u53 · state u8 · viewReset u8 · backlogBytes u32     gateway → owner
 *   leave      session u53 · hops u8                                        gateway → owner
 *   snapshot   session u53 · the snapshot's bytes                           owner → gateway
 *   route      session u53 · entity u53 · node u8 · seq u32 · incarnation u32 · lastInput u32   owner → gateway
 *   routeDone  session u53 · seq u32                                        gateway → owner
 *   ended      session u53 · reason u8                                      owner → gateway
 *   login      session u53 · gateway u8 · hops u8 · name · account         gateway → home of a resting player
 *   loginDone  session u53 · found u8                                       home → gateway
 *   attach     session u53 · from u53 · flags u8 (1 renamed, 2 redirect) · entity u53 · lastKnownTick u32 · round u8   gateway → all
 *   attachDone session u53 · answer u8 · round u8 · successor u53 · entity u53 · seq u32 · incarnation u32 · view u8   any → gateway
 *   heard      session u53                                                  gateway → owner
 */
import type { EntityId } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import { readerOver } from '../base/pack.ts';
import type { Reader } from '../base/pack.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import { readEnd, readU32, readU8 } from '../wire/cursor.wire.ts';
import { INPUT_WINDOW } from '../wire/messages.ts';
import { RESUMED_VIEWS } from '../memory/tunnel.ts';
import type { ResumedView } from '../memory/tunnel.ts';
import { ATTACH_ANSWERS } from './attachment.core.ts';
import type { AttachAnswer } from './attachment.core.ts';
import type { MessageBuffer } from './message-buffer.ts';
import { readBlob, readCount, readEntity, readNode, readShortText, readU53 } from './message-fields.wire.ts';
import { HOPS_MAX } from './protocol.ts';
import type { NodeNumber, SessionId } from './protocol.ts';

export type SessionMessage =
  | { readonly kind: 'ghosts'; readonly bytes: Uint8Array }
  | { readonly kind: 'subscribe'; readonly cells: Uint32Array }
  | {
      readonly kind: 'input';
      readonly session: SessionId;
      readonly sequence: number;
      /** `sequence - back` is the oldest input that the client may send again. */
      readonly back: number;
      readonly hops: number;
      readonly payload: Uint8Array;
    }
  | {
      readonly kind: 'state';
      readonly session: SessionId;
      readonly state: number;
      readonly viewReset: boolean;
      readonly backlogBytes: number;
    }
  | { readonly kind: 'leave'; readonly session: SessionId; readonly hops: number }
  | { readonly kind: 'snapshot'; readonly session: SessionId; readonly bytes: Uint8Array }
  | {
      readonly kind: 'route';
      readonly session: SessionId;
      readonly entity: EntityId;
      readonly node: NodeNumber;
      readonly seq: number;
      readonly incarnation: number;
      readonly lastInput: number;
    }
  | { readonly kind: 'routeDone'; readonly session: SessionId; readonly seq: number }
  | { readonly kind: 'ended'; readonly session: SessionId; readonly reason: number }
  | {
      readonly kind: 'login';
      readonly session: SessionId;
      /** The node with the socket. */
      readonly gateway: NodeNumber;
      readonly hops: number;
      readonly name: string;
      readonly account: string;
    }
  | { readonly kind: 'loginDone'; readonly session: SessionId; readonly found: boolean }
  | {
      /** The client of the session `from` comes back as `session` (attachment.core.ts). */
      readonly kind: 'attach';
      readonly session: SessionId;
      readonly from: SessionId;
      readonly isRenamed: boolean;
      readonly isRedirect: boolean;
      /** 0 when the token does not name it. */
      readonly entity: EntityId | 0;
      readonly lastKnownTick: number;
      /** The number of the question, which comes back with a no. */
      readonly round: number;
    }
  | {
      readonly kind: 'attachDone';
      readonly session: SessionId;
      readonly answer: AttachAnswer;
      /** Of the question that this answers; 0 of `attached`, which answers all. */
      readonly round: number;
      /** Of `renamed`, else 0; the rest is of `attached`. */
      readonly successor: SessionId | 0;
      readonly entity: EntityId | 0;
      readonly seq: number;
      readonly incarnation: number;
      readonly view: ResumedView;
    }
  | { readonly kind: 'heard'; readonly session: SessionId };

/** Types of link frames, 32 … 63. */
export const SESSION_MESSAGE_TYPE = {
  ghosts: 32,
  subscribe: 33,
  input: 34,
  state: 35,
  leave: 36,
  snapshot: 37,
  route: 38,
  routeDone: 39,
  ended: 40,
  login: 41,
  loginDone: 42,
  attach: 43,
  attachDone: 44,
  heard: 45,
} as const satisfies Record<SessionMessage['kind'], number>;

/** Why an owner ended a session: a newer login or connection has its player, the world ended it, or its client has moved. */
export const ENDED_REASON = { replaced: 1, gone: 2, refused: 3, moved: 4 } as const;

const ATTACH_FLAG = { renamed: 1, redirect: 2 } as const;
const CELLS_MAX = 65_535;
const GHOST_BYTES_MAX = 64 * 1024;
const SNAPSHOT_BYTES_MAX = 64 * 1024;

export function encodeSessionMessage(message: SessionMessage, buffer: MessageBuffer): void {
  if (message.kind === 'ghosts') return buffer.raw(message.bytes);
  if (message.kind === 'subscribe') {
    buffer.u16(message.cells.length);
    for (const cell of message.cells) buffer.u32(cell);
    return;
  }
  buffer.u53(message.session);
  switch (message.kind) {
    case 'input':
      buffer.u32(message.sequence);
      buffer.u8(message.back);
      buffer.u8(message.hops);
      return buffer.blob(message.payload);
    case 'state':
      buffer.u8(message.state);
      buffer.u8(message.viewReset ? 1 : 0);
      return buffer.u32(message.backlogBytes);
    case 'leave':
      return buffer.u8(message.hops);
    case 'snapshot':
      return buffer.raw(message.bytes);
    case 'route':
      buffer.u53(message.entity);
      buffer.u8(message.node);
      buffer.u32(message.seq);
      buffer.u32(message.incarnation);
      return buffer.u32(message.lastInput);
    case 'routeDone':
      return buffer.u32(message.seq);
    case 'ended':
      return buffer.u8(message.reason);
    case 'login':
      buffer.u8(message.gateway);
      buffer.u8(message.hops);
      buffer.shortText(message.name);
      return buffer.shortText(message.account);
    case 'loginDone':
      return buffer.u8(message.found ? 1 : 0);
    case 'attach':
      buffer.u53(message.from);
      buffer.u8((message.isRenamed ? ATTACH_FLAG.renamed : 0) | (message.isRedirect ? ATTACH_FLAG.redirect : 0));
      buffer.u53(message.entity);
      buffer.u32(message.lastKnownTick);
      return buffer.u8(message.round);
    case 'attachDone':
      buffer.u8(ATTACH_ANSWERS.indexOf(message.answer));
      buffer.u8(message.round);
      buffer.u53(message.successor);
      buffer.u53(message.entity);
      buffer.u32(message.seq);
      buffer.u32(message.incarnation);
      return buffer.u8(RESUMED_VIEWS.indexOf(message.view));
    case 'heard':
      return;
  }
}

/**
 * Reads the payload of a frame of this type; bytes of ghosts and snapshots are views of it.
 * @throws WireError; no other error.
 */
export function decodeSessionMessage(type: number, payload: Uint8Array): SessionMessage {
  if (type === SESSION_MESSAGE_TYPE.ghosts) {
    if (payload.length > GHOST_BYTES_MAX) throw new WireError('ERR_WIRE_RANGE', `${payload.length} bytes of ghosts`);
    return { kind: 'ghosts', bytes: payload };
  }
  const reader = readerOver(payload);
  const message = type === SESSION_MESSAGE_TYPE.subscribe ? readSubscribe(reader) : readOfSession(type, reader);
  readEnd(reader);
  return message;
}

function readSubscribe(reader: Reader): SessionMessage {
  const count = readCount(reader, { countMax: CELLS_MAX, itemBytesMin: 4 });
  return { kind: 'subscribe', cells: Uint32Array.from({ length: count }, () => readU32(reader)) };
}

function readOfSession(type: number, reader: Reader): SessionMessage {
  const session = readU53(reader) as SessionId;
  if (session === 0) throw new WireError('ERR_WIRE_RANGE', 'session 0');
  switch (type) {
    case SESSION_MESSAGE_TYPE.input: {
      const sequence = readU32(reader);
      const back = readU8(reader);
      if (back >= INPUT_WINDOW) throw new WireError('ERR_WIRE_RANGE', `an input with ${back} before it`);
      const hops = readHops(reader);
      return { kind: 'input', session, sequence, back, hops, payload: readBlob(reader, INPUT_BYTES_MAX) };
    }
    case SESSION_MESSAGE_TYPE.state: {
      const state = readU8(reader);
      const viewReset = readFlag(reader);
      return { kind: 'state', session, state, viewReset, backlogBytes: readU32(reader) };
    }
    case SESSION_MESSAGE_TYPE.leave:
      return { kind: 'leave', session, hops: readHops(reader) };
    case SESSION_MESSAGE_TYPE.snapshot:
      return { kind: 'snapshot', session, bytes: readRest(reader) };
    case SESSION_MESSAGE_TYPE.route: {
      const entity = readEntity(reader);
      const node = readNode(reader);
      const seq = readU32(reader);
      const incarnation = readU32(reader);
      return { kind: 'route', session, entity, node, seq, incarnation, lastInput: readU32(reader) };
    }
    case SESSION_MESSAGE_TYPE.routeDone:
      return { kind: 'routeDone', session, seq: readU32(reader) };
    case SESSION_MESSAGE_TYPE.ended:
      return { kind: 'ended', session, reason: readU8(reader) };
    case SESSION_MESSAGE_TYPE.login: {
      const gateway = readNode(reader);
      const hops = readHops(reader);
      const name = readShortText(reader);
      return { kind: 'login', session, gateway, hops, name, account: readShortText(reader) };
    }
    case SESSION_MESSAGE_TYPE.loginDone:
      return { kind: 'loginDone', session, found: readFlag(reader) };
    case SESSION_MESSAGE_TYPE.attach:
      return readAttach(reader, session);
    case SESSION_MESSAGE_TYPE.attachDone:
      return readAttachDone(reader, session);
    case SESSION_MESSAGE_TYPE.heard:
      return { kind: 'heard', session };
    default:
      throw new WireError('ERR_WIRE_TYPE', `no message has type ${type}`);
  }
}

function readAttach(reader: Reader, session: SessionId): SessionMessage {
  const from = readU53(reader) as SessionId;
  if (from === 0 || from === session) throw new WireError('ERR_WIRE_RANGE', `session ${session} for session ${from}`);
  const flags = readU8(reader);
  if (flags > (ATTACH_FLAG.renamed | ATTACH_FLAG.redirect)) throw new WireError('ERR_WIRE_RANGE', `flags ${flags}`);
  return {
    kind: 'attach',
    session,
    from,
    isRenamed: (flags & ATTACH_FLAG.renamed) !== 0,
    isRedirect: (flags & ATTACH_FLAG.redirect) !== 0,
    entity: readU53(reader) as EntityId | 0,
    lastKnownTick: readU32(reader),
    round: readU8(reader),
  };
}

function readAttachDone(reader: Reader, session: SessionId): SessionMessage {
  const answer = ATTACH_ANSWERS[readU8(reader)];
  const round = readU8(reader);
  const successor = readU53(reader) as SessionId | 0;
  const entity = readU53(reader) as EntityId | 0;
  const seq = readU32(reader);
  const incarnation = readU32(reader);
  const view = RESUMED_VIEWS[readU8(reader)];
  if (answer === undefined || view === undefined) throw new WireError('ERR_WIRE_RANGE', 'an answer that is none');
  if ((answer === 'renamed') !== (successor !== 0) || (answer === 'attached') !== (entity !== 0)) {
    throw new WireError('ERR_WIRE_RANGE', `${answer} of session ${successor} and entity ${entity}`);
  }
  return { kind: 'attachDone', session, answer, round, successor, entity, seq, incarnation, view };
}

function readHops(reader: Reader): number {
  const hops = readU8(reader);
  if (hops > HOPS_MAX + 1) throw new WireError('ERR_WIRE_RANGE', `${hops} hops`);
  return hops;
}

function readFlag(reader: Reader): boolean {
  const flag = readU8(reader);
  if (flag > 1) throw new WireError('ERR_WIRE_RANGE', `a flag of ${flag}`);
  return flag === 1;
}

function readRest(reader: Reader): Uint8Array {
  const rest = reader.source.subarray(reader.at);
  if (rest.length > SNAPSHOT_BYTES_MAX) throw new WireError('ERR_WIRE_RANGE', `a snapshot of ${rest.length} bytes`);
  reader.at = reader.source.length;
  return rest;
}
