/** The gateway of one process and what sessions say between nodes: inputs, routes, acknowledgements. */
import type { EntityId } from '../../src/base/brand.ts';
import type { NodeNumber, SessionId } from '../../src/peer/protocol.ts';
import type { Pointer } from '../../src/peer/routing.core.ts';
import { POINTER_MS, isNewer, mayHop, nextNode, setPointer, takeRoute } from '../../src/peer/routing.core.ts';
import type { Acknowledgement, Entity } from './application.ts';
import { Attachments } from './attachments.ts';
import { fail } from './checkers.ts';
import type { Frame, InputFrame } from './frame.ts';
import type { Process } from './process.ts';

type Login = Extract<Frame, { kind: 'login' }>;
type Resume = Extract<Frame, { kind: 'resume' }>;
type RouteFrame = Extract<Frame, { kind: 'route' }>;
type InputDone = Extract<Frame, { kind: 'inputDone' }>;

const LOCATE_CHANCE = 0.3;

export class SessionTraffic {
  readonly pointers = new Map<EntityId, Pointer>();
  readonly attachments: Attachments;
  readonly #process: Process;

  constructor(process: Process) {
    this.#process = process;
    this.attachments = new Attachments(process, (entity) => this.announce(entity));
  }

  notePointer(id: EntityId, to: { node: NodeNumber; seq: number }): void {
    setPointer(this.pointers, id, { ...to, untilMs: this.#process.world.queue.nowMs + POINTER_MS });
  }

  /** What a client of this gateway says. */
  fromClient(frame: InputFrame | Login | Resume): void {
    this.#process.soon(() => {
      if (frame.kind === 'resume') return this.attachments.begin(frame);
      if (frame.kind === 'input') this.attachments.spoke(frame.id, frame.session);
      this.#forward(frame);
    });
  }

  receive(from: NodeNumber, frame: Exclude<Frame, { kind: 'peer' }>): void {
    switch (frame.kind) {
      case 'input':
      case 'login':
        this.#forward(frame);
        return;
      case 'route':
        this.#route(frame);
        return;
      case 'locate': {
        const entity = this.#process.application.owned.get(frame.id);
        if (entity !== undefined) this.#tellRoute(entity, frame.gateway, frame.session);
        return;
      }
      case 'inputDone':
        this.#process.world.clients.done(frame);
        return;
      case 'attach':
        this.attachments.receive(from, frame);
        return;
      case 'attachDone':
        this.attachments.answered(from, frame);
        return;
      case 'heard':
        this.attachments.heard(frame.session);
        this.#process.application.heard(frame);
        return;
      case 'resume':
        return fail('assert', 'no node sends a token to another');
    }
  }

  #forward(frame: InputFrame | Login): void {
    const process = this.#process;
    const entity = process.application.owned.get(frame.id);
    if (entity !== undefined) {
      if (frame.kind === 'input') {
        this.attachments.heard(frame.session);
        process.application.input(entity, frame);
      } else process.application.login(entity, frame.session, frame.gateway);
      return;
    }
    const { hops } = frame;
    const next = this.#nextNode(frame);
    const isOnward = next !== undefined && next !== process.node && mayHop(hops);
    if (isOnward) process.sendTo(next, { ...frame, hops: hops + 1 });
    if (frame.gateway !== process.node) return;
    // A hint may be wrong for good: its node may be gone. So the gateway asks around now and then.
    if (isOnward && process.world.random.next() > LOCATE_CHANCE) return;
    for (const node of process.linkedNodes()) {
      process.sendTo(node, { kind: 'locate', id: frame.id, session: frame.session, gateway: process.node });
    }
  }

  #nextNode(frame: InputFrame | Login): NodeNumber | undefined {
    const pointer = this.pointers.get(frame.id);
    const isGateway = frame.gateway === this.#process.node;
    return nextNode(pointer, isGateway ? this.#process.routes.get(frame.session) : undefined);
  }

  /** A new owner tells the session's gateway. */
  announce(entity: Entity): void {
    // What the gateway knows of its client it says when it hears of a new owner.
    if (this.#process.world.clients.isHeard(entity.id, entity.session)) entity.isHeard = true;
    if (entity.session !== 0 && entity.gateway !== 0) this.#tellRoute(entity, entity.gateway, entity.session);
  }

  #tellRoute(entity: Entity, gateway: NodeNumber, session: SessionId): void {
    const { node, incarnation } = this.#process.identity;
    const frame: RouteFrame = { kind: 'route', id: entity.id, session, node, seq: entity.seq, incarnation };
    if (gateway === node) this.#route(frame);
    else this.#process.sendTo(gateway, frame);
  }

  #route(frame: RouteFrame): void {
    const { routes } = this.#process;
    const { id: entity, session, node, seq, incarnation } = frame;
    const before = routes.get(session);
    const isTaken = takeRoute(routes, session, { entity, node, seq, incarnation });
    if (isTaken && before !== undefined && !isNewer(frame, before)) {
      fail('C6', `${this.#process.name} took an older route (${seq}, ${incarnation})`, entity);
    }
  }

  /** These are stable, with everything that acted before them. */
  acknowledge(items: readonly Acknowledgement[]): void {
    for (const { id, number, session, gateway, isDone } of items) {
      const frame: InputDone = {
        kind: 'inputDone',
        id,
        session,
        done: isDone ? [number] : [],
        refused: isDone ? [] : [number],
      };
      if (gateway === this.#process.node) this.#process.world.clients.done(frame);
      else this.#process.sendTo(gateway, frame);
    }
  }
}
