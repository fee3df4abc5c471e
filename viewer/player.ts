/** One client of this page: a session of the SDK over a network of its own, and what the page keeps about it. */
import type { Values } from '../src/base/pack.ts';
import { Client, type ClientMode, type ClientStatus, type UntypedEntity } from '../src/client/index.ts';
import type { ServerMessage } from '../src/wire/messages.ts';
import { EventLog, type EventTone } from './clients/event-log.core.ts';
import { Network, type CutKind } from './clients/network.ts';
import type { Conditions } from './clients/network.core.ts';
import { SnapshotTap } from './clients/snapshot-tap.ts';
import { STANDING, type Direction } from './walk-keys.ts';

/** While a key is held its direction is sent again this often: one lost input must not stop the walk. */
const RESEND_MS = 250;
const NAME_FIELD = 'name';

export interface ViewEntity {
  readonly id: number;
  /** Index in the schema. */
  readonly kind: number;
  /** Where to draw it: predicted or interpolated, in metres. */
  readonly x: number;
  readonly z: number;
  /** m/s. */
  readonly vx: number;
  readonly vz: number;
  /** Of the first component that has a text field `name`. */
  readonly name: string | undefined;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export type PlayerState =
  | { readonly name: 'away'; readonly reason: string | undefined }
  | { readonly name: 'joining' }
  | { readonly name: 'playing' }
  | { readonly name: 'reconnecting'; readonly retryAtMs: number };

export interface JoinOptions {
  /** WebSocket URL of a gateway, without its path. */
  readonly gateway: string;
  readonly name: string;
  /** A JWT, or empty. */
  readonly token: string;
  readonly mode: ClientMode;
}

/** Inputs that are sent again and again. */
interface HeldInput {
  readonly values: Values;
  readonly hz: number;
}

export class Player {
  /** Of this page: 1, 2, 3 … */
  readonly number: number;
  readonly options: JoinOptions;
  readonly log = new EventLog();
  readonly tap: SnapshotTap;
  readonly network: Network;
  /** Inputs sent by this page, by keys or form. */
  inputsSent = 0;
  readonly #client: Client;
  #state: PlayerState = { name: 'joining' };
  #direction = STANDING;
  #directionSentMs = Number.NEGATIVE_INFINITY;
  #hasWalked = false;
  #held: HeldInput | undefined;
  #holdTimer: ReturnType<typeof setInterval> | undefined;
  #self: ViewEntity | undefined;
  #others: readonly ViewEntity[] = [];
  #mode: ClientMode | undefined;
  #gateway: string;

