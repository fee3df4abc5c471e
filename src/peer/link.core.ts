/**
 * One connection between two nodes, without its socket.
 *
 *   dialer     hello ──HELLO_OK, admitted──▶ up ──────────────────────▶ closed
 *   acceptor   waiting ──HELLO, admitted──▶ agreed ──any frame──▶ up ──▶ closed
 *
 *   dialer                                       acceptor
 *     │ ── HELLO (range, nonce, who, whom) ──────▶ │  asks the table of links; answers HELLO_OK or CLOSE
 *     │ ◀───────── HELLO_OK (version, nonce, who)  │  agreed
 *     │ ── PING ─────────────────────────────────▶ │  up: the dialer agrees too
 *    up ◀──── DATA, PING, PONG, ACK, CLOSE ─────▶  up
 *
 * Everything that ends a link is a LinkError with a code. What this node finds wrong it tells the peer with CLOSE before the
 * socket goes. Invariant: from HELLO_OK on, a frame counts only if it names both incarnations, comes exactly in sequence,
 * acknowledges nothing that was not sent, and its checksum was begun with the seed of both nonces.
 */
import { assert, unreachable } from '../base/assert.ts';
import { createDetector, heard, heardHeartbeat, isSilent, resumeDetector } from './link-detector.core.ts';
import type { DetectorOptions, DetectorState } from './link-detector.core.ts';
import { LinkError, isLinkErrorCode } from './link-error.ts';
import { FRAME_TYPE, nextSequence, sequenceDistance } from './link-frame.wire.ts';
import type { FrameHeader, FrameType } from './link-frame.wire.ts';
import {
  checksumSeed,
  decodeClose,
  decodeHello,
  decodePing,
  encodeClose,
  encodeHello,
  encodePing,
} from './link-hello.wire.ts';
import type { Hello, LinkPeer, ProtocolRange } from './link-hello.wire.ts';
import { addRoundTrip, createRoundTrip } from './link-round-trip.core.ts';
import type { RoundTripState } from './link-round-trip.core.ts';

/** PINGs whose PONG is awaited; older ones are forgotten. */
const PINGS_MAX = 64;

export interface LinkOptions {
  readonly role: 'dialer' | 'acceptor';
  readonly me: LinkPeer;
  readonly cluster: string;
  readonly protocol: ProtocolRange;
  readonly windows: readonly number[];
  readonly nonce: number;
  readonly detector: DetectorOptions;
  /** From the start to HELLO_OK, or to the first frame after it. */
  readonly helloMs: number;
  /** Whom the dialer means to reach; incarnation 0 when any will do. */
  readonly target: { readonly name: string; readonly incarnation: number } | undefined;
  /** Names in the peer's certificate; undefined without TLS. */
  readonly certificateNames: readonly string[] | undefined;
}

export interface LinkState {
  readonly options: LinkOptions;
  phase: 'waiting' | 'hello' | 'agreed' | 'up' | 'closed';
  hello: Hello | undefined;
  protocol: number;
  /** Of the last frame sent and heard, 0 before the first. */
  sent: number;
  heard: number;
  startedMs: number;
  detector: DetectorState;
  roundTrip: RoundTripState;
  lastPingMs: number;
  lastPing: number;
  readonly pingsSentMs: Map<number, number>;
}

export type LinkEvent =
  /** The socket is there (and its TLS handshake done). */
  | { readonly kind: 'open'; readonly nowMs: number }
  | { readonly kind: 'frame'; readonly header: FrameHeader; readonly payload: Buffer; readonly nowMs: number }
  /** The table of links answers `ask`. `detector`: what was learnt on an earlier link to the same incarnation. */
  | {
      readonly kind: 'verdict';
      readonly refusal: LinkError | undefined;
      readonly detector?: DetectorState | undefined;
      readonly nowMs: number;
    }
  | { readonly kind: 'time'; readonly nowMs: number }
  /** This node ends the link: malformed bytes, a fence, its own stop. */
  | { readonly kind: 'close'; readonly error: LinkError }
  /** The socket is gone. */
  | { readonly kind: 'lost'; readonly error: LinkError };

