/**
 * Frames between the gateway and the peer thread of one node, for sessions whose player another node owns.
 * Little-endian; every frame begins with the same head:
 *
 *   ┌─────────┬─────────┬──────────┬─────────┬────────────┬─────────────┬──────────────┐
 *   │ type u8 │ byte u8 │ size u16 │ row u32 │ generation │ session low │ session high │
 *   │         │         │          │         │ u32        │ u32         │ u32          │
 *   └─────────┴─────────┴──────────┴─────────┴────────────┴─────────────┴──────────────┘
 *   0         1         2          4         8            12            16            20
 *
 *   gateway ▶ peer, ring gatewayToPeer
 *   input     byte = back, size = payloadBytes · sequence u32 · packed input
 *   state     byte = state | VIEW_RESET · backlogBytes u32
 *   leave     nothing
 *   login     byte = nameBytes, size = accountBytes · name · account (UTF-8)
 *   heard     nothing: the client of this session has said something
 *   resume    byte = IS_REDIRECT · from low u32 · from high u32 · entity low u32 · entity high u32 · lastKnownTick u32
 *
 *   peer ▶ gateway, ring peerToGateway; `session` is 0
 *   snapshot  byte = node that made it · one SNAPSHOT message (wire/snapshot.wire.ts)
 *   route     byte = node, size = nameBytes · ownershipSeq u32 · entity low u32 · entity high u32 · name
 *   ended     byte = place in ENDED_REASONS
 *   resumed   byte = node | place in RESUMED_VIEWS << 6, size = nameBytes · ownershipSeq u32 · entity low u32
 *             · entity high u32 · outcome u32 · name
 *
 * `row` and `generation` are of the session table of this node; `session` is the SessionId, so that a frame still means
 * its session when the row has been given to somebody else. Both sides are this process: the bytes are trusted.
 *
 * Inputs may overtake each other on the way: whoever owns the player puts them into order.
 */
import { assert } from '../base/assert.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import { ACCOUNT_BYTES_MAX, NAME_BYTES_MAX } from './intake.ts';
import type { IntakeInput } from './intake.ts';
import type { Ring } from './ring.ts';
import type { SessionState } from './sessions.ts';

export const TUNNEL = {
  input: 1,
  state: 2,
  leave: 3,
  login: 4,
  heard: 5,
  resume: 6,
  snapshot: 16,
  route: 17,
  ended: 18,
  resumed: 19,
} as const;

/** Why a peer ends a session that this gateway holds. */
export const ENDED_REASONS = ['replaced', 'refused', 'overloaded', 'gone', 'stopping', 'moved'] as const;
export type EndedReason = (typeof ENDED_REASONS)[number];

/** What a client that resumes has of its view: the next snapshot goes on from its last, or settles it anew, or is a keyframe. */
export const RESUMED_VIEWS = ['reset', 'continued', 'resync'] as const;
/** `over`: nobody has the player of that token; `unknown`: not everybody could be asked. */
export const RESUMED_OUTCOMES = ['over', 'found', 'unknown'] as const;
export type ResumedOutcome = (typeof RESUMED_OUTCOMES)[number];
export type ResumedView = (typeof RESUMED_VIEWS)[number];

/** Node names on this way are cut to it. */
export const NODE_NAME_BYTES_MAX = 64;

const HEAD_BYTES = 20;
const SEQUENCE_BYTES = 4;
const VIEW_RESET = 0x80;
const IS_REDIRECT = 1;
const RESUME_BYTES = 20;
const ROUTE_BYTES = 12;
const RESUMED_BYTES = 16;
const VIEW_SHIFT = 6;
const NODE_MASK = 0x3f;
const LOW_RANGE = 2 ** 32;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Which session a frame is about. */
export interface TunnelHead {
  readonly row: number;
  readonly generation: number;
  /** The SessionId; 0 in frames to the gateway, which knows it. */
  readonly session: number;
}

export interface TunnelState {
  readonly state: SessionState;
  /** Unsent bytes of the client's socket. */
  readonly backlogBytes: number;
  /** The client has nothing (any more): the next snapshot is a keyframe. */
  readonly viewReset: boolean;
}