  /** Joins at once. */
  constructor(number: number, options: JoinOptions) {
    this.number = number;
    this.options = options;
    this.#gateway = options.gateway;
    this.tap = new SnapshotTap({
      onOpened: (url) => this.#opened(url),
      onMessage: (message) => this.#heard(message),
      onKeyframe: (tick) => this.#say(`keyframe at tick ${tick}`),
    });
    this.network = new Network(this.tap, { RealSocket: globalThis.WebSocket });
    const { gateway, name, token, mode } = options;
    const client = new Client(`${gateway}/connect`, { name, token, mode, WebSocket: this.network.WebSocket });
    this.#client = client;
    client.onStatus((status) => this.#changed(status));
    client.onOwner(({ node, seq }) => this.#say(`owner is now node ${node} (ownership seq ${seq})`));
    client.onClock(({ skewMs, quality }) =>
      this.#say(`clock ${quality}, ${(skewMs / 1000).toFixed(1)} s ahead of the server`),
    );
    client.open();
  }

  get state(): PlayerState {
    return this.#state;
  }

  /** In the world, or on the way back to it. */
  get isInWorld(): boolean {
    return this.#state.name === 'playing' || this.#state.name === 'reconnecting';
  }

  get client(): Client {
    return this.#client;
  }

  get name(): string {
    return this.options.name;
  }

  get self(): ViewEntity | undefined {
    return this.#self;
  }

  /** In view, as of the last `update`. */
  get others(): readonly ViewEntity[] {
    return this.#others;
  }

  /** Metres; 0 before the first connection. */
  get aoiRadius(): number {
    return this.#client.welcome?.aoiRadius ?? 0;
  }

  /** Round trip in milliseconds; 0 while it is not known. */
  get pingMs(): number {
    const { rttMs } = this.#client.statistics;
    return Number.isFinite(rttMs) ? rttMs : 0;
  }

  /** Name of the node that owns the player, once it has changed node. */
  get ownerName(): string | undefined {
    return this.#client.owner?.node;
  }

  /** As the gateway granted it; undefined before. */
  get mode(): ClientMode | undefined {
    return this.#mode;
  }

  /** Where its newest connection went. */
  get gateway(): string {
    return this.#gateway;
  }

  get held(): HeldInput | undefined {
    return this.#held;
  }

  leave(): void {
    this.stopHolding();
    this.#client.close();
  }

  setConditions(conditions: Conditions): void {
    this.network.conditions = conditions;
  }

  cut(kind: CutKind, seconds: number): void {
    this.#say(
      kind === 'silent' ? `network cut for ${seconds} s, silently` : `connection reset, no way for ${seconds} s`,
      'bad',
    );
    this.network.cutFor(kind, seconds * 1000);
  }

  mend(): void {
    this.#say('network mended by hand', 'good');
    this.network.mend();
  }

  setDirection(direction: Direction): void {
    if (direction === STANDING && !this.#hasWalked) return;
    this.#direction = direction;
    this.#hasWalked = true;
    this.#sendDirection(performance.now());
  }

  /** False while it is not in the world. @throws ClientError ERR_CLIENT_INPUT naming the field that is out of its range. */
  sendInput(values: Values): boolean {
    const isSent = this.#client.input(values);
    if (isSent) this.inputsSent++;
    return isSent;
  }

  /** Sends now and `hz` times a second until `stopHolding`. @throws ClientError like `sendInput`. */
  hold(values: Values, hz: number): void {
    this.stopHolding();
    this.sendInput(values);
    this.#held = { values, hz };
    this.#holdTimer = setInterval(() => this.sendInput(values), 1000 / hz);
  }

  stopHolding(): void {
    clearInterval(this.#holdTimer);
    this.#held = undefined;
  }

  /** Once a frame. */
  update(nowMs: number): void {
    if (!this.isInWorld) return;
    const client = this.#client;
    const isWalking = this.#direction.moveX !== 0 || this.#direction.moveZ !== 0;
    if (isWalking && nowMs - this.#directionSentMs > RESEND_MS) this.#sendDirection(nowMs);
    client.update(nowMs);
    const { self, entities, schema } = client;
    const kinds = new Map(schema?.kinds.map(({ name, index }) => [name, index]));
    const others: ViewEntity[] = [];
    for (const entity of entities.values()) {
      if (!entity.isSelf) others.push(toView(entity, kinds));
    }
    this.#others = others;
    this.#self = self === undefined ? undefined : toView(self, kinds);
  }

  #sendDirection(nowMs: number): void {
    if (this.#state.name !== 'playing') return;
    const fields = this.#client.schema?.input ?? [];
    if (!['moveX', 'moveZ'].every((name) => fields.some((field) => field.name === name))) return;
    const { moveX, moveZ } = this.#direction;
    this.sendInput({ moveX, moveZ });
    this.#directionSentMs = nowMs;
  }

  #changed(status: ClientStatus): void {
    switch (status.kind) {
      case 'connecting':
        return;
      case 'online':
        this.#say(status.resumed ? 'online, session resumed' : 'online, new session', 'good');
        this.#state = { name: 'playing' };
        // Without a resume the server starts a new player; either way it does not know what is held now.
        if (this.#hasWalked) this.#sendDirection(performance.now());
        return;
      case 'reconnecting':
        this.#say(
          `${status.error.message}; try ${status.attempt + 1} in ${(status.nextTryInMs / 1000).toFixed(1)} s`,
          'bad',
        );
        // Before the first welcome there is no player to come back to: the page keeps saying "joining".
        if (this.#state.name !== 'joining') {
          this.#state = { name: 'reconnecting', retryAtMs: performance.now() + status.nextTryInMs };
        }
        return;
      case 'closed':
        this.#say(status.error?.message ?? 'left', status.error === undefined ? 'plain' : 'bad');
        this.stopHolding();
        this.#away(status.error?.message);
        return;
    }
  }

  #opened(url: string): void {
    this.#gateway = new URL(url).origin;
    this.#say(`connection open to ${new URL(url).host}`);
  }

  #heard(message: Exclude<ServerMessage, { type: 'snapshot' | 'pong' }>): void {
    if (message.type === 'welcome') {
      this.#mode = message.mode;
      this.#say(
        `welcome${message.resumed ? ' back' : ''}: session ${message.session}, tick ${message.tick}, mode ${message.mode}`,
      );
    } else if (message.type === 'handover') this.#say(`handover to node ${message.node} (seq ${message.seq})`);
    else if (message.type === 'handoverStart') this.#say(`redirect to ${message.url} (seq ${message.seq})`);
    else this.#say(`${message.code}: ${message.message}`, 'bad');
  }

  #say(text: string, tone: EventTone = 'plain'): void {
    this.log.add(text, { atMs: Date.now(), tone });
  }

  #away(reason: string | undefined): void {
    this.#state = { name: 'away', reason };
    this.#self = undefined;
    this.#others = [];
    this.#direction = STANDING;
  }
}

function toView(entity: UntypedEntity, kinds: ReadonlyMap<string, number>): ViewEntity {
  return {
    id: entity.id,
    kind: kinds.get(entity.kind) ?? 0,
    x: entity.renderX,
    z: entity.renderZ,
    vx: entity.vx,
    vz: entity.vz,
    name: nameOf(entity),
    components: entity.components as ViewEntity['components'],
  };
}

function nameOf({ components }: UntypedEntity): string | undefined {
  for (const values of Object.values(components)) {
    const name = values?.[NAME_FIELD];
    if (typeof name === 'string') return name;
  }
  return undefined;
}