export type LinkEffect =
  | { readonly kind: 'send'; readonly type: FrameType; readonly payload: Buffer }
  /** Frames that are sent and heard from now on begin their checksum with this. */
  | { readonly kind: 'seed'; readonly seed: number }
  | { readonly kind: 'ask'; readonly hello: Hello }
  | { readonly kind: 'up'; readonly peer: LinkPeer; readonly protocol: number }
  /** Credit for everything up to here. */
  | { readonly kind: 'acknowledged'; readonly sequence: number }
  | { readonly kind: 'data'; readonly header: FrameHeader; readonly payload: Buffer }
  /** The last effect of a link: the socket goes, after what was sent. */
  | { readonly kind: 'end'; readonly error: LinkError; readonly wasUp: boolean };

export function createLink(options: LinkOptions, nowMs: number): LinkState {
  return {
    options,
    phase: options.role === 'dialer' ? 'hello' : 'waiting',
    hello: undefined,
    protocol: 0,
    sent: 0,
    heard: 0,
    startedMs: nowMs,
    detector: createDetector(options.detector, nowMs),
    roundTrip: createRoundTrip(),
    lastPingMs: nowMs,
    lastPing: 0,
    pingsSentMs: new Map(),
  };
}

export function step(state: LinkState, event: LinkEvent, effects: LinkEffect[]): void {
  // What comes after the end is the echo of a connection that is being closed.
  if (state.phase === 'closed') return;
  try {
    switch (event.kind) {
      case 'open':
        return opened(state, event.nowMs, effects);
      case 'frame':
        return tookFrame(state, event, effects);
      case 'verdict':
        return judged(state, event, effects);
      case 'time':
        return timePassed(state, event.nowMs, effects);
      case 'close':
        return close(state, event.error, effects);
      case 'lost':
        return end(state, event.error, effects);
      default:
        unreachable(event);
    }
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    close(state, error, effects);
  }
}

/** The target of frames to the peer: 0 while it is not known. */
export function targetIncarnation(state: LinkState): number {
  return state.hello?.peer.incarnation ?? state.options.target?.incarnation ?? 0;
}

function opened(state: LinkState, nowMs: number, effects: LinkEffect[]): void {
  state.startedMs = nowMs;
  if (state.options.role === 'dialer') sendHello(state, state.options.protocol, effects);
}

function sendHello(state: LinkState, protocol: ProtocolRange, effects: LinkEffect[]): void {
  const { me, role, target, cluster, nonce, windows } = state.options;
  const hello: Hello = { protocol, nonce, peer: me, windows, targetName: target?.name ?? '', cluster };
  const type = role === 'dialer' ? FRAME_TYPE.hello : FRAME_TYPE.helloOk;
  effects.push({ kind: 'send', type, payload: encodeHello(hello) });
}

function tookFrame(state: LinkState, event: LinkEvent & { kind: 'frame' }, effects: LinkEffect[]): void {
  const { header, payload, nowMs } = event;
  checkOrder(state, header);
  if (header.type === FRAME_TYPE.close) return closedByPeer(state, payload, effects);
  if (state.phase === 'waiting') return tookHello(state, event, FRAME_TYPE.hello, effects);
  if (state.phase === 'hello') return tookHello(state, event, FRAME_TYPE.helloOk, effects);
  checkSession(state, header);
  heard(state.detector, nowMs);
  if (state.phase === 'agreed') goUp(state, nowMs, effects);
  effects.push({ kind: 'acknowledged', sequence: header.acknowledged });
  switch (header.type) {
    case FRAME_TYPE.data:
      effects.push({ kind: 'data', header, payload });
      return;
    case FRAME_TYPE.ping:
      heardHeartbeat(state.detector, state.options.detector, nowMs);
      effects.push({ kind: 'send', type: FRAME_TYPE.pong, payload: encodePing(decodePing(payload)) });
      return;
    case FRAME_TYPE.pong:
      return tookPong(state, decodePing(payload), nowMs);
    case FRAME_TYPE.acknowledge:
      if (payload.length !== 0) throw new LinkError('ERR_LINK_RANGE', 'an acknowledgement has no payload');
      return;
    case FRAME_TYPE.hello:
    case FRAME_TYPE.helloOk:
      throw new LinkError('ERR_LINK_UNEXPECTED', `a frame of type ${header.type} on a link that is up`);
    default:
      unreachable(header.type);
  }
}

