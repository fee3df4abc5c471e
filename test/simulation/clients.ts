/**
 * Clients: each plays one entity through some gateway. Inputs are numbered; what is not acknowledged is sent again, in
 * order, until it is; when the gateway is gone, or at a whim, the client connects elsewhere with a newer session.
 */
import type { EntityId } from '../../src/base/brand.ts';
import { COUNTER_RANGE } from '../../src/base/brand.ts';
import type { NodeNumber, SessionId } from '../../src/peer/protocol.ts';
import type { Frame } from './frame.ts';
import { INPUTS_MAX } from './record.ts';
import type { World } from './world.ts';

const UNACKNOWLEDGED_MAX = 8;

interface Client {
  readonly id: EntityId;
  gateway: NodeNumber;
  session: SessionId;
  next: number;
  readonly waiting: Set<number>;
}

export class Clients {
  readonly #world: World;
  readonly #byEntity = new Map<EntityId, Client>();
  #connections = 0;
  acknowledged = 0;

  constructor(world: World) {
    this.#world = world;
  }

  add(id: EntityId): void {
    const client: Client = { id, gateway: 0, session: 0, next: 1, waiting: new Set() };
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
    const { random, settings } = world;
    const wantsOther = !world.isHealed && settings.kinds.has('reconnect') && random.next() < 0.02;
    if (wantsOther) world.fault('reconnect');
    if (wantsOther || world.processAt(client.gateway) === undefined) this.#connect(client);
    if (client.gateway !== 0) this.#speak(client);
    world.queue.after(random.between(80, 160), () => this.#play(client));
  }

  #connect(client: Client): void {
    const world = this.#world;
    client.gateway = 1 + world.random.below(world.settings.nodes);
    if (world.processAt(client.gateway) === undefined) {
      client.gateway = 0;
      return;
    }
    this.#connections++;
    client.session = this.#connections * COUNTER_RANGE + 1;
    this.#say(client, { kind: 'login', id: client.id, session: client.session, gateway: client.gateway, hops: 0 });
  }

  #speak(client: Client): void {
    const world = this.#world;
    if (!world.isHealed && client.waiting.size < UNACKNOWLEDGED_MAX && client.next < INPUTS_MAX) {
      client.waiting.add(client.next++);
    }
    if (world.random.next() < 0.3) {
      this.#say(client, { kind: 'login', id: client.id, session: client.session, gateway: client.gateway, hops: 0 });
    }
    for (const number of client.waiting) {
      const { id, session, gateway } = client;
      this.#say(client, { kind: 'input', id, number, session, gateway, hops: 0 });
    }
  }

  #say(client: Client, frame: Extract<Frame, { kind: 'input' | 'login' }>): void {
    const world = this.#world;
    const process = world.processAt(client.gateway);
    // One connection: in order, and gone with the gateway.
    world.queue.after(5, () => {
      if (process?.isAlive) process.traffic.fromClient(frame);
    });
  }

  /** What a gateway passes on. */
  done(frame: Extract<Frame, { kind: 'inputDone' }>): void {
    const client = this.#byEntity.get(frame.id);
    if (client === undefined) return;
    for (const number of frame.done) {
      // A fenced process may say so too: what it says was stable.
      this.#world.checkers.acknowledge(frame.id, number);
      if (client.waiting.delete(number)) this.acknowledged++;
    }
    for (const number of frame.refused) client.waiting.delete(number);
  }
}
