/**
 * One client that walks and checks what it is sent: the SDK plays, as in a game, and beside it the bytes of its
 * connections are read by decoders of the wire alone.
 */
import type { EntityId } from '../../base/brand.ts';
import { Random } from '../../base/random.ts';
import type { Schema } from '../../base/schema.ts';
import { Client } from '../../client/index.ts';
import type { BackoffOptions, ClientStatus, UntypedEntity } from '../../client/index.ts';
import type { ClientMode, HandoverStart, Welcome } from '../../wire/messages.ts';
import { BotConnection } from './bot-connection.ts';
import type { ConnectionOwner } from './bot-connection.ts';
import { botSocketConstructor } from './bot-socket.ts';
import { InputLedger } from './input-ledger.core.ts';
import { count } from './measures.ts';
import type { Measures } from './measures.ts';
import { PresenceCheck } from './presence-check.core.ts';
import { RedirectWatch } from './redirect-watch.core.ts';
import type { ServerTime } from './server-time.core.ts';
import { ViewCheck } from './view-check.core.ts';
import type { NewWay, Way } from './walk.core.ts';

export interface BotsShared {
  readonly measures: Measures;
  readonly mode: ClientMode;
  /** Every bot's name begins with it, and nobody else's: so names tell who is in view twice. */
  readonly namePrefix: string;
  readonly newWay: NewWay;
  readonly backoff: BackoffOptions | undefined;
  /** One estimate for each gateway, by its URL. */
  readonly serverTimes: Map<string, ServerTime>;
}

export interface BotOptions {
  /** The first is tried first. */
  readonly urls: readonly string[];
  readonly name: string;
  readonly token: string;
  readonly seed: number;
}

/** Of a connection that broke without a word, as those to a killed process do. */
const CUT_CODE = 1006;
const JOIN_MS_MAX = 20_000;
const LEAVE_MS_MAX = 1000;
const RESTART_SECONDS_TOLD = 30;

