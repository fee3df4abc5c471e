/**
 * Which connection counts, when the next one is made, and where to: the decisions of link.ts.
 *
 *               ┌───────────── retry, hint ───────────────┐
 *               ▼                                         │
 *   idle ──▶ dialing ──welcome──▶ online ──ended──▶ waiting
 *               │                   │  ▲
 *               └─ended─▶ waiting   │  └─ first snapshot on `next`: it is `current`, the old one is closed (1000)
 *                                   └─ handoverStart: `next` is dialled beside `current`
 *
 *   any ── close, or refused for good ──▶ closed
 *
 * Gateways are tried in rounds, first the one that was lost. While another is known a dead one costs a moment: the first
 * round goes quickly, the delays grow from round to round. With one gateway each try is a round.
 *
 * Invariant: events of a connection that is neither `current` nor `next` change nothing. A redirect that fails changes
 * nothing either; only when `current` ended meanwhile is the session resumed as after any loss.
 */
import { CLOSE_CODE } from '../wire/messages.ts';
import { backoffDelayMs, isFinal } from './backoff.core.ts';
import type { BackoffOptions } from './backoff.core.ts';
import { ClientError } from './errors.ts';

/** Before another gateway is tried; random, so that not all clients of a dead one come in the same instant. */
export const QUICK_MS_MAX = 250;
/** For the new connection of a redirect to be welcomed, and then for its first snapshot. */
export const REDIRECT_MS_MAX = 4000;
/** For a gateway to take the connection: the first to be tried again of several, or the only one. */
export const DIAL_MS_MAX = 10_000;
export const DIAL_QUICK_MS_MAX = 3000;
/** A session that is said to be replaced so soon after a redirect failed was taken by that redirect: by ourselves. */
const REDIRECT_ECHO_MS_MAX = 10_000;
/** The user's and the server's together. */
export const GATEWAYS_KNOWN_MAX = 32;
/** Connections in a row that ended with bytes we cannot read; then the server is not one of ours. */
const UNREADABLE_MAX = 3;

/** Numbers a connection; 0 is none. */
export type SocketNumber = number;

export interface LinkState {
  readonly phase: 'idle' | 'dialing' | 'online' | 'waiting' | 'closed';
  readonly current: SocketNumber;
  /** Of a redirect. */
  readonly next: SocketNumber;
  readonly lastSocket: SocketNumber;
  /** Where `current` is or was, then the others in the order of trying. */
  readonly gateways: readonly string[];
  /** Where `next` is. */
  readonly nextUrl: string;
  readonly resumeToken: string;
  /** In this round: how many gateways were tried. */
  readonly place: number;
  readonly round: number;
  /** Since the loss. */
  readonly attempt: number;
  readonly lostMs: number;
  readonly redirectFailedMs: number;
  /** What ended `current` while `next` was on its way. */
  readonly loss: Loss | undefined;
  readonly unreadableCount: number;
  /** The server refused this computer's clock: it is measured before each hello. */
  readonly measuresClock: boolean;
}

export interface LinkRules {
  readonly backoff: BackoffOptions;
  /** Whether a clock that is refused is measured and corrected. */
  readonly correctsClock: boolean;
}

/** Why a connection is over. */
export interface Loss {
  /** The WebSocket close code, or 0 when this side gave it up. */
  readonly closeCode: number;
  readonly error: ClientError;
  /** This computer slept, or the network changed: nothing speaks against trying at once. */
  readonly isPrompt?: boolean;
}

export type LinkEvent =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'welcome';
      readonly socket: SocketNumber;
      readonly resumed: boolean;
      readonly resumeToken: string;
      readonly gateways: readonly string[];
    }
  | { readonly kind: 'snapshot'; readonly socket: SocketNumber }
  | {
      readonly kind: 'handoverStart';
      readonly socket: SocketNumber;
      readonly url: string;
      readonly token: string;
      readonly validMs: number;
    }
  | { readonly kind: 'ended'; readonly socket: SocketNumber; readonly loss: Loss }
  | { readonly kind: 'timer'; readonly timer: LinkTimer }
  /** The network is back, the page is shown, the computer woke: trying again may help now. */
  | { readonly kind: 'hint' }
  | { readonly kind: 'close'; readonly error: ClientError | undefined };

