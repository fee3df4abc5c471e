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
import type { Values } from '../base/pack.ts';
import type { Schema } from '../base/schema.ts';
import { viewHash } from '../base/view-hash.ts';
import type { World } from '../base/world.ts';
import type { Handover, Welcome } from '../wire/messages.ts';
import { SNAPSHOT_FLAG } from '../wire/snapshot.wire.ts';
import type { SnapshotHead } from '../wire/snapshot.wire.ts';
import { BACKOFF_DEFAULT } from './backoff.core.ts';
import { SAMPLES_GOOD } from './clock.core.ts';
import type { ClockQuality } from './clock.core.ts';
import type { ClientEvent, ClientInput, ComponentName, EntityOf } from './entity.ts';
import { ClientError } from './errors.ts';
import { inputAsRead } from './input-values.core.ts';
import { InputSender } from './input-sender.ts';
import { InputWindow } from './inputs.core.ts';
import { Link } from './link.ts';
import type { ClientStatus, LinkOwner } from './link.ts';
import { Listeners } from './listeners.ts';
import type { ClientClock, ClientSnapshot, ClientStatistics, ConnectOptions, Owner } from './options.ts';
import { listenForHints } from './page-hints.ts';
import { Prediction } from './prediction.core.ts';
import type { ApplyInput } from './prediction.core.ts';
import type { SnapshotSource } from './socket-session.ts';
import { globalSocketConstructor } from './socket.ts';
import { Slide, Timeline } from './timeline.core.ts';
import { TokenKeeper } from './token-keeper.ts';
import { View } from './view.core.ts';
import type { ViewChange, ViewEntity } from './view.core.ts';
import { emptyComponents } from './zero.core.ts';

/** Others are drawn ahead of the last snapshot for at most this long. */
const EXTRAPOLATION_MS_MAX = 250;
/** Without a snapshot for this long, and for four intervals, what is in view is stale. */
const STALE_MS_MIN = 1000;
const STALE_INTERVALS = 4;
/** A clock of this computer that is further off is reported. */
const SKEW_MS_MAX = 60_000;
/** The own entity moves by as much slower or faster; with a jump of a second it would jump by what it walks in a second. */
const ROUND_TRIP_SLIDE = { share: 0.25, slideMsMax: 5000 };
const KEYFRAME_FLAG_OFFSET_BYTES = 1;

/**
 * Connects at once, and keeps connected until `close()`.
 * @param urls of one gateway or several of one world: the first is tried first. Others are learned from the server.
 * @throws ClientError ERR_CLIENT_ENVIRONMENT without a WebSocket.
 */
