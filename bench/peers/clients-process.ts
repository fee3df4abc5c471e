/**
 * All clients of one run, in a process of their own. Does what its parent says over the channel: `grow` to so many clients, `shrink` to
 * so many, `window` tells what was measured since the last one. Whoever is online walks.
 */
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rota } from '../../src/main/bots/rota.core.ts';
import { BareClient } from './bare-client.ts';
import { OBSERVERS_MAX } from './clients-plan.ts';
import type { ClientsOrder, ClientsPlan, Grown } from './clients-plan.ts';
import type { Client, ClientOptions } from './client.ts';
import { ColyseusClient } from './colyseus-client.ts';
import { Measures } from './measures.ts';
import { NEAR_METRES, Walk } from './scene.ts';
import { WorldmeshClient } from './worldmesh-client.ts';
import type { SharedSchema } from './worldmesh-client.ts';

const JOINS_AT_ONCE = 64;
const WAKE_MS = 4;

class Clients {
  readonly measures: Measures;
  readonly #plan: ClientsPlan;
  readonly #clients: Client[] = [];
  readonly #walks: Walk[] = [];
  readonly #shared: SharedSchema = { schema: undefined };
  #wanted = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: JOINS_AT_ONCE });

  constructor(plan: ClientsPlan) {
    this.#plan = plan;
    this.measures = new Measures(plan.stateHz);
  }

  get online(): number {
    return this.#clients.reduce((count, client) => count + (client.isOnline ? 1 : 0), 0);
  }

  /** Joins until there are so many, so many at once; the first goes alone, because others may need what it is sent. */
  async grow(count: number): Promise<Grown> {
    const startMs = performance.now();
    this.#wanted = count;
    const joinNext = async (): Promise<void> => {
      while (this.#clients.length < this.#wanted) {
        const client = this.#create(this.#clients.length);
        this.#clients.push(client);
        await client.join();
      }
    };
    if (this.#clients.length === 0) {
      const first = this.#create(0);
      this.#clients.push(first);
      await first.join();
    }
    await Promise.all(Array.from({ length: JOINS_AT_ONCE }, joinNext));
    return { type: 'grown', seconds: (performance.now() - startMs) / 1000, online: this.online };
  }

  /** Also ends growing. */
  shrink(count: number): void {
    this.#wanted = count;
    for (const client of this.#clients.splice(count)) client.leave();
  }

  /** For ever: inputs, spread over their period. */
  async walk(): Promise<never> {
    const people = this.#plan.crowd.people;
    const rota = new Rota({ count: people, periodMs: 1000 / this.#plan.inputsHz, startMs: performance.now() });
    for (;;) {
      rota.take(performance.now(), (member) => {
        const client = this.#clients[member];
        if (client === undefined || !client.isOnline) return;
        const walk = this.#walk(member);
        walk.step();
        client.sendInput(walk.direction);
      });
      await sleep(WAKE_MS);
    }
  }

  #walk(person: number): Walk {
    return (this.#walks[person] ??= new Walk(person, this.#plan.crowd, this.#plan.inputsHz));
  }

  #create(index: number): Client {
    const { side, port, crowd } = this.#plan;
    const stride = Math.max(1, Math.floor(crowd.people / OBSERVERS_MAX));
    const isObserver = index % stride === 0;
    const isNear = (person: number) => this.#walk(index).distanceTo(this.#walk(person)) <= NEAR_METRES;
    const options: ClientOptions = { port, index, crowd, isObserver, measures: this.measures, isNear };
    switch (side) {
      case 'worldmesh':
        return new WorldmeshClient(options, this.#shared);
      case 'colyseus':
        return new ColyseusClient(options, this.#agent);
      case 'bare':
        return new BareClient(options);
    }
  }
}

const clients = new Clients(JSON.parse(process.argv[2] ?? '') as ClientsPlan);
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
process.on('message', (order: ClientsOrder) => {
  switch (order.type) {
    case 'grow':
      void clients.grow(order.count).then((grown) => process.send?.(grown));
      return;
    case 'shrink':
      clients.shrink(order.count);
      return;
    case 'window':
      process.send?.(clients.measures.window(clients.online));
  }
});
await clients.walk();
