/**
 * A few nodes around the handover core, for its tests: effects are carried out one by one, disks and wires move only
 * when a test says so, and every effect is a place where a node can be stopped.
 *
 *   step ─▶ effects ─▶ journal model (fsync by hand) · wires (first in, first out; by hand) · active copies
 *
 * Invariant, after every effect: at most one node that is not fenced simulates an entity.
 */
import type { EntityId } from '../../src/base/brand.ts';
import { assert } from '../../src/base/assert.ts';
import { createHandover, describe, ledgersToTake, step } from '../../src/peer/handover.core.ts';
import type { HandoverOptions } from '../../src/peer/handover.core.ts';
import type { HandoverState } from '../../src/peer/handover.core.ts';
import { NO_MUTATIONS } from '../../src/peer/protocol.ts';
import type {
  CoreEffect,
  CoreEvent,
  EntityRow,
  JournalContent,
  LeaseView,
  Ledger,
  MessageRow,
  Mutation,
  NodeNumber,
  Passenger,
  PeerIdentity,
  PeerMessage,
} from '../../src/peer/protocol.ts';
import { emptyContent, JournalModel } from './journal-model.ts';

export const NOBODY: Passenger = { lastInput: 0, gateway: 0, session: 0, account: '', marks: [] };

export interface Wire {
  readonly from: PeerIdentity;
  readonly to: PeerIdentity;
  readonly message: PeerMessage;
}

export interface TestNode {
  readonly node: NodeNumber;
  ledger: Ledger;
  incarnation: number;
  isAlive: boolean;
  isFenced: boolean;
  state: HandoverState;
  journal: JournalModel;
  /** What its simulation acts on. */
  readonly active: Map<EntityId, EntityRow>;
  /** Effects carried out so far, in all its lives. */
  effectCount: number;
  readonly events: CoreEvent[];
  /** Copies of other journals, as buddy: what is fsynced. */
  readonly copies: Map<Ledger, JournalModel>;
}

export interface CrashPoint {
  readonly node: NodeNumber;
  /** The effect of that node, counted from 0, at which it stops. */
  readonly index: number;
  /** Carried out, or not. */
  readonly isAfter: boolean;
}

export class TestCluster {
  readonly nodes: TestNode[] = [];
  readonly leases = new Map<Ledger, LeaseView>();
  readonly mutations: ReadonlySet<Mutation>;
  wires: Wire[] = [];
  nowMs = 1_000;
  transcript: string[] = [];
  crashPoint: CrashPoint | undefined;
  onCrash: () => void = () => {};
  doubles = 0;
  #incarnations = 0;
  readonly #swaps: (() => void)[] = [];
  readonly #kept = new Map<Ledger, JournalContent>();
  #cuts = new Set<string>();

  readonly #options: HandoverOptions;

  constructor(count: number, mutations: ReadonlySet<Mutation> = NO_MUTATIONS, options: HandoverOptions = {}) {
    this.mutations = mutations;
    this.#options = options;
    for (let node = 1; node <= count; node += 1) {
      const ledger = String(node).repeat(32);
      this.nodes.push({
        node,
        ledger,
        incarnation: 0,
        isAlive: false,
        isFenced: false,
        state: createHandover({ mutations }),
        journal: new JournalModel(emptyContent(ledger)),
        active: new Map(),
        effectCount: 0,
        events: [],
        copies: new Map(),
      });
    }
    for (const node of this.nodes) this.boot(node);
  }

  at(node: NodeNumber): TestNode {
    const found = this.nodes[node - 1];
    assert(found !== undefined, `no node ${node}`);
    return found;
  }

  identity({ node, ledger, incarnation }: TestNode): PeerIdentity {
    return { node, ledger, incarnation };
  }

  /** A process starts: journal, directory, links. */
  boot(node: TestNode, { isProtected = false, buddy = 0 } = {}): void {
    this.#incarnations += 1;
    node.incarnation = this.#incarnations;
    node.isAlive = true;
    node.state = createHandover({
      ...this.#options,
      mutations: this.mutations,
      seed: node.incarnation,
    });
    const lease = this.leases.get(node.ledger);
    this.leases.set(node.ledger, {
      node: node.node,
      ledger: node.ledger,
      incarnation: node.incarnation,
      version: (lease?.version ?? 0) + 1,
      state: 'active',
      successor: 0,
      successorLedger: '',
      isProtected: lease?.isProtected ?? isProtected,
      buddy: lease?.buddy ?? buddy,
    });
    this.step(node, { kind: 'start', me: this.identity(node), content: node.journal.content() });
    this.step(node, { kind: 'time', nowMs: this.nowMs });
    for (const other of this.nodes) if (other !== node) this.link(node, other);
    this.tellDirectory();
  }