export function connect<W extends World = World>(
  urls: string | readonly string[],
  options: ConnectOptions<W> = {},
): Client<W> {
  const client = new Client<W>(urls, options);
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
  readonly #onSnapshot: Listeners<[ClientSnapshot]>;
  readonly #onOwner: Listeners<[Owner]>;
  readonly #onClock: Listeners<[ClientClock]>;
  readonly #options: ConnectOptions<W>;
  readonly #link: Link;
  readonly #tokens: TokenKeeper | undefined;
  readonly #apply: ApplyInput | undefined;
  readonly #now: () => number;
  readonly #utcNow: () => number;
  readonly #inputs = new InputWindow();
  readonly #sender = new InputSender(this.#inputs, {
    now: () => this.#now(),
    send: (message) => this.#link.send(message),
    record: (input, nowMs) => this.#recordInput(input, nowMs),
    arrivalTick: (nowMs) => this.#arrivalTick(nowMs),
  });
  /** Mutable, and reused in each frame. */
  readonly #moment = { tick: 0, latestTick: 0, extrapolationTicksMax: 0 };
  readonly #roundTrip = new Slide(ROUND_TRIP_SLIDE);
  /** Mutable, and reused for each snapshot. */
  readonly #applying = { isNewOwner: false, placeTick: (head: SnapshotHead): number => this.#placeTick(head) };
  #receivedMs = Number.NaN;
  #longestGapMs = 0;
  #view: View | undefined;
  /** A snapshot did not fit: only a keyframe helps. */
  #isViewBroken = false;
  #welcome: Welcome | undefined;
  #schema: Schema | undefined;
  #emptyComponents: Record<string, Values> = {};
  #timeline: Timeline | undefined;
  #prediction: Prediction | undefined;
  #owner: Owner | undefined;
  #clockTold: { quality: ClockQuality; isSkewed: boolean } = { quality: 'none', isSkewed: false };
  #endHints: () => void = () => undefined;

  constructor(urls: string | readonly string[], options: ConnectOptions<W> = {}) {
    this.#options = options;
    this.#report = options.onError ?? throwUncaught;
    this.#onEnter = new Listeners(this.#report);
    this.#onUpdate = new Listeners(this.#report);
    this.#onLeave = new Listeners(this.#report);
    this.#onEvent = new Listeners(this.#report);
    this.#onStatus = new Listeners(this.#report);
    this.#onSnapshot = new Listeners(this.#report);
    this.#onOwner = new Listeners(this.#report);
    this.#onClock = new Listeners(this.#report);
    this.#now = options.now ?? (() => performance.now());
    this.#utcNow = options.utcNow ?? (() => Date.now());
    const worldApply = options.world?.declaration.input?.apply as ApplyInput | undefined;
    this.#apply = options.predict === false ? undefined : ((options.predict as ApplyInput | undefined) ?? worldApply);
    const list = typeof urls === 'string' ? [urls] : urls;
    const key = options.storageKey ?? `worldmesh ${list[0]}`;
    if (options.storage !== undefined) this.#tokens = new TokenKeeper(options.storage, { key, report: this.#report });
    this.#link = this.#createLink(list);
  }

  #createLink(urls: readonly string[]): Link {
    const options = this.#options;
    const owner: LinkOwner = {
      welcome: (welcome, schema, { isSwitch }) => this.#start(welcome, schema, { isSwitch }),
      snapshot: (source, receivedMs) => this.#take(source, receivedMs),
      handover: (handover) => this.#changeOwner(handover),
      status: (status) => this.#changeStatus(status),
      token: (resumeToken) => this.#tokens?.write(resumeToken),
      measured: () => this.#checkClock(),
      lastKnownTick: () => this.#lastKnownTick(),
    };
    return new Link(
      {
        urls,
        name: options.name ?? '',
        token: options.token ?? '',
        resumeToken: options.resumeToken ?? this.#tokens?.read() ?? '',
        mode: options.mode ?? 'auto',
        format: options.format ?? 'binary',
        schema: options.world?.schema,
        socketConstructor: options.WebSocket ?? globalSocketConstructor(),
        backoff: options.backoff ?? BACKOFF_DEFAULT,
        correctsClock: options.clock !== 'strict',
        now: this.#now,
        utcNow: this.#utcNow,
        random: options.random ?? Math.random,
      },
      owner,
    );
  }

  /** Begins to connect; `connect()` does it for you. */
  open(): void {
    this.#endHints();
    this.#endHints = listenForHints(() => this.#link.hint());
    this.#link.open();
  }

  /** Something happened that may have cost the connection or brought it back: looks at once. Browsers tell by themselves. */
  checkConnection(): void {
    this.#link.hint();
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

  /** What is in view may be out of date: not online, or no snapshot for a second. */
  get isStale(): boolean {
    if (this.status.kind !== 'online' || this.#timeline === undefined) return true;
    const staleMs = Math.max(STALE_MS_MIN, STALE_INTERVALS * this.#timeline.intervalMs);
    return !(this.#now() - this.#receivedMs <= staleMs);
  }

  /** URLs of the gateways that are tried after a loss; the first is in use. */
  get gateways(): readonly string[] {
    return this.#link.gateways;
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

  get clock(): ClientClock {
    const { offsetMs, driftPpm, rttMs, quality, sampleCount } = this.#link.clock;
    const skewMs = this.#utcNow() - this.serverTimeMs;
    return { offsetMs: sampleCount === 0 ? Number.NaN : offsetMs, driftPpm, rttMs, skewMs, quality, sampleCount };
  }

  /** What to show to a person who looks for the cause of lag; times in milliseconds. */
  get statistics(): ClientStatistics {
    const { clock, traffic, redirects, redirectsFailed } = this.#link;
    return {
      rttMs: clock.rttMs,
      jitterMs: this.#timeline?.jitterMs ?? 0,
      renderDelayMs: this.#timeline?.renderDelayMs ?? 0,
      tick: this.#timeline?.latestTick ?? -1,
      bytesIn: traffic.bytesIn,
      messagesIn: traffic.messagesIn,
      messagesOut: traffic.messagesOut,
      inputsUnacknowledged: this.#inputs.unappliedCount,
      inputsUndurable: this.#inputs.kept.length,
      inputsGivenUp: this.#inputs.givenUpCount,
      correctionMetres: this.#prediction?.lastCorrection ?? 0,
      snaps: this.#prediction?.snapCount ?? 0,
      redirects,
      redirectsFailed,
      longestGapMs: this.#longestGapMs,
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

  /** This computer's clock is more than a minute off, or the quality of what is known of the server's changed. */
  onClock(listener: (clock: ClientClock) => void): () => void {
    return this.#onClock.add(listener);
  }

  /** A snapshot was applied, and all that it changed was told. Its tick goes on when the own entity changes node. */
  onSnapshot(listener: (snapshot: ClientSnapshot) => void): () => void {
    return this.#onSnapshot.add(listener);
  }

  /**
   * Sends an input: at once, or, if one was sent within this tick, at the next, when the latest counts. Missing fields are
   * zero, numbers beyond their field's range become the nearest inside, as at the server. With `keep` it is sent even if another
   * follows within the tick: for what is done once, such as a shot. The server takes some 60 messages a second of a client.
   * @returns false while not online, and with `keep` while 64 wait: the input is then lost. Once sent, it is kept until it survives a crash.
   * @throws ClientError ERR_CLIENT_INPUT naming the field whose value cannot be meant, such as NaN.
   */
  input(values: Partial<ClientInput<W>>, { keep = false }: { readonly keep?: boolean } = {}): boolean {
    const schema = this.#schema;
    if (this.status.kind !== 'online' || schema === undefined || this.#timeline === undefined) return false;
    return this.#sender.offer(inputAsRead(schema, values as Values), { tickMs: this.#timeline.tickMs, isKept: keep });
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

  #recordInput(input: Values, nowMs: number): void {
    const tick = this.#arrivalTick(nowMs);
    this.#predicting(() => this.#prediction?.record({ input, tick: Math.floor(tick) + 1 }, { nowMs, tick }));
  }

  #start(welcome: Welcome, schema: Schema, { isSwitch }: { isSwitch: boolean }): void {
    const isSameWorld =
      this.#schema !== undefined && viewHash(this.#schema) === viewHash(schema) && this.#view !== undefined;
    const isContinued = isSameWorld && welcome.resumed;
    // Nobody from before a new session is there any more, the own entity least of all.
    if (this.#view !== undefined && !isContinued) this.#tell(this.#view.clear());
    if (!isSameWorld) {
      this.#view = new View(schema, welcome, { interpolates: this.#options.interpolate !== false });
      this.#prediction = new Prediction(welcome, this.#apply, this.#inputs);
      this.#emptyComponents = emptyComponents(schema);
      this.#timeline = new Timeline(welcome);
    }
    this.#welcome = welcome;
    this.#schema = schema;
    this.#isViewBroken = false;
    // What is drawn goes on, whoever counts the ticks from here.
    this.#timeline?.changeSource();
    this.#applying.isNewOwner = isSwitch || welcome.resumed;
    if (isSwitch) return this.#sender.sendAgain({ isNewConnection: true });
    if (welcome.resumed) return;
    this.#owner = undefined;
    this.#prediction?.pause();
    this.#inputs.restart();
  }

  /** False when it does not fit what is in view, and a keyframe is to be asked for. */
  #take(source: SnapshotSource, receivedMs: number): boolean {
    const view = this.#view;
    const timeline = this.#timeline;
    if (view === undefined || timeline === undefined) return false;
    if (this.#isViewBroken && !isKeyframe(source)) return false;
    // NaN before the first.
    const gapMs = receivedMs - this.#receivedMs;
    if (gapMs > this.#longestGapMs) this.#longestGapMs = gapMs;
    this.#receivedMs = receivedMs;
    try {
      view.read(source, this.#applying);
    } catch (cause) {
      // What was changed before it went wrong was changed.
      this.#tell(view.takeChanges());
      const isFirst = !this.#isViewBroken && cause instanceof ClientError;
      this.#isViewBroken = true;
      if (isFirst) return false;
      throw cause;
    }
    this.#isViewBroken = false;
    this.#applying.isNewOwner = false;
    timeline.observe(view.tick, receivedMs);
    this.#reconcile(view, receivedMs);
    this.#tell(view.takeChanges());
    this.#onSnapshot.call(view.snapshot);
    this.#sender.sendOverdue(receivedMs, { rttMs: this.#link.clock.rttMs, intervalMs: timeline.intervalMs });
    return true;
  }

  #placeTick({ tick, keyframe, resync }: SnapshotHead): number {
    return this.#timeline?.place(tick, this.#receivedMs, { isDelta: !keyframe && !resync }) ?? tick;
  }

  /** Of the view, if the server can go on from it: it is whole, and of the owner that is known. */
  #lastKnownTick(): number {
    const isKnown = !this.#isViewBroken && !this.#applying.isNewOwner;
    return isKnown ? (this.#view?.latest.tick ?? 0) : 0;
  }

  #changeOwner({ node, seq }: Handover): void {
    if (this.#owner?.node === node && this.#owner.seq === seq) return;
    this.#owner = { node, seq };
    this.#applying.isNewOwner = true;
    this.#timeline?.changeSource();
    // What was on its way to the last owner may be lost with it; the new one drops by sequence what it has.
    this.#sender.sendAgain({ isNewConnection: false });
    this.#onOwner.call(this.#owner);
  }

  #reconcile(view: View, nowMs: number): void {
    const prediction = this.#prediction;
    const entity = view.self;
    if (prediction === undefined) return;
    const { inputSequence, durableLag } = view.latest;
    if (entity === undefined) prediction.pause();
    if (entity === undefined || !prediction.isWanted) return this.#inputs.acknowledge(view.latest, nowMs);
    const speedMax = this.#schema?.kinds[view.selfKind]?.speedMax ?? 0;
    const rest = { id: entity.id, slot: -1, ...this.#emptyComponents, ...entity.components };
    const { x, z, vx, vz } = entity;
    const base = { tick: view.tick, inputSequence, durableLag, x, z, vx, vz, speedMax, rest };
    this.#predicting(() => prediction.reconcile(base, { nowMs, tick: this.#arrivalTick(nowMs) }));
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
    if (status.kind === 'online' && status.resumed) this.#sender.sendAgain({ isNewConnection: true });
    if (status.kind !== 'online') this.#sender.drop();
    if (status.kind === 'closed') this.#endHints();
    // With another version of the game, the page that is loaded next resumes.
    if (status.kind === 'closed' && status.error?.code !== 'ERR_CLIENT_SCHEMA') this.#tokens?.forget();
    this.#onStatus.call(status);
  }

  #checkClock(): void {
    const { quality, sampleCount } = this.#link.clock;
    if (sampleCount < SAMPLES_GOOD) return;
    const { skewMs } = this.clock;
    const isSkewed = Math.abs(skewMs) > SKEW_MS_MAX;
    const told = this.#clockTold;
    if (isSkewed === told.isSkewed && (quality === 'slow') === (told.quality === 'slow')) return;
    this.#clockTold = { quality, isSkewed };
    this.#onClock.call(this.clock);
  }
}

function isKeyframe(source: SnapshotSource): boolean {
  if (!(source instanceof Uint8Array)) return source.keyframe;
  return ((source[KEYFRAME_FLAG_OFFSET_BYTES] ?? 0) & SNAPSHOT_FLAG.keyframe) !== 0;
}

const NONE: ReadonlyMap<EntityId, never> = new Map<EntityId, never>();

/** As from an event handler: not the caller's to catch. */
function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