/** A client has shown a token of the session `from`. */
export interface TunnelResume {
  readonly from: number;
  /** The player, if the token names it; else 0. */
  readonly entity: number;
  /** It comes from a gateway that sent it here. */
  readonly isRedirect: boolean;
  /** Of the last snapshot that the client still has; 0 is none. */
  readonly lastKnownTick: number;
}

/** Who owns the player. */
export interface TunnelRoute {
  /** 0: this node. */
  readonly node: number;
  readonly seq: number;
  readonly entity: number;
  readonly name: string;
}

/** What became of it. */
export interface TunnelResumed {
  readonly outcome: ResumedOutcome;
  readonly view: ResumedView;
  /** The owner, as in `route`. */
  readonly node: number;
  readonly seq: number;
  readonly entity: number;
  readonly name: string;
}

export interface TunnelInput {
  readonly sequence: number;
  /** `sequence - back` is the oldest input that the client may send again. */
  readonly back: number;
  readonly payload: Uint8Array;
}

/** False, here and below, when the ring is full: nothing was written. */
export function writeTunnelInput(ring: Ring, { sequence, back, payload, ...head }: TunnelHead & TunnelInput): boolean {
  assert(payload.length <= INPUT_BYTES_MAX, 'an input was bounded');
  const sizeBytes = HEAD_BYTES + SEQUENCE_BYTES + payload.length;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  writeHead(ring, at, { ...head, type: TUNNEL.input, byte: back, size: payload.length });
  ring.view.setUint32(at + HEAD_BYTES, sequence, true);
  ring.bytes.set(payload, at + HEAD_BYTES + SEQUENCE_BYTES);
  ring.commit(sizeBytes);
  return true;
}

export function writeTunnelState(
  ring: Ring,
  { state, backlogBytes, viewReset, ...head }: TunnelHead & TunnelState,
): boolean {
  const at = ring.reserve(HEAD_BYTES + 4);
  if (at < 0) return false;
  writeHead(ring, at, { ...head, type: TUNNEL.state, byte: state | (viewReset ? VIEW_RESET : 0), size: 0 });
  ring.view.setUint32(at + HEAD_BYTES, Math.min(backlogBytes, 0xffff_ffff), true);
  ring.commit(HEAD_BYTES + 4);
  return true;
}

export function writeTunnelLeave(ring: Ring, head: TunnelHead): boolean {
  const at = ring.reserve(HEAD_BYTES);
  if (at < 0) return false;
  writeHead(ring, at, { ...head, type: TUNNEL.leave, byte: 0, size: 0 });
  ring.commit(HEAD_BYTES);
  return true;
}

/** A player with an account: whoever has it answers, by a JOIN of this session here or a `route`. */
export function writeTunnelLogin(
  ring: Ring,
  { name, account, ...head }: TunnelHead & { readonly name: string; readonly account: string },
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
  writeHead(ring, at, { ...head, type: TUNNEL.login, byte: nameBytes.length, size: accountBytes.length });
  ring.bytes.set(nameBytes, at + HEAD_BYTES);
  ring.bytes.set(accountBytes, at + HEAD_BYTES + nameBytes.length);
  ring.commit(sizeBytes);
  return true;
}

export function writeTunnelHeard(ring: Ring, head: TunnelHead): boolean {
  const at = ring.reserve(HEAD_BYTES);
  if (at < 0) return false;
  writeHead(ring, at, { ...head, type: TUNNEL.heard, byte: 0, size: 0 });
  ring.commit(HEAD_BYTES);
  return true;
}

/** The session of the head is a new one, for a client that takes up its player again; answered by `resumed`. */
export function writeTunnelResume(
  ring: Ring,
  { from, entity, isRedirect, lastKnownTick, ...head }: TunnelHead & TunnelResume,
): boolean {
  const at = ring.reserve(HEAD_BYTES + RESUME_BYTES);
  if (at < 0) return false;
  writeHead(ring, at, { ...head, type: TUNNEL.resume, byte: isRedirect ? IS_REDIRECT : 0, size: 0 });
  writeId(ring, at + HEAD_BYTES, from);
  writeId(ring, at + HEAD_BYTES + 8, entity);
  ring.view.setUint32(at + HEAD_BYTES + 16, lastKnownTick, true);
  ring.commit(HEAD_BYTES + RESUME_BYTES);
  return true;
}

