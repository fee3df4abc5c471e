/**
 * Keeps one session connected: carries out what link.core.ts decides, with one WebSocket or, during a redirect, two.
 *
 * Invariant: only the messages of the current connection reach the owner. Of the next one the welcome and the handover
 * wait for its first snapshot; of one that was given up nothing is heard.
 */
import type { Schema } from '../base/schema.ts';
import { viewHash } from '../base/view-hash.ts';
import { PROTOCOL_VERSION } from '../wire/messages.ts';
import type { ClientMessage, ClientMode, Handover, Welcome } from '../wire/messages.ts';
import type { BackoffOptions } from './backoff.core.ts';
import { ServerClock } from './clock.core.ts';
import { ClientError } from './errors.ts';
import { createLinkState, LinkCore } from './link.core.ts';
import type { LinkEffect, LinkEvent, LinkTimer, Loss } from './link.core.ts';
import { BINARY_FORMAT, loadJsonFormat } from './message-format.ts';
import { SocketSession } from './socket-session.ts';
import type { OtherMessage, SnapshotSource, SocketSessionOptions } from './socket-session.ts';
import type { SocketConstructor } from './socket.ts';

export type ClientStatus =
  | { readonly kind: 'connecting' }
  /** `resumed`: the session goes on; else it is a fresh one. */
  | { readonly kind: 'online'; readonly resumed: boolean }
  | {
      readonly kind: 'reconnecting';
      /** 0 for the first try after the loss. */
      readonly attempt: number;
      readonly nextTryInMs: number;
      /** How long ago the connection was lost, in milliseconds. */
      readonly sinceMs: number;
      readonly error: ClientError;
    }
  /** `error` is undefined when this side closed. */
  | { readonly kind: 'closed'; readonly error: ClientError | undefined };

export interface LinkOptions {
  readonly urls: readonly string[];
  readonly name: string;
  readonly token: string;
  readonly resumeToken: string;
  readonly mode: ClientMode;
  readonly format: 'binary' | 'json';
  /** Of the world module; without it the schema comes with the welcome. */
  readonly schema: Schema | undefined;
  readonly socketConstructor: SocketConstructor;
  readonly backoff: BackoffOptions;
  readonly correctsClock: boolean;
  /** Local milliseconds, monotonic. */
  readonly now: () => number;
  readonly utcNow: () => number;
  readonly random: () => number;
}

/** What the link tells its owner. */
export interface LinkOwner {
  /** `isSwitch`: of a redirect, whose first snapshot follows at once. */
  welcome(welcome: Welcome, schema: Schema, options: { readonly isSwitch: boolean }): void;
  /**
   * @returns false when it does not fit what is in view.
   * @throws WireError or ClientError when it cannot be read.
   */
  snapshot(source: SnapshotSource, receivedMs: number): boolean;
  /** Already acknowledged. */
  handover(handover: Handover): void;
  status(status: ClientStatus): void;
  /** What resumes this session now. */
  token(resumeToken: string): void;
  /** The clock has another sample. */
  measured(): void;
  /** Of the last snapshot in view, as the server counts; 0 for none. */
  lastKnownTick(): number;
}

/** Of the connection that a redirect opened, until its first snapshot. */
interface Arrival {
  welcome: Welcome | undefined;
  handover: Handover | undefined;
}

export class Link {
  readonly clock = new ServerClock();
  status: ClientStatus = { kind: 'connecting' };
  readonly traffic = { bytesIn: 0, messagesIn: 0, messagesOut: 0 };
  redirects = 0;
  redirectsFailed = 0;
  readonly #options: LinkOptions;
  readonly #owner: LinkOwner;
  readonly #core: LinkCore;
  readonly #sessions = new Map<number, SocketSession>();
  readonly #timers = new Map<LinkTimer, ReturnType<typeof setTimeout>>();
  readonly #events: LinkEvent[] = [];
  #format: SocketSessionOptions['format'] = BINARY_FORMAT;
  #isStepping = false;
  #schema: Schema | undefined;
  #current: SocketSession | undefined;
  #arrival: Arrival = { welcome: undefined, handover: undefined };