export class Bot implements ConnectionOwner {
  readonly name: string;
  readonly client: Client;
  /** The longest time without a snapshot since measuring began, and when it ended (UTC). */
  readonly longestGap = { durationMs: 0, endedAtMs: 0 };
  readonly check: ViewCheck;
  readonly ledger: InputLedger;
  readonly shared: BotsShared;
  readonly redirects: RedirectWatch;
  schema: Schema | undefined;
  readonly #random: Random;
  readonly #presence: PresenceCheck;
  #connection: BotConnection | undefined;
  #welcome: Welcome | undefined;
  #way: Way | undefined;
  #lastSnapshotMs = 0;
  #wasOnline = false;
  #restartedMs = Number.NEGATIVE_INFINITY;
  #lostMs = 0;
  #ownerSeq = 0;
  #leaving = false;
  /** What gateways said that did not take it: of interest if none does. */
  readonly #refusals: { readonly closeCodes: number[]; readonly errorCodes: string[] } = {
    closeCodes: [],
    errorCodes: [],
  };

  constructor(shared: BotsShared, { urls, name, token, seed }: BotOptions) {
    const { measures } = shared;
    this.shared = shared;
    this.name = name;
    this.#random = new Random(seed);
    this.check = new ViewCheck((violation) => {
      count(measures.violations, violation);
      this.note(`${violation}, tick ${this.check.tick}`);
    });
    this.ledger = new InputLedger(measures.events);
    this.#presence = new PresenceCheck((fault, text) => {
      measures.presence[fault]++;
      this.note(`${fault}: ${text}`);
    });
    this.redirects = new RedirectWatch((gapMs) => measures.duration('redirectGap', gapMs));
    const options = {
      name,
      token,
      mode: shared.mode,
      predict: false as const,
      interpolate: false,
      WebSocket: botSocketConstructor((target, socket) => new BotConnection(this, { url: target, socket })),
      ...(shared.backoff && { backoff: shared.backoff }),
    };
    this.client = new Client(urls, options);
    this.client.onStatus((status) => this.#changeStatus(status));
    this.client.onEnter((entity) => this.#enter(entity));
    this.client.onLeave((entity) => this.#leave(entity));
  }

  get isOnline(): boolean {
    return this.client.status.kind === 'online';
  }

  get way(): Way | undefined {
    return this.#way;
  }

  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** Where its snapshots come from, or came from last; empty before the first. */
  get gateway(): string {
    return this.#connection?.url ?? '';
  }

  /** Resolves true when online, or false when each gateway was tried once, or it took too long. */
  async join(): Promise<boolean> {
    const { measures } = this.shared;
    const startMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const deadline = setTimeout(() => {
      count(measures.errorsByCode, 'JOIN_TIMEOUT');
      resolve(false);
    }, JOIN_MS_MAX);
    const off = this.client.onStatus((status) => {
      const { kind } = status;
      const isTrying = kind === 'reconnecting' && status.attempt + 1 < this.client.gateways.length;
      if (kind !== 'connecting' && !isTrying) resolve(kind === 'online');
    });
    this.client.open();
    const joined = await promise;
    clearTimeout(deadline);
    off();
    if (joined) measures.duration('join', performance.now() - startMs);
    else {
      for (const code of this.#refusals.errorCodes) count(measures.errorsByCode, code);
      for (const code of this.#refusals.closeCodes) count(measures.disconnectsByCode, String(code));
      this.client.close();
    }
    return joined;
  }

  sendInput(nowMs: number): void {
    if (!this.isOnline || this.#way === undefined) return;
    const values = this.#way.next(nowMs, { x: this.check.selfX, z: this.check.selfZ });
    if (values !== undefined && this.client.input(values)) this.#way.taken?.();
  }

  sendPing(nowMs: number): void {
    if (this.isOnline) this.#connection?.ping(nowMs);
  }

  /** What came before does not count for the longest gap. */
  beginMeasuring(nowMs: number): void {
    this.longestGap.durationMs = 0;
    if (this.#lastSnapshotMs > 0) this.#lastSnapshotMs = nowMs;
  }

  /** Tells what there is one of for each bot; silence until now counts as a gap. */
  endMeasuring(nowMs: number): void {
    if (this.#lastSnapshotMs === 0) return;
    this.#gap(nowMs - this.#lastSnapshotMs);
    this.shared.measures.duration('longestGap', this.longestGap.durationMs);
  }

  /** Says bye; resolves when the connection is closed. */
  async leave(): Promise<void> {
    this.#leaving = true;
    this.client.close();
    await this.#connection?.whenClosed(LEAVE_MS_MAX);
  }

  takes(connection: BotConnection): boolean {
    if (connection === this.#connection) return true;
    const { welcome } = connection;
    if (connection.hadSnapshot || welcome === undefined) return false;
    this.#connection = connection;
    this.#welcome = welcome;
    this.handover(connection, connection.ownerSeq);
    this.#presence.radius = welcome.aoiRadius;
    this.check.aoiRadius = welcome.aoiRadius;
    this.check.tickHz = welcome.tickHz;
    this.#restartedMs = performance.now();
    if (welcome.resumed) this.check.restart({ knownTick: connection.lastKnownTick });
    else {
      this.check.forget(connection.sentSequence);
      this.ledger.forget(connection.sentSequence);
    }
    if (this.schema !== undefined) this.#way ??= this.shared.newWay(this.#random, this.schema, welcome);
    return true;
  }

  isSwitch(connection: BotConnection): boolean {
    const last = this.#connection;
    return last !== undefined && last !== connection && (last.isOpen || last.isMoved);
  }

  snapshot({ receivedMs, isSwitch }: { receivedMs: number; isSwitch: boolean }): void {
    const { measures } = this.shared;
    if (this.#lastSnapshotMs > 0) {
      const intervalMs = receivedMs - this.#lastSnapshotMs;
      measures.interval(intervalMs, 1000 / (this.#welcome?.snapshotHz ?? 1));
      this.#gap(intervalMs);
      this.redirects.snapshot({ intervalMs, nowMs: receivedMs, isSwitch });
    }
    this.#lastSnapshotMs = receivedMs;
    if (!measures.isMeasuring) return;
    measures.traffic.snapshots++;
    measures.traffic.inViewSum += this.check.inViewCount;
  }

  handover(connection: BotConnection, seq: number): void {
    // What the next connection says counts from its first snapshot on.
    if (seq === this.#ownerSeq || seq === 0 || connection !== this.#connection) return;
    this.#ownerSeq = seq;
    this.shared.measures.events.handovers++;
    this.check.restart();
    this.#restartedMs = performance.now();
    this.#way?.ownerChanged?.(performance.now());
  }

  redirect({ validMs }: HandoverStart): void {
    this.redirects.offer({ nowMs: performance.now(), validMs, counts: this.shared.measures.redirectPhase });
    this.#way?.ownerChanged?.(performance.now());
  }

  closed(connection: BotConnection, closeCode: number): void {
    const isLoss = this.#connection === undefined || (connection === this.#connection && !connection.isMoved);
    if (!isLoss || this.#leaving) return;
    if (this.#wasOnline) count(this.shared.measures.disconnectsByCode, String(closeCode));
    else this.#refusals.closeCodes.push(closeCode);
  }

  failed(code: string): void {
    if (this.#wasOnline) count(this.shared.measures.errorsByCode, code);
    else this.#refusals.errorCodes.push(code);
  }

  note(text: string): void {
    this.shared.measures.example(`${this.name}: ${text}, at ${this.gateway}`);
  }

  #gap(durationMs: number): void {
    if (durationMs <= this.longestGap.durationMs) return;
    this.longestGap.durationMs = durationMs;
    this.longestGap.endedAtMs = Date.now();
  }

  #changeStatus(status: ClientStatus): void {
    const { measures } = this.shared;
    const nowMs = performance.now();
    if (status.kind === 'online') {
      if (this.#lostMs === 0 && this.#wasOnline) return;
      if (this.#wasOnline) {
        measures.duration('reconnect', nowMs - this.#lostMs);
        if (status.resumed) measures.events.resumes++;
        else this.#loseSession();
      }
      this.#wasOnline = true;
      this.#lostMs = 0;
      return;
    }
    if (status.kind === 'connecting' || this.#leaving) return;
    const code = status.error?.code;
    // What the server or the way did has been counted at the socket.
    if (code !== undefined && code !== 'ERR_CLIENT_CONNECTION' && code !== 'ERR_CLIENT_REFUSED') {
      count(measures.disconnectsByCode, code);
    }
    if (this.#wasOnline && this.#lostMs === 0) {
      this.#lostMs = nowMs;
      if (status.error !== undefined && status.error.closeCode !== CUT_CODE) this.note(status.error.message);
      this.redirects.lost();
    }
  }

  #loseSession(): void {
    this.shared.measures.events.sessionsLost++;
    this.#ownerSeq = 0;
    this.note('another session after the connection was lost');
    this.#presence.forget();
  }

  #enter(entity: UntypedEntity): void {
    const identity = this.#identityOf(entity);
    this.#presence.enter(entity.id, { identity, distance: this.#distanceTo(entity), nowMs: performance.now() });
  }

  #leave(entity: UntypedEntity): void {
    const inViewCount = this.client.entities.size;
    const cause = this.#leaveCause(entity.id);
    this.#presence.leave(entity.id, {
      distance: this.#distanceTo(entity),
      inViewCount,
      nowMs: performance.now(),
      cause,
    });
  }

  /** Also when its view was last begun anew, for people who look for what a kill has done. */
  #leaveCause(id: EntityId): string {
    const seconds = (performance.now() - this.#restartedMs) / 1000;
    const since = seconds < RESTART_SECONDS_TOLD ? ` ${seconds.toFixed(1)} s after a new owner or connection` : '';
    return `${this.check.causeOfLeave(id)}${since}, tick ${this.check.tick}`;
  }

  /** Its name, where the world shows names and this one is a bot's; else nothing. */
  #identityOf({ components }: UntypedEntity): string {
    for (const component of Object.values(components)) {
      for (const value of Object.values(component ?? {})) {
        if (typeof value === 'string' && value.startsWith(this.shared.namePrefix)) return value;
      }
    }
    return '';
  }

  #distanceTo({ x, z }: UntypedEntity): number {
    const { self } = this.client;
    return self === undefined ? Number.NaN : Math.hypot(self.x - x, self.z - z);
  }
}