function checkOrder(state: LinkState, header: FrameHeader): void {
  const expected = nextSequence(state.heard);
  const ahead = sequenceDistance(header.sequence, expected);
  if (ahead < 0) throw new LinkError('ERR_LINK_REPLAYED', `frame ${expected} is due, ${header.sequence} came again`);
  if (ahead > 0) throw new LinkError('ERR_LINK_OUT_OF_ORDER', `frame ${expected} is due, ${header.sequence} came`);
  state.heard = expected;
}

function checkSession(state: LinkState, header: FrameHeader): void {
  const [source, target] = [state.hello!.peer.incarnation, state.options.me.incarnation];
  if (header.source === source && header.target === target) return;
  throw new LinkError(
    'ERR_LINK_SESSION',
    `this link is from incarnation ${source} to ${target}, the frame from ${header.source} to ${header.target}`,
  );
}

function tookHello(
  state: LinkState,
  { header, payload }: LinkEvent & { kind: 'frame' },
  expectedType: FrameType,
  effects: LinkEffect[],
): void {
  if (header.type !== expectedType) {
    throw new LinkError('ERR_LINK_UNEXPECTED', `a link begins with frame type ${expectedType}, found ${header.type}`);
  }
  const { me, role, cluster, nonce } = state.options;
  const hello = decodeHello(payload, header.source);
  if (role === 'dialer') {
    const seed = checksumSeed({ dialer: nonce, acceptor: hello.nonce });
    effects.push({ kind: 'seed', seed });
  }
  if (hello.cluster !== cluster) {
    throw new LinkError(
      'ERR_LINK_CLUSTER',
      `this is cluster "${cluster}", ${hello.peer.name} is of "${hello.cluster}"`,
    );
  }
  const isAnyTarget = role === 'acceptor' && header.target === 0;
  if (!isAnyTarget && header.target !== me.incarnation) {
    throw new LinkError(
      'ERR_LINK_INCARNATION',
      `${hello.peer.name} wants incarnation ${header.target} of ${me.name}, this is ${me.incarnation}`,
    );
  }
  checkWho(state, hello);
  state.protocol = negotiate(state.options.protocol, hello.protocol);
  state.hello = hello;
  effects.push({ kind: 'ask', hello });
}

function checkWho(state: LinkState, hello: Hello): void {
  const { me, target, certificateNames } = state.options;
  const { name, incarnation } = hello.peer;
  if (hello.targetName !== '' && hello.targetName !== me.name) {
    throw new LinkError('ERR_LINK_IDENTITY', `${name} wants to reach ${hello.targetName}, this is ${me.name}`);
  }
  if (certificateNames !== undefined && !certificateNames.includes(name)) {
    throw new LinkError(
      'ERR_LINK_CERTIFICATE_NAME',
      `the peer calls itself ${name}, its certificate is for ${certificateNames.join(', ') || 'nobody'}`,
    );
  }
  if (target === undefined) return;
  if (target.name !== '' && target.name !== name) {
    throw new LinkError('ERR_LINK_IDENTITY', `${target.name} was dialled, ${name} answered`);
  }
  if (target.incarnation !== 0 && target.incarnation !== incarnation) {
    throw new LinkError(
      'ERR_LINK_INCARNATION',
      `incarnation ${target.incarnation} of ${name} was dialled, ${incarnation} answered`,
    );
  }
}