export type LinkTimer = 'retry' | 'redirect';

export type LinkEffect =
  | {
      readonly kind: 'dial';
      readonly socket: SocketNumber;
      readonly url: string;
      readonly resumeToken: string;
      readonly isRedirect: boolean;
      readonly measuresClock: boolean;
      readonly dialMs: number;
    }
  | { readonly kind: 'hangUp'; readonly socket: SocketNumber; readonly closeCode: number; readonly saysBye: boolean }
  /** `next` is `current` now. */
  | { readonly kind: 'promote'; readonly socket: SocketNumber }
  | { readonly kind: 'setTimer'; readonly timer: LinkTimer; readonly delayMs: number }
  | { readonly kind: 'clearTimer'; readonly timer: LinkTimer }
  | { readonly kind: 'redirectFailed' }
  | { readonly kind: 'online'; readonly resumed: boolean }
  | { readonly kind: 'reconnecting'; readonly attempt: number; readonly delayMs: number; readonly loss: Loss }
  | { readonly kind: 'closed'; readonly error: ClientError | undefined };

/** Time and chance, as values. */
export interface Moment {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export function createLinkState(urls: readonly string[], resumeToken: string): LinkState {
  return {
    phase: 'idle',
    current: 0,
    next: 0,
    lastSocket: 0,
    gateways: [...new Set(urls)].slice(0, GATEWAYS_KNOWN_MAX),
    nextUrl: '',
    resumeToken,
    place: 0,
    round: 0,
    attempt: 0,
    lostMs: 0,
    redirectFailedMs: Number.NEGATIVE_INFINITY,
    loss: undefined,
    unreadableCount: 0,
    measuresClock: false,
  };
}

export class LinkCore {
  state: LinkState;
  readonly #rules: LinkRules;

  constructor(state: LinkState, rules: LinkRules) {
    this.state = state;
    this.#rules = rules;
  }

