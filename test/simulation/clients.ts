/**
 * Clients: each plays one entity through some gateway. Inputs are numbered; what is not acknowledged is sent again, in
 * order, until it is. A client logs in once; when its gateway is gone, or at a whim, it comes back elsewhere with the token of the
 * session that it was welcomed with last. Welcomes are lost, and thieves try tokens that are spent.
 */
import type { EntityId } from '../../src/base/brand.ts';
import { COUNTER_RANGE } from '../../src/base/brand.ts';
import type { NodeNumber, SessionId } from '../../src/peer/protocol.ts';
import { PATIENCE_MS } from './attachments.ts';
import { fail } from './checkers.ts';
import type { Frame } from './frame.ts';
import type { Process } from './process.ts';
import { INPUTS_MAX } from './record.ts';
import type { World } from './world.ts';

const UNACKNOWLEDGED_MAX = 8;
const RECONNECT_CHANCE = 0.02;
const LOST_WELCOME_CHANCE = 0.2;
const THEFT_CHANCE = 0.02;
/** From a client to its gateway, and back. */
const WIRE_MS = 5;

interface Client {
  readonly id: EntityId;
  gateway: NodeNumber;
  /** That it has its connection to. */
  process: Process | undefined;
  /** 0 while it is not welcome. */
  session: SessionId;
  /** The session that it holds a token of; 0 before an input of its first session was acknowledged. */
  token: SessionId;
  /** The session that it waits to be welcomed with, and since when. */
  expected: SessionId;
  expectedSinceMs: number;
  /** The token that it came with; spent for certain when something of the session is durable that it opened. */
  used: SessionId;
  /** The session in which it has spoken. */
  heard: SessionId;
  /** Tokens that are spent, and the sessions that were opened with them. */
  readonly spent: { readonly token: SessionId; readonly opened: SessionId }[];
  next: number;
  readonly waiting: Set<number>;
}

/** A session that was made of another, and who knows that as long as its client was not heard. */
interface Rebinding {
  readonly from: SessionId;
  readonly to: SessionId;
  readonly owner: Process;
}

type Resume = Extract<Frame, { kind: 'resume' }>;

export class Clients {
  readonly #world: World;
  readonly #byEntity = new Map<EntityId, Client>();
  readonly #rebindings = new Map<EntityId, Rebinding[]>();
  /** The gateway of each session that was welcomed, or should have been. */
  readonly #gateways = new Map<SessionId, Process>();
  #connections = 0;
  acknowledged = 0;
  resumed = 0;

  constructor(world: World) {
    this.#world = world;
  }

  add(id: EntityId): void {
    const client: Client = {
      id,
      gateway: 0,
      process: undefined,
      session: 0,
      token: 0,
      expected: 0,
      expectedSinceMs: 0,
      used: 0,
      heard: 0,
      spent: [],
      next: 1,
      waiting: new Set(),
    };
    this.#byEntity.set(id, client);
    this.#world.queue.after(this.#world.random.between(50, 200), () => this.#play(client));
  }

  get waiting(): number {
    let count = 0;
    for (const client of this.#byEntity.values()) count += client.waiting.size;
    return count;
  }

  /** An entity whose client waits, or 0. */
  firstWaiting(): number {
    for (const client of this.#byEntity.values()) if (client.waiting.size > 0) return client.id;
    return 0;
  }

  #play(client: Client): void {
    const world = this.#world;
    const { random, settings, queue } = world;
    const wantsOther = !world.isHealed && settings.kinds.has('reconnect') && random.next() < RECONNECT_CHANCE;
    if (wantsOther) world.fault('reconnect');
    const isGone = client.process?.isAlive !== true;
    const isForgotten = client.expected !== 0 && queue.nowMs - client.expectedSinceMs > PATIENCE_MS;
    if (wantsOther || isGone || isForgotten) this.#connect(client);
    else if (client.session !== 0) this.#speak(client);
    if (!world.isHealed && settings.kinds.has('reconnect') && random.next() < THEFT_CHANCE) this.#steal(client);
    queue.after(random.between(80, 160), () => this.#play(client));
  }

  #connect(client: Client): void {
    const world = this.#world;
    const { process, expected } = client;
    if (expected !== 0) world.queue.after(WIRE_MS, () => process?.traffic.attachments.cancel(expected));
    client.gateway = 1 + world.random.below(world.settings.nodes);
    client.session = 0;
    client.expected = 0;
    client.process = world.processAt(client.gateway);
    if (client.process === undefined) {
      client.gateway = 0;
      return;
    }
    const session = this.#newSession();
    if (client.token === 0) return this.#login(client, session);
    client.expected = session;
    client.expectedSinceMs = world.queue.nowMs;
    this.#say(client.gateway, { kind: 'resume', id: client.id, from: client.token, to: session });
  }

  #newSession(): SessionId {
    return ++this.#connections * COUNTER_RANGE + 1;
  }

