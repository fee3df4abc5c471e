/**
 * The client of one world: what is around the player, kept up to date; input, predicted until the server answers; and a
 * connection that comes back. Runs in browsers and in Node.
 *
 *   const client = connect<typeof world>('ws://127.0.0.1:7777', { world, name: 'Ada' });
 *   client.onEnter((entity) => …);
 *   client.input({ moveX: 1, moveZ: 0 });
 *   // each frame: client.update(); draw entity.renderX, entity.renderZ
 */
import type { EntityId } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import { packFields, unpackFields } from '../base/pack.ts';
import type { Values } from '../base/pack.ts';
import { fieldsSizeBytesMax } from '../base/schema.ts';
import type { Schema } from '../base/schema.ts';
import type { World } from '../base/world.ts';
import type { Handover, Snapshot, Welcome } from '../wire/messages.ts';
import { BACKOFF_DEFAULT } from './backoff.core.ts';
import type { BackoffOptions } from './backoff.core.ts';
import type { ClientEvent, ClientInput, ComponentName, EntityOf } from './entity.ts';
import { ClientError } from './errors.ts';
import { Link } from './link.ts';
import type { ClientStatus } from './link.ts';
import { Listeners } from './listeners.ts';
import { Prediction } from './prediction.core.ts';
import type { ApplyInput, Motion } from './prediction.core.ts';
import { globalSocketConstructor } from './socket.ts';
import type { SocketConstructor } from './socket.ts';
import { Slide, Timeline } from './timeline.core.ts';
import { View } from './view.core.ts';
import type { ViewChange, ViewEntity } from './view.core.ts';
import { emptyComponents } from './zero.core.ts';

/** Others are drawn ahead of the last snapshot for at most this long. */
const EXTRAPOLATION_MS_MAX = 250;

export interface ConnectOptions<W> {
  /** The world module, for prediction with its `input.apply`. Without it the server sends the schema. */
  readonly world?: W;
  /** Shown to others; at most 32 bytes of UTF-8. */
  readonly name?: string;
  /** A JWT, where the server wants one. */
  readonly token?: string;
  /** From `client.resumeToken` of an earlier client, such as before a reload of the page. */
  readonly resumeToken?: string;
  /**
   * How an input changes the own entity, if not by the world's `input.apply`; false: no prediction, the own entity is
   * interpolated like the others. Without a world and without this there is no prediction.
   */
  readonly predict?: false | ((self: Motion, input: ClientInput<W>) => void);
  /** 'json' is for looking at the messages. */
  readonly format?: 'binary' | 'json';
  /** For Node before 22, and tests. */
  readonly WebSocket?: SocketConstructor;
  readonly backoff?: BackoffOptions;
  /** Local milliseconds, monotonic; `performance.now` by default. */
  readonly now?: () => number;
  /** Takes what a listener threw, or the world's `apply`; without it, they are thrown again as uncaught errors. */
  readonly onError?: (error: unknown) => void;
  /** Spreads reconnects; `Math.random` by default. */
  readonly random?: () => number;
}

/** Connects at once, and keeps connected until `close()`. @throws ClientError ERR_CLIENT_ENVIRONMENT without a WebSocket. */
export function connect<W extends World = World>(url: string, options: ConnectOptions<W> = {}): Client<W> {
  const client = new Client<W>(url, options);
  client.open();
  return client;
}