  /** Both ends hear of a new session, unless the wire between them is cut. */
  link(a: TestNode, b: TestNode): void {
    if (!a.isAlive || !b.isAlive || a.isFenced || b.isFenced || this.#cuts.has(pairOf(a, b))) return;
    this.step(a, { kind: 'linkUp', peer: this.identity(b) });
    if (b.isAlive) this.step(b, { kind: 'linkUp', peer: this.identity(a) });
  }

  /** The session ends; what is on the wire is lost unless `keep` is said. */
  cut(a: TestNode, b: TestNode, { keep = false } = {}): void {
    this.#cuts.add(pairOf(a, b));
    this.step(a, { kind: 'linkDown', peer: this.identity(b) });
    this.step(b, { kind: 'linkDown', peer: this.identity(a) });
    if (keep) return;
    this.wires = this.wires.filter(({ from, to }) => !isBetween(a, b, from, to));
  }

  mend(a: TestNode, b: TestNode): void {
    this.#cuts.delete(pairOf(a, b));
    this.link(a, b);
  }

  tellDirectory(): void {
    for (const node of this.nodes) this.step(node, { kind: 'directory', leases: [...this.leases.values()] });
  }

  setLease(node: TestNode, change: Partial<LeaseView>): void {
    const lease = this.leases.get(node.ledger);
    assert(lease !== undefined, 'no lease');
    this.leases.set(node.ledger, { ...lease, ...change, version: lease.version + 1 });
  }

  crash(node: TestNode): void {
    node.isAlive = false;
    node.journal.crash();
    node.active.clear();
    node.events.length = 0;
    for (const other of this.nodes) {
      if (other !== node) this.step(other, { kind: 'linkDown', peer: this.identity(node) });
    }
  }

  /** The survivor fences the dead in the directory and reads its journal, or what is given instead of it. */
  takeOver(successor: TestNode, dead: TestNode, content: JournalContent = dead.journal.content()): void {
    this.fence(successor, dead);
    // Files and copies are kept until the import is stable, wherever the chain of successors ends.
    this.#kept.set(dead.ledger, content);
    this.offer();
  }

  /** What the shell does: reads what the directory gave to its node. */
  offer(): void {
    for (const node of this.nodes) {
      if (!node.isAlive || node.isFenced) continue;
      for (const ledger of ledgersToTake(node.state)) {
        const content = this.#kept.get(ledger);
        assert(content !== undefined, `the content of ${ledger} is gone`);
        this.step(node, { kind: 'takeover', content });
      }
    }
  }

  fence(successor: TestNode, dead: TestNode): void {
    dead.isFenced = true;
    const { node, ledger } = successor;
    this.setLease(dead, { state: 'fenced', successor: node, successorLedger: ledger });
    this.tellDirectory();
  }

  step(node: TestNode, event: CoreEvent): void {
    if (!node.isAlive || node.isFenced) return;
    if (event.kind === 'release') for (const { id } of event.items) node.active.delete(id);
    const effects: CoreEffect[] = [];
    step(node.state, event, effects);
    for (const effect of effects) {
      if (!this.#mayGoOn(node, false)) return;
      this.#carryOut(node, effect);
      this.#check(effect);
      node.effectCount += 1;
      if (!this.#mayGoOn(node, true)) return;
    }
    for (let next = node.events.shift(); next !== undefined; next = node.events.shift()) this.step(node, next);
  }

  #mayGoOn(node: TestNode, isAfter: boolean): boolean {
    const point = this.crashPoint;
    if (point === undefined || point.node !== node.node || point.isAfter !== isAfter) return true;
    if (node.effectCount !== point.index + (isAfter ? 1 : 0)) return true;
    this.crashPoint = undefined;
    this.crash(node);
    this.onCrash();
    return false;
  }

  #carryOut(node: TestNode, effect: CoreEffect): void {
    this.transcript.push(`${node.node} ${tell(effect)}`);
    switch (effect.kind) {
      case 'journal':
        node.journal.append(effect.position, effect.writes);
        return;
      case 'send':
        if (this.#cuts.has([node.node, effect.to.node].sort((a, b) => a - b).join())) return;
        this.wires.push({ from: this.identity(node), to: effect.to, message: effect.message });
        return;
      case 'activate':
        assert(!node.active.has(effect.row.id), `entity ${effect.row.id} is active here already`);
        node.active.set(effect.row.id, effect.row);
        return;
      case 'deliver':
        this.#deliver(node, effect.row);
        return;
      case 'copyReset':
        node.copies.set(effect.content.ledger, new JournalModel(effect.content));
        this.#copied(node, effect.content.ledger, effect.incarnation);
        return;
      case 'copy': {
        const copy = node.copies.get(effect.ledger);
        assert(copy !== undefined, 'a stream without a copy');
        effect.batches.forEach((writes, index) => copy.append(effect.from + index, writes));
        this.#copied(node, effect.ledger, effect.incarnation);
        return;
      }
      case 'protect':
        this.#swap(node, { isProtected: true, buddy: effect.buddy });
        return;
      case 'unprotect':
        this.#swap(node, { isProtected: false, buddy: 0 });
        return;
      case 'readJournal':
        // The model reads after everything that was asked for.
        node.events.push({ kind: 'fsynced', position: node.journal.fsync() });
        node.events.push({ kind: 'journalRead', content: node.journal.content() });
        return;
      case 'moved':
      case 'credits':
      case 'stage':
        return;
      case 'stop':
        node.isAlive = false;
    }
  }

  /** A compare-and-swap on the own lease is on its way to the directory. */
  #swap(node: TestNode, change: Partial<LeaseView>): void {
    const { incarnation } = node;
    this.#swaps.push(() => {
      if (node.isFenced || node.incarnation !== incarnation) return;
      this.setLease(node, change);
      this.step(node, { kind: 'directory', leases: [...this.leases.values()] });
    });
  }

  /** The directory does what it was asked for. */
  swapLeases(): void {
    for (const swap of this.#swaps.splice(0)) swap();
  }

  #copied(node: TestNode, ledger: Ledger, incarnation: number): void {
    const position = node.copies.get(ledger)?.fsync() ?? 0;
    node.events.push({ kind: 'copied', ledger, incarnation, position });
  }

  /** The simulation: applies a message once, by the marks; the record counts them. */
  #deliver(node: TestNode, message: MessageRow): void {
    const row = node.active.get(message.entity);
    if (row === undefined) return;
    const { marks } = row.passenger;
    if ((marks.find(({ sender }) => sender === message.issuer)?.number ?? 0) >= message.number) return;
    const others = marks.filter(({ sender }) => sender !== message.issuer);
    const passenger = { ...row.passenger, marks: [...others, { sender: message.issuer, number: message.number }] };
    const acted = { ...row, record: Uint8Array.of(...row.record, message.payload[0] ?? 0), passenger };
    node.active.set(row.id, acted);
    node.events.push({ kind: 'checkpoint', rows: [acted] });
  }

  /** Only an activation can make two of one. */
  #check(effect: CoreEffect): void {
    if (effect.kind !== 'activate') return;
    if (this.ownersOf(effect.row.id).length > 1) this.doubles += 1;
  }

  birth(node: TestNode, ids: readonly number[]): void {
    const rows = ids.map((id): EntityRow => {
      const row = { id: id as EntityId, seq: 1, record: new Uint8Array(0), passenger: NOBODY, atRest: false };
      node.active.set(row.id, row);
      return row;
    });
    this.step(node, { kind: 'checkpoint', rows });
  }

  release(source: TestNode, target: TestNode, ids: readonly number[]): void {
    const items = ids.map((id) => {
      const row = source.active.get(id as EntityId);
      assert(row !== undefined, `entity ${id} is not active at ${source.node}`);
      const { record, passenger } = row;
      return { id: row.id, seq: row.seq + 1, targetCell: 35, record, passenger, pendingInputs: [] };
    });
    this.step(source, { kind: 'release', tick: 7, target: this.identity(target), items });
  }

  fsync(node: TestNode): void {
    if (node.isAlive) this.step(node, { kind: 'fsynced', position: node.journal.fsync() });
  }

  /** Hands over the first message on the wire (that `filter` lets through). False when there is none. */
  deliver(filter: (wire: Wire) => boolean = () => true): boolean {
    const index = this.wires.findIndex(filter);
    if (index < 0) return false;
    const [wire] = this.wires.splice(index, 1);
    assert(wire !== undefined, 'a wire');
    this.hand(wire);
    return true;
  }

  hand({ from, to, message }: Wire): void {
    const node = this.at(to.node);
    const isLate = !this.mutations.has('unboundMessages') && to.incarnation !== node.incarnation;
    if (isLate) return;
    this.step(node, { kind: 'message', from, toIncarnation: to.incarnation, message });
  }

  advance(durationMs: number): void {
    this.nowMs += durationMs;
    this.offer();
    for (const node of this.nodes) this.step(node, { kind: 'time', nowMs: this.nowMs });
  }

  /** Lets disks, wires and time run; `order` says which of the first two goes first. */
  run(durationMs: number, order: 'disk' | 'wire' = 'disk'): void {
    for (const untilMs = this.nowMs + durationMs; this.nowMs < untilMs;) {
      for (let turn = 0; turn < 12 && this.#isBusy(); turn += 1) {
        if (order === 'disk') for (const node of this.nodes) this.fsync(node);
        for (let count = this.wires.length; count > 0; count -= 1) this.deliver();
        if (order === 'wire') for (const node of this.nodes) this.fsync(node);
      }
      this.swapLeases();
      this.advance(20);
    }
  }

  #isBusy(): boolean {
    return this.wires.length > 0 || this.nodes.some(({ journal }) => journal.position > journal.fsynced);
  }

  /** Where the entity is simulated. */
  ownersOf(id: number): NodeNumber[] {
    return this.nodes
      .filter(({ active, isAlive, isFenced }) => isAlive && !isFenced && active.has(id as EntityId))
      .map(({ node }) => node);
  }

  /** What is left behind, as words; empty when everything is resolved. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const node of this.nodes) {
      if (!node.isAlive || node.isFenced) continue;
      const content = node.journal.content();
      const { outbox, inboxCount, importCount, messageCount, violationCount } = describe(node.state);
      const counts = {
        outbox: content.outbox.length,
        inbox: content.inbox.length,
        messages: content.messages.length,
        outboxInMemory: outbox.releasing + outbox.released + outbox.removing + outbox.reclaiming,
        inboxInMemory: inboxCount,
        imports: importCount,
        messagesInMemory: messageCount,
        violations: violationCount,
        owned: content.entities.length - node.active.size,
      };
      for (const [name, count] of Object.entries(counts)) if (count !== 0) found.push(`${node.node} ${name} ${count}`);
    }
    return found;
  }
}

function pairOf(a: TestNode, b: TestNode): string {
  return [a.node, b.node].sort((left, right) => left - right).join();
}

function isBetween(a: TestNode, b: TestNode, from: PeerIdentity, to: PeerIdentity): boolean {
  return (from.node === a.node && to.node === b.node) || (from.node === b.node && to.node === a.node);
}

/** One effect in a line, without bytes and ledgers. */
export function tell(effect: CoreEffect): string {
  switch (effect.kind) {
    case 'journal':
      return `journal ${effect.position}: ${effect.writes.map(({ kind }) => kind).join(' ')}`;
    case 'send':
      return `send ${effect.to.node}: ${tellMessage(effect.message)}`;
    case 'activate':
      return `activate ${effect.row.id} seq ${effect.row.seq}: ${effect.cause}`;
    case 'stage':
      return `stage ${effect.side} ${effect.stage} ${effect.id} seq ${effect.seq}`;
    case 'credits':
      return `credits ${effect.node}: ${effect.credits}`;
    case 'moved':
      return `moved ${effect.id} seq ${effect.seq} to ${effect.node}`;
    default:
      return effect.kind;
  }
}

function tellMessage(message: PeerMessage): string {
  switch (message.kind) {
    case 'commit':
      return `commit low ${message.lowWatermark} [${message.items.map(({ transferSeq }) => transferSeq).join()}]`;
    case 'ack': {
      const rejected = message.rejected.map(({ transferSeq, reason }) => `${transferSeq} ${reason}`);
      return `ack accepted [${message.accepted.join()}] confirmed [${message.confirmed.join()}] rejected [${rejected.join()}]`;
    }
    case 'collect':
      return `collect ${message.lowWatermark}`;
    case 'cancel':
      return `cancel [${message.transferSeqs.join()}]`;
    default:
      return message.kind;
  }
}