  #login(client: Client, session: SessionId): void {
    client.session = session;
    this.#say(client.gateway, { kind: 'login', id: client.id, session, gateway: client.gateway, hops: 0 });
  }

  /** Somebody else shows a token that its client has used. */
  #steal(client: Client): void {
    const world = this.#world;
    const from = client.spent[world.random.below(Math.max(1, client.spent.length))]?.token;
    const gateway = 1 + world.random.below(world.settings.nodes);
    if (from === undefined || world.processAt(gateway) === undefined) return;
    world.fault('stolen token');
    this.#say(gateway, { kind: 'resume', id: client.id, from, to: this.#newSession() });
  }

  #speak(client: Client): void {
    const world = this.#world;
    const { id, session, gateway } = client;
    if (!world.isHealed && client.waiting.size < UNACKNOWLEDGED_MAX && client.next < INPUTS_MAX) {
      client.waiting.add(client.next++);
    }
    if (world.random.next() < 0.3) this.#say(gateway, { kind: 'login', id, session, gateway, hops: 0 });
    if (client.waiting.size > 0) client.heard = session;
    for (const number of client.waiting) this.#say(gateway, { kind: 'input', id, number, session, gateway, hops: 0 });
  }

  #say(gateway: NodeNumber, frame: Extract<Frame, { kind: 'input' | 'login' | 'resume' }>): void {
    const world = this.#world;
    const process = world.processAt(gateway);
    // One connection: in order, and gone with the gateway.
    world.queue.after(WIRE_MS, () => {
      if (process?.isAlive) process.traffic.fromClient(frame);
    });
  }

  // What a gateway says.

  done(frame: Extract<Frame, { kind: 'inputDone' }>): void {
    const client = this.#byEntity.get(frame.id);
    if (client === undefined) return;
    // The first session is there when something of it is durable; later ones were welcomed.
    if (client.token === 0 && frame.session === client.session) client.token = frame.session;
    if (client.used !== 0 && frame.session === client.session) {
      client.spent.push({ token: client.used, opened: frame.session });
      client.used = 0;
    }
    for (const number of frame.done) {
      // A fenced process may say so too: what it says was stable.
      this.#world.checkers.acknowledge(frame.id, number);
      if (client.waiting.delete(number)) this.acknowledged++;
    }
    for (const number of frame.refused) client.waiting.delete(number);
  }

  /** An owner has made `to` of `from`; no node is told so by this. */
  rebound({ id, from, to }: { id: EntityId; from: SessionId; to: SessionId }, owner: Process): void {
    const rebindings = this.#rebindings.get(id) ?? [];
    rebindings.push({ from, to, owner });
    this.#rebindings.set(id, rebindings);
  }

  /** Has the client of this session said something to its gateway, which tells each new owner so? */
  isHeard(id: EntityId, session: SessionId): boolean {
    const client = this.#byEntity.get(id);
    return client !== undefined && client.session === session && client.heard === session;
  }

  welcomed({ id, from, to }: Resume, gateway: Process): void {
    const world = this.#world;
    const client = this.#byEntity.get(id);
    if (client === undefined) return;
    // Who was to remember that it is spent is gone, and one who did not hear of it was asked: docs/HANDOVER.md says so.
    const spent = client.spent.find(({ token }) => token === from);
    if (spent === undefined) world.checkers.welcomed(id, to);
    else if (this.#gateways.get(spent.opened)?.isAlive === true)
      fail('C12', `the spent token ${from} opens a session`, id);
    else world.fault('theft');
    this.#gateways.set(to, gateway);
    const isLost = !world.isHealed && world.random.next() < LOST_WELCOME_CHANCE;
    if (isLost) world.fault('lost welcome');
    world.queue.after(WIRE_MS, () => {
      if (client.expected !== to) return;
      if (isLost || !gateway.isAlive) {
        // With its connection; the gateway hears of that, too.
        client.process = undefined;
        return;
      }
      this.resumed++;
      client.used = from;
      client.token = to;
      client.session = to;
      client.expected = 0;
    });
  }

  /** The player is not to be had: the client begins anew. */
  refused({ id, from, to }: Resume, { isLate }: { isLate: boolean }): void {
    const world = this.#world;
    const client = this.#byEntity.get(id);
    if (client === undefined || client.expected !== to) return;
    if (!isLate && !this.#isExcused(id, from))
      fail('C12', `the session of token ${from} is lost: nobody has its player, and its grace is not over`, id);
    world.fault('lost session');
    client.expected = 0;
    client.token = 0;
    this.#login(client, this.#newSession());
  }

  /**
   * What became of one of the sessions only two knew, and both are gone: who made the next one of it, and that one's gateway, if it
   * was told. This is what docs/HANDOVER.md promises, and no more. The next one need not be younger: a request that was late, of a
   * gateway that has died meanwhile, may have the last word, too.
   */
  #isExcused(id: EntityId, token: SessionId): boolean {
    const rebindings = this.#rebindings.get(id) ?? [];
    // When the session was the current one again, what had been made of it before was over.
    const since = rebindings.findLastIndex(({ to }) => to === token) + 1;
    const all = rebindings.slice(since).filter(({ from }) => from === token);
    // An owner knows what it made of a session last.
    const made = all.filter(({ owner }, index) => all.findLastIndex((other) => other.owner === owner) === index);
    if (made.length === 0) return false;
    const known = made.filter(({ to, owner }) => owner.isAlive || this.#gateways.get(to)?.isAlive === true);
    return known.every(({ to }) => this.#isExcused(id, to));
  }
}