  constructor(options: LinkOptions, owner: LinkOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#schema = options.schema;
    const { backoff, correctsClock, urls, resumeToken } = options;
    this.#core = new LinkCore(createLinkState(urls, resumeToken), { backoff, correctsClock });
  }

  get resumeToken(): string {
    return this.#core.state.resumeToken;
  }

  /** The URLs that are tried after a loss; the first is or was in use. */
  get gateways(): readonly string[] {
    return this.#core.state.gateways;
  }

  open(): void {
    if (this.#options.format === 'binary') return this.#step({ kind: 'open' });
    loadJsonFormat().then(
      (format) => {
        this.#format = format;
        this.#step({ kind: 'open' });
      },
      (cause: unknown) => this.#fail(`JSON cannot be loaded: ${String(cause)}`, cause),
    );
  }

  /** False when there is no connection to send on. */
  send(message: ClientMessage): boolean {
    return this.status.kind === 'online' && this.#current?.send(message) === true;
  }

  /** Leaves the world for good. */
  close(): void {
    this.#step({ kind: 'close', error: undefined });
  }

  /** Something happened that may have cost the connection, or brought the network back. */
  hint(): void {
    if (this.#current === undefined) this.#step({ kind: 'hint' });
    else this.#current.probe();
  }

  #fail(message: string, cause: unknown): void {
    this.#step({ kind: 'close', error: new ClientError('ERR_CLIENT_ENVIRONMENT', message, { cause }) });
  }

  /** What an effect brings about at once waits for its turn. */
  #step(event: LinkEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const moment = { nowMs: this.#options.now(), random: this.#options.random() };
        const { resumeToken } = this;
        for (const effect of this.#core.step(next, moment)) this.#carryOut(effect);
        if (this.resumeToken !== resumeToken) this.#owner.token(this.resumeToken);
      }
    } finally {
      this.#isStepping = false;
    }
  }

  #carryOut(effect: LinkEffect): void {
    switch (effect.kind) {
      case 'dial':
        return this.#dial(effect);
      case 'hangUp':
        return this.#hangUp(effect);
      case 'promote':
        return this.#promote(effect.socket);
      case 'setTimer':
        clearTimeout(this.#timers.get(effect.timer));
        this.#timers.set(
          effect.timer,
          setTimeout(() => this.#step({ kind: 'timer', timer: effect.timer }), effect.delayMs),
        );
        return;
      case 'clearTimer':
        return clearTimeout(this.#timers.get(effect.timer));
      case 'redirectFailed':
        this.redirectsFailed++;
        return;
      case 'online':
        return this.#setStatus({ kind: 'online', resumed: effect.resumed });
      case 'reconnecting': {
        const { attempt, delayMs, loss } = effect;
        const sinceMs = this.#options.now() - this.#core.state.lostMs;
        return this.#setStatus({ kind: 'reconnecting', attempt, nextTryInMs: delayMs, sinceMs, error: loss.error });
      }
      case 'closed':
        return this.#setStatus({ kind: 'closed', error: effect.error });
    }
  }

  #dial({ socket, url, resumeToken, isRedirect, measuresClock, dialMs }: Extract<LinkEffect, { kind: 'dial' }>): void {
    const { socketConstructor, now, utcNow } = this.#options;
    const { clock, traffic } = this;
    if (isRedirect) this.#arrival = { welcome: undefined, handover: undefined };
    const options = {
      number: socket,
      url,
      socketConstructor,
      format: this.#format,
      schema: this.#schema,
      clock,
      traffic,
    };
    try {
      const session = new SocketSession(
        { ...options, measuresClock, dialMs, now, utcNow },
        {
          hello: () => this.#hello({ resumeToken, isRedirect, measuresClock }),
          welcome: (_, welcome) => this.#welcome(session, welcome, { isRedirect }),
          snapshot: (_, source, receivedMs) => this.#snapshot(session, source, receivedMs),
          message: (_, message) => this.#message(session, message),
          measured: () => this.#owner.measured(),
          ended: (_, loss) => this.#ended(session, loss),
        },
      );
      this.#sessions.set(socket, session);
      if (!isRedirect) this.#current = session;
    } catch (cause) {
      // Only a URL that can never work throws here.
      const isOnly = !isRedirect && this.gateways.length === 1;
      const code = isOnly ? 'ERR_CLIENT_ENVIRONMENT' : 'ERR_CLIENT_CONNECTION';
      const error = new ClientError(code, `cannot open ${url}: ${String(cause)}`, { cause });
      this.#step({ kind: 'ended', socket, loss: { closeCode: 0, error } });
    }
  }

  #hello({
    resumeToken,
    isRedirect,
    measuresClock,
  }: {
    resumeToken: string;
    isRedirect: boolean;
    measuresClock: boolean;
  }): Extract<ClientMessage, { type: 'hello' }> {
    const { name, token, mode, now, utcNow, schema } = this.#options;
    const clientTimeMs = measuresClock && this.clock.sampleCount > 0 ? this.clock.serverTimeMs(now()) : utcNow();
    return {
      type: 'hello',
      protocolVersion: PROTOCOL_VERSION,
      schemaHash: schema === undefined ? 0 : viewHash(schema),
      name,
      token,
      resumeToken,
      mode,
      clientTimeMs,
      // While the old connection plays on, the view does not stay that of any tick.
      lastKnownTick: isRedirect || resumeToken === '' ? 0 : this.#owner.lastKnownTick(),
    };
  }

  #welcome(session: SocketSession, welcome: Welcome, { isRedirect }: { isRedirect: boolean }): void {
    const { resumed, resumeToken, gateways } = welcome;
    if (isRedirect) this.#arrival.welcome = welcome;
    else {
      this.#schema = session.schema;
      if (session.schema !== undefined) this.#owner.welcome(welcome, session.schema, { isSwitch: false });
      this.clock.forgetRoundTrips();
    }
    this.#step({ kind: 'welcome', socket: session.number, resumed, resumeToken, gateways });
  }

  #snapshot(session: SocketSession, source: SnapshotSource, receivedMs: number): void {
    const { state } = this.#core;
    const isNews = session.number === state.next || state.unreadableCount > 0;
    if (isNews) this.#step({ kind: 'snapshot', socket: session.number });
    if (session !== this.#current) return;
    const fits = this.#owner.snapshot(source, receivedMs);
    if (fits) session.keyframeCame();
    else if (!session.awaitsKeyframe) session.askKeyframe();
  }

  #message(session: SocketSession, message: OtherMessage): void {
    const { number } = session;
    switch (message.type) {
      case 'handover':
        session.send({ type: 'handoverAck', seq: message.seq });
        if (session === this.#current) this.#owner.handover(message);
        else this.#arrival.handover = message;
        return;
      case 'handoverStart': {
        const { url, token, validMs } = message;
        return this.#step({ kind: 'handoverStart', socket: number, url, token, validMs });
      }
    }
  }

  #promote(socket: number): void {
    const session = this.#sessions.get(socket);
    const { welcome, handover } = this.#arrival;
    if (session?.schema === undefined || welcome === undefined) return;
    this.#current = session;
    this.redirects++;
    this.clock.forgetRoundTrips();
    this.#owner.welcome(welcome, session.schema, { isSwitch: true });
    if (handover !== undefined) this.#owner.handover(handover);
  }

  #ended(session: SocketSession, loss: Loss): void {
    this.#sessions.delete(session.number);
    if (session === this.#current) this.#current = undefined;
    this.#step({ kind: 'ended', socket: session.number, loss });
  }

  #hangUp({ socket, closeCode, saysBye }: Extract<LinkEffect, { kind: 'hangUp' }>): void {
    const session = this.#sessions.get(socket);
    if (session === undefined) return;
    this.#sessions.delete(socket);
    if (session === this.#current) this.#current = undefined;
    if (saysBye) session.send({ type: 'bye' });
    session.hangUp(closeCode);
  }

  #setStatus(status: ClientStatus): void {
    this.status = status;
    this.#owner.status(status);
  }
}