export class Client<W extends World = World> {
  readonly #report: (error: unknown) => void;
  readonly #onEnter: Listeners<[EntityOf<W>]>;
  readonly #onUpdate: Listeners<[EntityOf<W>, ComponentName<W>]>;
  readonly #onLeave: Listeners<[EntityOf<W>]>;
  readonly #onEvent: Listeners<[ClientEvent<W>]>;
  readonly #onStatus: Listeners<[ClientStatus]>;
  readonly #onSnapshot: Listeners<[{ readonly tick: number }]>;
  readonly #onOwner: Listeners<[Owner]>;
  readonly #link: Link;
  readonly #apply: ApplyInput | undefined;
  readonly #now: () => number;
  /** Mutable, and reused in each frame. */
  readonly #moment = { tick: 0, latestTick: 0, extrapolationTicksMax: 0 };
  readonly #roundTrip = new Slide();
  #view: View | undefined;
  #welcome: Welcome | undefined;
  #schema: Schema | undefined;
  #timeline: Timeline | undefined;
  #prediction: Prediction | undefined;
  #owner: Owner | undefined;
  /** The next snapshot is the first of another owner. */
  #isOwnerNew = false;
  #sequence = 0;
  #sentMs = Number.NEGATIVE_INFINITY;
  #waiting: Values | undefined;
  #sendTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, options: ConnectOptions<W> = {}) {
    this.#report = options.onError ?? throwUncaught;
    this.#onEnter = new Listeners(this.#report);
    this.#onUpdate = new Listeners(this.#report);
    this.#onLeave = new Listeners(this.#report);
    this.#onEvent = new Listeners(this.#report);
    this.#onStatus = new Listeners(this.#report);
    this.#onSnapshot = new Listeners(this.#report);
    this.#onOwner = new Listeners(this.#report);
    this.#now = options.now ?? (() => performance.now());
    const worldApply = options.world?.declaration.input?.apply as ApplyInput | undefined;
    this.#apply = options.predict === false ? undefined : ((options.predict as ApplyInput | undefined) ?? worldApply);
    this.#link = new Link(
      {
        url,
        name: options.name ?? '',
        token: options.token ?? '',
        resumeToken: options.resumeToken ?? '',
        format: options.format ?? 'binary',
        schema: options.world?.schema,
        socketConstructor: options.WebSocket ?? globalSocketConstructor(),
        backoff: options.backoff ?? BACKOFF_DEFAULT,
        now: this.#now,
        random: options.random ?? Math.random,
      },
      {
        welcome: (welcome, schema) => this.#start(welcome, schema),
        snapshot: (snapshot, receivedMs) => this.#take(snapshot, receivedMs),
        handover: (handover) => this.#changeOwner(handover),
        status: (status) => this.#changeStatus(status),
      },
    );
  }

  /** Begins to connect; `connect()` does it for you. */
  open(): void {
    this.#link.open();
  }

  /** Leaves the world and ends the session. */
  close(): void {
    this.#link.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get status(): ClientStatus {
    return this.#link.status;
  }

  /** Resolves once online. @throws ClientError when the client is closed before. */
  async whenOnline(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (status: ClientStatus): void => {
      if (status.kind === 'online') resolve();
      if (status.kind === 'closed')
        reject(status.error ?? new ClientError('ERR_CLIENT_CONNECTION', 'the client was closed'));
    };
    const off = this.onStatus(settle);
    settle(this.status);
    try {
      await promise;
    } finally {
      off();
    }
  }

  /** Everything in view, by id; the own entity is among it. */
  get entities(): ReadonlyMap<EntityId, EntityOf<W>> {
    return (this.#view?.entities ?? NONE) as ReadonlyMap<EntityId, never>;
  }

  /** The entity that this client controls, while it is in the world. */
  get self(): EntityOf<W> | undefined {
    return this.#view?.self as EntityOf<W> | undefined;
  }

  /** What the server told about itself and the world: rates, bounds, radius. Undefined before the first connection. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** The node of a cluster that simulates the own entity, once it has changed node; undefined before, and without a cluster. */
  get owner(): Owner | undefined {
    return this.#owner;
  }

  get schema(): Schema | undefined {
    return this.#schema;
  }

  /** Opens this session again, in another client, within the server's grace time. */
  get resumeToken(): string {
    return this.#link.resumeToken;
  }

  /** UTC at the server, in milliseconds; estimated from pings, NaN before the first answer. */
  get serverTimeMs(): number {
    return this.#link.clock.sampleCount === 0 ? Number.NaN : this.#link.clock.serverTimeMs(this.#now());
  }

  /** What to show to a person who looks for the cause of lag; times in milliseconds. */
  get statistics(): ClientStatistics {
    const { clock, bytesIn, messagesIn, messagesOut } = this.#link;
    return {
      rttMs: clock.rttMs,
      jitterMs: this.#timeline?.jitterMs ?? 0,
      renderDelayMs: this.#timeline?.renderDelayMs ?? 0,
      tick: this.#timeline?.latestTick ?? -1,
      bytesIn,
      messagesIn,
      messagesOut,
      inputsUnacknowledged: this.#prediction?.inputs.length ?? 0,
      correctionMetres: this.#prediction?.lastCorrection ?? 0,
    };
  }

  /** Somebody came into view. Each of these returns a function that ends it. */
  onEnter(listener: (entity: EntityOf<W>) => void): () => void {
    return this.#onEnter.add(listener);
  }

  /** A component has new values; positions change with every snapshot and are not told. */
  onUpdate(listener: (entity: EntityOf<W>, component: ComponentName<W>) => void): () => void {
    return this.#onUpdate.add(listener);
  }

  onLeave(listener: (entity: EntityOf<W>) => void): () => void {
    return this.#onLeave.add(listener);
  }

  /** The world announced something about an entity in view. */
  onEvent(listener: (event: ClientEvent<W>) => void): () => void {
    return this.#onEvent.add(listener);
  }

  onStatus(listener: (status: ClientStatus) => void): () => void {
    return this.#onStatus.add(listener);
  }

  /** The own entity went to another node of the cluster; nothing else changes by that. */
  onOwner(listener: (owner: Owner) => void): () => void {
    return this.#onOwner.add(listener);
  }

  /**
   * A snapshot was applied; after all that it changed was told. Its tick is counted by the server, and goes on when the own
   * entity changes node.
   */
  onSnapshot(listener: (snapshot: { readonly tick: number }) => void): () => void {
    return this.#onSnapshot.add(listener);
  }

  /**
   * Sends an input: at once, or, if one was sent within this tick, at the next, when the latest counts. Missing fields are zero.
   * @returns false while not online: the input is then lost.
   * @throws ClientError ERR_CLIENT_INPUT naming the field that is out of its range.
   */
  input(values: Partial<ClientInput<W>>): boolean {
    const schema = this.#schema;
    if (this.status.kind !== 'online' || schema === undefined || this.#timeline === undefined) return false;
    // As the server will read it: rounded to what the wire holds.
    this.#waiting = roundTripped(schema, values as Values);
    const waitMs = this.#sentMs + this.#timeline.tickMs - this.#now();
    if (waitMs <= 0) this.#sendWaiting();
    else this.#sendTimer ??= setTimeout(() => this.#sendWaiting(), waitMs);
    return true;
  }

  /** Sets renderX and renderZ of every entity to where it is to be drawn now. Call it once a frame. */
  update(nowMs: number = this.#now()): void {
    const timeline = this.#timeline;
    if (timeline === undefined || this.#view === undefined || !timeline.isReady) return;
    const moment = this.#moment;
    moment.tick = timeline.renderTickAt(nowMs);
    moment.latestTick = timeline.latestTick;
    moment.extrapolationTicksMax = EXTRAPOLATION_MS_MAX / timeline.tickMs;
    const predicted = this.#prediction?.isActive === true;
    this.#view.draw(moment, predicted);
    const self = this.#view.self;
    if (predicted && self !== undefined) {
      this.#predicting(() => this.#prediction?.draw({ nowMs, tick: this.#arrivalTick(nowMs) }, self));
    }
  }

  /** The tick, with its fraction, at which the server is when a message sent now arrives there. */
  #arrivalTick(nowMs: number): number {
    const timeline = this.#timeline;
    if (timeline === undefined) return 0;
    this.#roundTrip.aim(this.#link.clock.rttMs);
    return timeline.tickAt(nowMs) + this.#roundTrip.at(nowMs) / timeline.tickMs;
  }

  #sendWaiting(): void {
    clearTimeout(this.#sendTimer);
    this.#sendTimer = undefined;
    const input = this.#waiting;
    this.#waiting = undefined;
    if (input === undefined) return;
    const nowMs = this.#now();
    const sequence = this.#sequence + 1;
    if (!this.#link.send({ type: 'input', sequence, back: 0, input })) return;
    this.#sequence = sequence;
    this.#sentMs = nowMs;
    const tick = this.#arrivalTick(nowMs);
    this.#predicting(() => this.#prediction?.record({ sequence, input, tick: Math.floor(tick) + 1 }, { nowMs, tick }));
  }

  #start(welcome: Welcome, schema: Schema): void {
    const isSameWorld = this.#schema?.hash === schema.hash && this.#view !== undefined;
    // Nobody from before a new session is there any more, the own entity least of all.
    if (this.#view !== undefined && !(isSameWorld && welcome.resumed)) this.#tell(this.#view.clear());
    if (!isSameWorld) {
      this.#view = new View(schema, welcome);
      this.#prediction = new Prediction(welcome, this.#apply);
    }
    this.#welcome = welcome;
    this.#schema = schema;
    this.#timeline = new Timeline(welcome);
    this.#isOwnerNew = false;
    if (!welcome.resumed) this.#owner = undefined;
    // A new session has seen none of the old one's inputs and waits for none.
    if (!welcome.resumed) this.#prediction?.clear();
  }

  #take(received: Snapshot, receivedMs: number): void {
    const view = this.#view;
    const timeline = this.#timeline;
    if (view === undefined || timeline === undefined) return;
    const tick = timeline.place(received.tick, receivedMs);
    const snapshot = tick === received.tick ? received : { ...received, tick };
    timeline.observe(tick, receivedMs);
    const changes = view.apply(snapshot, { isNewOwner: this.#isOwnerNew });
    this.#isOwnerNew = false;
    this.#reconcile(snapshot, receivedMs);
    this.#tell(changes);
    this.#onSnapshot.call(snapshot);
  }

  /** What was on its way to the last owner may be lost with it; the new one drops by sequence what it knows. */
  #changeOwner({ node, seq }: Handover): void {
    if (this.#owner?.node === node && this.#owner.seq === seq) return;
    this.#owner = { node, seq };
    this.#isOwnerNew = true;
    this.#timeline?.changeOwner();
    this.#sendAgain();
    this.#onOwner.call(this.#owner);
  }

  #reconcile({ self, tick, inputSequence }: Snapshot, nowMs: number): void {
    const prediction = this.#prediction;
    const schema = this.#schema;
    const entity = this.#view?.self;
    if (prediction === undefined || schema === undefined) return;
    this.#sequence = Math.max(this.#sequence, inputSequence);
    if (self === undefined || entity === undefined) return prediction.pause(inputSequence);
    const speedMax = schema.kinds[this.#view?.selfKind ?? -1]?.speedMax ?? 0;
    const rest = { id: entity.id, slot: -1, ...emptyComponents(schema), ...entity.components };
    const { x, z, vx, vz } = self;
    this.#predicting(() => {
      prediction.reconcile(
        { tick, inputSequence, x, z, vx, vz, speedMax, rest },
        { nowMs, tick: this.#arrivalTick(nowMs) },
      );
    });
  }

  /** The world's `apply` runs in here; if it throws, there is no prediction any more. */
  #predicting(run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.#prediction?.disable();
      this.#report(
        new ClientError('ERR_CLIENT_PREDICT', `input.apply threw, prediction is off: ${String(cause)}`, { cause }),
      );
    }
  }

  #tell(changes: readonly ViewChange[]): void {
    for (const change of changes) {
      const entity = change.entity as EntityOf<W> & ViewEntity;
      if (change.type === 'enter') this.#onEnter.call(entity);
      else if (change.type === 'leave') this.#onLeave.call(entity);
      else if (change.type === 'update') this.#onUpdate.call(entity, change.component as ComponentName<W>);
      else this.#onEvent.call({ name: change.name, entity, payload: change.payload } as ClientEvent<W>);
    }
  }

  #changeStatus(status: ClientStatus): void {
    if (status.kind === 'online' && status.resumed) this.#sendAgain();
    if (status.kind !== 'online') {
      clearTimeout(this.#sendTimer);
      this.#sendTimer = undefined;
      this.#waiting = undefined;
    }
    this.#onStatus.call(status);
  }

  /** What was not acknowledged before the loss: the server drops by sequence what it has seen. */
  #sendAgain(): void {
    for (const { sequence, input } of this.#prediction?.inputs ?? [])
      this.#link.send({ type: 'input', sequence, back: 0, input });
  }
}

/** Who simulates the own entity. */
export interface Owner {
  /** Name of the node. */
  readonly node: string;
  /** Grows with each change of owner. */
  readonly seq: number;
}

export interface ClientStatistics {
  /** Median of the last pings. */
  readonly rttMs: number;
  readonly jitterMs: number;
  /** How far in the past others are drawn. */
  readonly renderDelayMs: number;
  /** Of the last snapshot, or -1. */
  readonly tick: number;
  readonly bytesIn: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly inputsUnacknowledged: number;
  /** How far the last prediction was off, in metres. */
  readonly correctionMetres: number;
}

const NONE: ReadonlyMap<EntityId, never> = new Map<EntityId, never>();

/** As from an event handler: not the caller's to catch. */
function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

function roundTripped(schema: Schema, values: Values): Values {
  try {
    const packed = new Uint8Array(fieldsSizeBytesMax(schema.input));
    return unpackFields(schema.input, packed.subarray(0, packFields(schema.input, values, packed)));
  } catch (cause) {
    if (cause instanceof WireError) throw new ClientError('ERR_CLIENT_INPUT', cause.message, { cause });
    throw cause;
  }
}
