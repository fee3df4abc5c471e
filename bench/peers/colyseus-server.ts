/**
 * The scene on Colyseus: one room, its WebSocket transport, and a StateView for each client to which people are added when
 * they come near and removed when they go. Membership is the game's business there; interest-grid.ts finds it.
 *
 * `patchRate = null` and a patch at the end of each step is the documented way to send what a step made without waiting for a
 * second timer. Inputs come as raw bytes, the cheapest of its messages.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Room, Server } from '@colyseus/core';
import type { Client } from '@colyseus/core';
import { StateView } from '@colyseus/schema';
import { WebSocketTransport } from '@colyseus/ws-transport';
import { COLYSEUS_INPUT, COLYSEUS_ROOM, defineState } from './colyseus-state.ts';
import { InterestGrid } from './interest-grid.ts';
import type { InterestChanges } from './interest-grid.ts';
import { DIRECTION_UNIT, HYSTERESIS_METRES, RADIUS_METRES, SPEED_METRES } from './scene.ts';
import { STAMP_TICKS, stampNow, startOf } from './scene.ts';

const [people, worldSize, tickHz] = process.argv.slice(2).map(Number);
if (people === undefined || worldSize === undefined || tickHz === undefined) throw new Error('three numbers expected');
const crowd = { people, worldSize };
const { Person, PeersState } = defineState(worldSize);
type PersonState = InstanceType<typeof Person>;

class PeersRoom extends Room {
  override state = new PeersState();
  override patchRate = null;
  readonly #x = new Float64Array(crowd.people);
  readonly #z = new Float64Array(crowd.people);
  readonly #directions = new Int8Array(2 * crowd.people);
  readonly #isPresent = new Uint8Array(crowd.people);
  readonly #persons: (PersonState | undefined)[] = [];
  readonly #views: (StateView | undefined)[] = [];
  readonly #grid = new InterestGrid({ ...crowd, radius: RADIUS_METRES, hysteresis: HYSTERESIS_METRES });
  readonly #changes: InterestChanges = {
    enter: (observer, other) => this.#views[observer]?.add(this.#persons[other]!),
    leave: (observer, other) => {
      const person = this.#persons[other];
      if (person !== undefined) this.#views[observer]?.remove(person);
    },
  };
  #tick = 0;

  override onCreate(): void {
    this.onMessageBytes(COLYSEUS_INPUT, (client: Client, bytes: Uint8Array) => {
      const index = client.userData as number;
      this.#directions[2 * index] = bytes[0] ?? 0;
      this.#directions[2 * index + 1] = bytes[1] ?? 0;
    });
    this.setTimestep(() => this.#step(), 1000 / tickHz!);
  }

  override onJoin(client: Client, { index }: { index: number }): void {
    const { x, z } = startOf(index, crowd);
    const person = new Person({ x, z, person: index });
    client.userData = index;
    client.view = new StateView();
    this.state.people.set(client.sessionId, person);
    this.#x[index] = x;
    this.#z[index] = z;
    this.#persons[index] = person;
    this.#views[index] = client.view;
    this.#isPresent[index] = 1;
  }

  override onLeave(client: Client): void {
    const index = client.userData as number;
    this.#isPresent[index] = 0;
    this.#grid.forget(index);
    this.#views[index]?.dispose();
    this.#views[index] = undefined;
    this.#persons[index] = undefined;
    this.state.people.delete(client.sessionId);
  }

  #step(): void {
    const reach = SPEED_METRES / tickHz! / DIRECTION_UNIT;
    const half = worldSize! / 2;
    const stamp = stampNow();
    this.#tick++;
    for (let index = 0; index < crowd.people; index++) {
      const person = this.#persons[index];
      if (person === undefined) continue;
      this.#x[index] = within(half, this.#x[index]! + this.#directions[2 * index]! * reach);
      this.#z[index] = within(half, this.#z[index]! + this.#directions[2 * index + 1]! * reach);
      person.x = this.#x[index]!;
      person.z = this.#z[index]!;
      if ((index + this.#tick) % STAMP_TICKS === 0) person.stamp = stamp;
    }
    this.#grid.update(this.#x, this.#z, this.#isPresent, this.#changes);
    this.broadcastPatch();
  }
}

function within(half: number, position: number): number {
  return Math.min(half, Math.max(-half, position));
}

const server = createServer();
const game = new Server({ transport: new WebSocketTransport({ server }), greet: false });
game.define(COLYSEUS_ROOM, PeersRoom);
await game.listen(0, '127.0.0.1');
process.send?.({ type: 'ready', port: (server.address() as AddressInfo).port });
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