/** What the peer thread does with each frame of the gateway. Offsets are into the bytes of the ring. */
export interface GatewayFrameVisitor {
  input(head: TunnelHead, input: IntakeInput): void;
  state(head: TunnelHead, state: TunnelState): void;
  leave(head: TunnelHead): void;
  login(head: TunnelHead, player: { name: string; account: string }): void;
  heard(head: TunnelHead): void;
  resume(head: TunnelHead, resume: TunnelResume): void;
}

export function readGatewayFrame({ bytes, view }: Ring, at: number, visitor: GatewayFrameVisitor): void {
  const head = {
    row: view.getUint32(at + 4, true),
    generation: view.getUint32(at + 8, true),
    session: readId(view, at + 12),
  };
  const byte = bytes[at + 1] ?? 0;
  const size = view.getUint16(at + 2, true);
  const body = at + HEAD_BYTES;
  switch (bytes[at]) {
    case TUNNEL.input: {
      const sequence = view.getUint32(body, true);
      return visitor.input(head, { sequence, back: byte, at: body + SEQUENCE_BYTES, sizeBytes: size });
    }
    case TUNNEL.state: {
      const state = (byte & ~VIEW_RESET) as SessionState;
      return visitor.state(head, {
        state,
        backlogBytes: view.getUint32(body, true),
        viewReset: (byte & VIEW_RESET) !== 0,
      });
    }
    case TUNNEL.leave:
      return visitor.leave(head);
    case TUNNEL.login:
      return visitor.login(head, {
        name: decoder.decode(bytes.slice(body, body + byte)),
        account: decoder.decode(bytes.slice(body + byte, body + byte + size)),
      });
    case TUNNEL.heard:
      return visitor.heard(head);
    case TUNNEL.resume:
      return visitor.resume(head, {
        from: readId(view, body),
        entity: readId(view, body + 8),
        isRedirect: byte === IS_REDIRECT,
        lastKnownTick: view.getUint32(body + 16, true),
      });
    default:
      assert(false, `a frame of the gateway has a known type, found ${bytes[at]}`);
  }
}

/**
 * A snapshot that `node` made for a session of this gateway, which drops it when the player has another owner by now.
 * Ring the doorbell after the last one.
 */
export function writeTunnelSnapshot(
  ring: Ring,
  snapshot: {
    readonly row: number;
    readonly generation: number;
    readonly node: number;
    readonly bytes: Uint8Array;
  },
): boolean {
  const { row, generation, node, bytes } = snapshot;
  const sizeBytes = HEAD_BYTES + bytes.length;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  writeHead(ring, at, { row, generation, session: 0, type: TUNNEL.snapshot, byte: node, size: 0 });
  ring.bytes.set(bytes, at + HEAD_BYTES);
  ring.commit(sizeBytes);
  return true;
}

/** The player's owner is now `node`, 0 for this one; `name` is the node's, `seq` the player's ownershipSeq. */
export function writeTunnelRoute(
  ring: Ring,
  route: { readonly row: number; readonly generation: number } & TunnelRoute,
): boolean {
  const { row, generation, node, seq, entity } = route;
  assert(node >= 0 && node <= 0xff, 'a node number is one byte');
  const nameBytes = encoder.encodeInto(route.name, nameScratch).written;
  const sizeBytes = HEAD_BYTES + ROUTE_BYTES + nameBytes;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  writeHead(ring, at, { row, generation, session: 0, type: TUNNEL.route, byte: node, size: nameBytes });
  ring.view.setUint32(at + HEAD_BYTES, seq, true);
  writeId(ring, at + HEAD_BYTES + 4, entity);
  ring.bytes.set(nameScratch.subarray(0, nameBytes), at + HEAD_BYTES + ROUTE_BYTES);
  ring.commit(sizeBytes);
  return true;
}

export function writeTunnelEnded(
  ring: Ring,
  { row, generation, reason }: { readonly row: number; readonly generation: number; readonly reason: EndedReason },
): boolean {
  const at = ring.reserve(HEAD_BYTES);
  if (at < 0) return false;
  const byte = ENDED_REASONS.indexOf(reason);
  writeHead(ring, at, { row, generation, session: 0, type: TUNNEL.ended, byte, size: 0 });
  ring.commit(HEAD_BYTES);
  return true;
}