  step(event: LinkEvent, moment: Moment): LinkEffect[] {
    const effects: LinkEffect[] = [];
    this.state = step(this.state, event, { rules: this.#rules, moment, effects });
    return effects;
  }
}

interface Step {
  readonly rules: LinkRules;
  readonly moment: Moment;
  readonly effects: LinkEffect[];
}

export function step(state: LinkState, event: LinkEvent, at: Step): LinkState {
  // Connection 0 is none, and not the one that is missing.
  if (state.phase === 'closed' || ('socket' in event && event.socket === 0)) return state;
  switch (event.kind) {
    case 'open':
      return state.phase === 'idle' ? dial(state, at) : state;
    case 'welcome':
      if (event.socket === state.current) return welcomed(state, event, at);
      return event.socket === state.next ? redirectWelcomed(state, event, at) : state;
    case 'snapshot':
      if (event.socket === state.next) return promote(state, at);
      return event.socket === state.current && state.unreadableCount > 0 ? { ...state, unreadableCount: 0 } : state;
    case 'handoverStart':
      return event.socket === state.current && state.phase === 'online' ? redirect(state, event, at) : state;
    case 'ended':
      return ended(state, event, at);
    case 'timer':
      if (event.timer === 'retry') return state.phase === 'waiting' ? dial(state, at) : state;
      return state.next === 0 ? state : failRedirect(hangUp(state, state.next, at), at);
    case 'hint':
      if (state.phase !== 'waiting') return state;
      at.effects.push({ kind: 'clearTimer', timer: 'retry' });
      return dial({ ...state, place: 0 }, at);
    case 'close':
      return close(state, event.error, at);
  }
}

function dial(state: LinkState, { effects }: Step): LinkState {
  const socket = state.lastSocket + 1;
  const url = state.gateways[state.place] ?? state.gateways[0] ?? '';
  const { resumeToken, measuresClock } = state;
  const dialMs = state.gateways.length > 1 ? DIAL_QUICK_MS_MAX : DIAL_MS_MAX;
  effects.push({ kind: 'dial', socket, url, resumeToken, isRedirect: false, measuresClock, dialMs });
  return { ...state, phase: 'dialing', current: socket, lastSocket: socket };
}

function welcomed(
  state: LinkState,
  { resumed, resumeToken, gateways }: Extract<LinkEvent, { kind: 'welcome' }>,
  { effects }: Step,
): LinkState {
  effects.push({ kind: 'online', resumed });
  const url = state.gateways[state.place] ?? '';
  const known = knownGateways([url, ...state.gateways, ...gateways]);
  return { ...state, phase: 'online', resumeToken, gateways: known, place: 0, round: 0, attempt: 0, loss: undefined };
}

/** The session went there; from now on only its token opens it. But what is shown goes on until the first snapshot. */
function redirectWelcomed(
  state: LinkState,
  { resumed, resumeToken, gateways }: Extract<LinkEvent, { kind: 'welcome' }>,
  at: Step,
): LinkState {
  if (!resumed) {
    // It took us for somebody new, whom nobody needs.
    at.effects.push({ kind: 'hangUp', socket: state.next, closeCode: CLOSE_CODE.normal, saysBye: true });
    return failRedirect(state, at);
  }
  at.effects.push({ kind: 'setTimer', timer: 'redirect', delayMs: REDIRECT_MS_MAX });
  return { ...state, resumeToken, gateways: knownGateways([...state.gateways, ...gateways]) };
}

function redirect(
  state: LinkState,
  { url, token, validMs }: Extract<LinkEvent, { kind: 'handoverStart' }>,
  at: Step,
): LinkState {
  const before = state.next === 0 ? state : failRedirect(hangUp(state, state.next, at), at);
  if (before.phase !== 'online') return before;
  if (!isSafe(url, state.gateways[0])) {
    at.effects.push({ kind: 'redirectFailed' });
    return before;
  }
  const socket = before.lastSocket + 1;
  const dialMs = Math.min(validMs, REDIRECT_MS_MAX);
  const { measuresClock } = before;
  at.effects.push({ kind: 'dial', socket, url, resumeToken: token, isRedirect: true, measuresClock, dialMs });
  at.effects.push({ kind: 'setTimer', timer: 'redirect', delayMs: dialMs });
  return { ...before, next: socket, nextUrl: url, lastSocket: socket };
}

function promote(state: LinkState, at: Step): LinkState {
  at.effects.push({ kind: 'clearTimer', timer: 'redirect' });
  at.effects.push({ kind: 'promote', socket: state.next });
  if (state.current !== 0) hangUp(state, state.current, at);
  const gateways = knownGateways([state.nextUrl, ...state.gateways]);
  return { ...state, current: state.next, next: 0, nextUrl: '', gateways, loss: undefined };
}

/** Back to `current`, if it is still there. */
function failRedirect(state: LinkState, at: Step): LinkState {
  at.effects.push({ kind: 'clearTimer', timer: 'redirect' }, { kind: 'redirectFailed' });
  const after = { ...state, next: 0, nextUrl: '', redirectFailedMs: at.moment.nowMs };
  return state.current === 0 && state.loss !== undefined ? lose(after, state.loss, at) : after;
}

function ended(state: LinkState, { socket, loss }: Extract<LinkEvent, { kind: 'ended' }>, at: Step): LinkState {
  if (socket === state.next) return failRedirect(state, at);
  if (socket !== state.current) return state;
  const after = { ...state, current: 0 };
  // The session moved, or its old gateway died: the new connection is already on its way.
  if (state.next !== 0) return { ...after, loss };
  return lose(after, loss, at);
}

function lose(state: LinkState, loss: Loss, at: Step): LinkState {
  const { error } = loss;
  const isEcho =
    loss.closeCode === CLOSE_CODE.replaced && at.moment.nowMs - state.redirectFailedMs < REDIRECT_ECHO_MS_MAX;
  const closeCode = isEcho ? CLOSE_CODE.moved : loss.closeCode;
  const { backoff, correctsClock } = at.rules;
  const isUnreadable = error.code === 'ERR_CLIENT_PROTOCOL';
  const unreadableCount = state.unreadableCount + (isUnreadable ? 1 : 0);
  if (isFinal(closeCode)) return close(state, refused(loss), at);
  if (isForGood(error) || unreadableCount >= UNREADABLE_MAX) return close(state, error, at);
  const isClockRefused = closeCode === CLOSE_CODE.clockSkew;
  if (isClockRefused && !correctsClock) {
    return close(state, clockRefused(loss), at);
  }
  const { attempt, phase } = state;
  const { random, nowMs } = at.moment;
  const isFirst = phase === 'online' || attempt === 0;
  // The gateway that was lost comes first, then those that were not tried in this round.
  const place = phase === 'online' ? 0 : (state.place + 1) % state.gateways.length;
  const round = phase === 'online' || attempt === 0 ? 0 : state.round + (place === 0 ? 1 : 0);
  const measuresNow = isClockRefused && !state.measuresClock;
  const delayMs =
    measuresNow || (loss.isPrompt === true && phase === 'online')
      ? 0
      : retryDelayMs({ place, round, gatewayCount: state.gateways.length }, { closeCode, random, backoff, phase });
  at.effects.push({ kind: 'setTimer', timer: 'retry', delayMs });
  at.effects.push({ kind: 'reconnecting', attempt, delayMs, loss });
  return {
    ...state,
    phase: 'waiting',
    current: 0,
    place: measuresNow ? state.place : place,
    round,
    attempt: attempt + 1,
    lostMs: isFirst ? nowMs : state.lostMs,
    loss: undefined,
    unreadableCount,
    measuresClock: state.measuresClock || isClockRefused,
  };
}

function retryDelayMs(
  { place, round, gatewayCount }: { place: number; round: number; gatewayCount: number },
  options: { closeCode: number; random: number; backoff: BackoffOptions; phase: LinkState['phase'] },
): number {
  const quickMs = Math.min(QUICK_MS_MAX, options.backoff.minMs) * options.random;
  if (gatewayCount === 1) return backoffDelayMs(round, options);
  return round === 0 || place > 0 ? quickMs : backoffDelayMs(round - 1, options);
}

function close(state: LinkState, error: ClientError | undefined, at: Step): LinkState {
  const closeCode = error === undefined ? CLOSE_CODE.normal : CLOSE_CODE.malformed;
  for (const socket of [state.current, state.next]) {
    const saysBye = error === undefined && state.phase === 'online';
    if (socket !== 0) at.effects.push({ kind: 'hangUp', socket, closeCode, saysBye });
  }
  at.effects.push({ kind: 'clearTimer', timer: 'retry' }, { kind: 'clearTimer', timer: 'redirect' });
  at.effects.push({ kind: 'closed', error });
  return { ...state, phase: 'closed', current: 0, next: 0 };
}

function hangUp(state: LinkState, socket: SocketNumber, { effects }: Step): LinkState {
  effects.push({ kind: 'hangUp', socket, closeCode: CLOSE_CODE.normal, saysBye: false });
  return state;
}

function clockRefused({ error, closeCode }: Loss): ClientError {
  const { message, serverError } = error;
  return new ClientError('ERR_CLIENT_CLOCK', message, { serverError, closeCode, cause: error });
}

function refused({ error, closeCode }: Loss): ClientError {
  const { message, serverError } = error;
  return new ClientError('ERR_CLIENT_REFUSED', message, { serverError, closeCode, cause: error });
}

/** Trying again would end the same way. */
function isForGood({ code }: ClientError): boolean {
  return code === 'ERR_CLIENT_SCHEMA' || code === 'ERR_CLIENT_ENVIRONMENT' || code === 'ERR_CLIENT_CLOCK';
}

/** The server's word is not enough to go from an encrypted connection to an open one. */
function isSafe(url: string, from: string | undefined): boolean {
  return url.startsWith('wss://') || (url.startsWith('ws://') && from?.startsWith('wss:') !== true);
}

function knownGateways(urls: readonly string[]): string[] {
  const [first] = urls;
  return [...new Set(urls)].filter((url) => url === first || isSafe(url, first)).slice(0, GATEWAYS_KNOWN_MAX);
}