/** The highest version that both speak, so that two adjacent releases understand each other. */
export function negotiate(mine: ProtocolRange, theirs: ProtocolRange): number {
  const version = Math.min(mine.max, theirs.max);
  if (version >= Math.max(mine.min, theirs.min)) return version;
  throw new LinkError(
    'ERR_LINK_PROTOCOL',
    `this node speaks protocol ${mine.min} to ${mine.max}, the peer ${theirs.min} to ${theirs.max}; update the older one`,
  );
}

function judged(state: LinkState, event: LinkEvent & { kind: 'verdict' }, effects: LinkEffect[]): void {
  assert(state.hello !== undefined, 'a verdict follows a HELLO');
  if (event.refusal !== undefined) throw event.refusal;
  if (event.detector !== undefined) state.detector = event.detector;
  resumeDetector(state.detector, event.nowMs);
  if (state.options.role === 'dialer') {
    goUp(state, event.nowMs, effects);
    return;
  }
  state.phase = 'agreed';
  sendHello(state, { min: state.protocol, max: state.protocol }, effects);
  const seed = checksumSeed({ dialer: state.hello.nonce, acceptor: state.options.nonce });
  effects.push({ kind: 'seed', seed });
}

function goUp(state: LinkState, nowMs: number, effects: LinkEffect[]): void {
  state.phase = 'up';
  // At once: it tells the acceptor that the dialer agrees, and gives the first round trip.
  sendPing(state, nowMs, effects);
  effects.push({ kind: 'up', peer: state.hello!.peer, protocol: state.protocol });
}

function sendPing(state: LinkState, nowMs: number, effects: LinkEffect[]): void {
  state.lastPing = nextSequence(state.lastPing);
  state.lastPingMs = nowMs;
  state.pingsSentMs.set(state.lastPing, nowMs);
  if (state.pingsSentMs.size > PINGS_MAX) state.pingsSentMs.delete(state.pingsSentMs.keys().next().value!);
  effects.push({ kind: 'send', type: FRAME_TYPE.ping, payload: encodePing(state.lastPing) });
}

function tookPong(state: LinkState, number: number, nowMs: number): void {
  const sentMs = state.pingsSentMs.get(number);
  // A PONG of a PING that was forgotten tells nothing.
  if (sentMs === undefined) return;
  state.pingsSentMs.delete(number);
  addRoundTrip(state.roundTrip, nowMs - sentMs);
}

function timePassed(state: LinkState, nowMs: number, effects: LinkEffect[]): void {
  const { helloMs, detector } = state.options;
  if (state.phase !== 'up') {
    if (nowMs - state.startedMs < helloMs) return;
    throw new LinkError(
      'ERR_LINK_HELLO_TIMEOUT',
      `no agreement within ${helloMs} ms, the link is still "${state.phase}"`,
    );
  }
  if (isSilent(state.detector, detector, nowMs)) {
    const silentMs = Math.round(nowMs - state.detector.lastHeardMs);
    throw new LinkError('ERR_LINK_SILENT', `nothing heard of ${state.hello!.peer.name} for ${silentMs} ms`);
  }
  if (nowMs - state.lastPingMs >= detector.heartbeatMs) sendPing(state, nowMs, effects);
}

function closedByPeer(state: LinkState, payload: Buffer, effects: LinkEffect[]): void {
  const { code, reason } = decodeClose(payload);
  // A newer release may know more codes.
  const known = isLinkErrorCode(code) ? code : 'ERR_LINK_CLOSED';
  end(state, new LinkError(known, reason, { isFromPeer: true }), effects);
}

function close(state: LinkState, error: LinkError, effects: LinkEffect[]): void {
  const payload = encodeClose({ code: error.code, reason: error.message });
  effects.push({ kind: 'send', type: FRAME_TYPE.close, payload });
  end(state, error, effects);
}

function end(state: LinkState, error: LinkError, effects: LinkEffect[]): void {
  const wasUp = state.phase === 'up';
  state.phase = 'closed';
  effects.push({ kind: 'end', error, wasUp });
}