/** The answer to a `resume`. */
export function writeTunnelResumed(
  ring: Ring,
  { row, generation, ...resumed }: { readonly row: number; readonly generation: number } & TunnelResumed,
): boolean {
  const { outcome, view, node, seq, entity, name } = resumed;
  assert(node >= 0 && node <= NODE_MASK, 'a node number has six bits');
  const nameBytes = encoder.encodeInto(name, nameScratch).written;
  const sizeBytes = HEAD_BYTES + RESUMED_BYTES + nameBytes;
  const at = ring.reserve(sizeBytes);
  if (at < 0) return false;
  const byte = node | (RESUMED_VIEWS.indexOf(view) << VIEW_SHIFT);
  writeHead(ring, at, { row, generation, session: 0, type: TUNNEL.resumed, byte, size: nameBytes });
  const body = at + HEAD_BYTES;
  ring.view.setUint32(body, seq, true);
  writeId(ring, body + 4, entity);
  ring.view.setUint32(body + 12, RESUMED_OUTCOMES.indexOf(outcome), true);
  ring.bytes.set(nameScratch.subarray(0, nameBytes), body + RESUMED_BYTES);
  ring.commit(sizeBytes);
  return true;
}

/** What the gateway does with each frame of the peer thread. Offsets are into the bytes of the ring. */
export interface PeerFrameVisitor {
  snapshot(row: number, generation: number, snapshot: { node: number; at: number; sizeBytes: number }): void;
  route(row: number, generation: number, route: TunnelRoute): void;
  ended(row: number, generation: number, reason: EndedReason): void;
  resumed(row: number, generation: number, resumed: TunnelResumed): void;
}

export function readPeerFrame(
  { bytes, view }: Ring,
  frame: { at: number; sizeBytes: number },
  visitor: PeerFrameVisitor,
): void {
  const { at } = frame;
  const row = view.getUint32(at + 4, true);
  const generation = view.getUint32(at + 8, true);
  const byte = bytes[at + 1] ?? 0;
  const body = at + HEAD_BYTES;
  switch (bytes[at]) {
    case TUNNEL.snapshot:
      return visitor.snapshot(row, generation, { node: byte, at: body, sizeBytes: frame.sizeBytes - HEAD_BYTES });
    case TUNNEL.route: {
      const first = body + ROUTE_BYTES;
      return visitor.route(row, generation, {
        node: byte,
        seq: view.getUint32(body, true),
        entity: readId(view, body + 4),
        name: decoder.decode(bytes.slice(first, first + view.getUint16(at + 2, true))),
      });
    }
    case TUNNEL.ended: {
      const reason = ENDED_REASONS[byte];
      assert(reason !== undefined, `a session ends for a known reason, found ${byte}`);
      return visitor.ended(row, generation, reason);
    }
    case TUNNEL.resumed: {
      const found = RESUMED_VIEWS[byte >> VIEW_SHIFT];
      assert(found !== undefined, 'what is left of a view is known');
      const first = body + RESUMED_BYTES;
      return visitor.resumed(row, generation, {
        outcome: RESUMED_OUTCOMES[view.getUint32(body + 12, true)] ?? 'unknown',
        view: found,
        node: byte & NODE_MASK,
        seq: view.getUint32(body, true),
        entity: readId(view, body + 4),
        name: decoder.decode(bytes.slice(first, first + view.getUint16(at + 2, true))),
      });
    }
    default:
      assert(false, `a frame of the peer thread has a known type, found ${bytes[at]}`);
  }
}

/** `encodeInto` stops at a whole character, so that a long name is cut to valid UTF-8. */
const nameScratch = new Uint8Array(NODE_NAME_BYTES_MAX);

function writeHead(
  { bytes, view }: Ring,
  at: number,
  head: TunnelHead & { readonly type: number; readonly byte: number; readonly size: number },
): void {
  bytes[at] = head.type;
  bytes[at + 1] = head.byte;
  view.setUint16(at + 2, head.size, true);
  view.setUint32(at + 4, head.row, true);
  view.setUint32(at + 8, head.generation, true);
  view.setUint32(at + 12, head.session % LOW_RANGE, true);
  view.setUint32(at + 16, Math.floor(head.session / LOW_RANGE), true);
}

function writeId({ view }: Ring, at: number, id: number): void {
  view.setUint32(at, id % LOW_RANGE, true);
  view.setUint32(at + 4, Math.floor(id / LOW_RANGE), true);
}

function readId(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * LOW_RANGE;
}
