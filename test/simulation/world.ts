/**
 * A whole cluster in one thread, from one seed: machines, network, directory, clients, faults, and the checkers that look
 * on. Everything that happens is an event of one queue, and all chance comes from one generator: the same seed is the same
 * history, to the last bit of the trace hash (C10).
 */
import type { EntityId } from '../../src/base/brand.ts';
import { entityIdFrom } from '../../src/base/brand.ts';
import { Random } from '../../src/base/random.ts';
import { stablePosition } from '../../src/peer/handover-stable.core.ts';
import { isRunning } from '../../src/peer/handover.core.ts';
import type { CoreEffect, CoreEvent, EntityRow, Ledger, Mutation, NodeNumber } from '../../src/peer/protocol.ts';
import { NO_MUTATIONS } from '../../src/peer/protocol.ts';
import { Checkers, fail } from './checkers.ts';
import { Clients } from './clients.ts';
import { Directory } from './directory.ts';
import type { Disk } from './disk.ts';
import { EventQueue } from './event-queue.ts';
import type { Frame } from './frame.ts';
import { Faults } from './faults.ts';
import { Machine } from './machine.ts';
import { Network } from './network.ts';
import type { Process } from './process.ts';
import { encodeRecord } from './record.ts';
import { FAULTS_MIN, FAULT_KINDS_MIN, faultsOf } from './settings.ts';
import type { Settings } from './settings.ts';
import { Sink } from './sink.ts';
import { Story } from './story.ts';

const GOLD_EACH = 10;
/** How soon a change of the directory is heard of. */
const WATCH_MS = 25;
/** What one schedule may take; a loop of messages would have no end. */
const EVENTS_MAX = 150_000;
const STEPS_MAX = 600_000;
/** Of 100 ms each, for a schedule that has not had its faults. */
const EXTENSIONS_MAX = 200;

export interface WorldOptions {
  readonly seed: number;
  readonly settings: Settings;
  readonly mutations?: ReadonlySet<Mutation>;
  /** Remember what happens, to be told after a failure. */
  readonly isTold?: boolean;
}

export class World {
  readonly settings: Settings;
  readonly mutations: ReadonlySet<Mutation>;
  readonly random: Random;
  readonly queue = new EventQueue();
  readonly checkers = new Checkers();
  readonly directory: Directory;
  readonly network: Network<Frame>;
  readonly machines: Machine[] = [];
  readonly clients: Clients;
  readonly sink = new Sink(this);
  readonly story: Story | undefined;
  readonly faultCounts = new Map<string, number>();
  readonly stages: Partial<Record<string, number>> = {};
  readonly oldDisks = new Map<Ledger, Disk>();
  /** Ledgers that are lost with their disks. */
  readonly #lostLedgers = new Set<Ledger>();
  readonly #initial: EntityId[] = [];
  readonly #told = new Set<NodeNumber>();
  #ledgers = 0;
  #steps = 0;
  #faults: Faults | undefined;
  isHealed = false;
  takeovers = 0;
  events = 0;
  hash = 0x811c9dc5;

  constructor(options: WorldOptions) {
    const { settings } = options;
    this.settings = settings;
    this.mutations = options.mutations ?? NO_MUTATIONS;
    this.random = new Random(options.seed);
    this.story = options.isTold ? new Story() : undefined;
    const { queue, random, mutations } = this;
    const { nodes } = settings;
    this.directory = new Directory({ queue, random, nodes, cells: settings.application.cells });
    this.network = new Network({ queue, random, mutations, nodes, processAt: (node) => this.processAt(node) });
    // The stream to a buddy rests on the link's order: a repeated reset would cut a copy back.
    this.network.mayRepeat = (frame) => frame.kind === 'peer' && !frame.message.kind.startsWith('stream');
    this.network.onFault = (kind) => this.fault(kind);
    this.directory.onFault = (kind) => this.fault(kind);
    this.directory.onChange = () => this.#directoryChanged();
    this.directory.onFenced = (lease) =>
      this.note('directory', `ledger ${Number.parseInt(lease.ledger, 16)} fenced for ${lease.successor}`);
    for (let node = 1; node <= nodes; node++) this.machines.push(new Machine(this, node));
    this.clients = new Clients(this);
    this.#populate();
  }

  #populate(): void {
    const { settings, machines, checkers } = this;
    for (let index = 0; index < settings.entities; index++) {
      const id = entityIdFrom(0, 1 + index);
      const cell = index % settings.application.cells;
      const state = { cell, gold: GOLD_EACH, counter: 0, applied: new Uint32Array(4), published: 0, stampMs: 0 };
      const passenger = { lastInput: 0, gateway: 0, session: 0, account: '', marks: [] };
      const row: EntityRow = { id, seq: 1, record: encodeRecord(state), passenger, atRest: false };
      const { stable } = machines[index % machines.length]!.disk;
      stable.entities.set(id, row);
      checkers.recorded(id, 1, 'entity');
      checkers.expected.add(id);
      this.#initial.push(id);
      if (index < settings.clients) this.clients.add(id);
    }
  }

  machine(node: NodeNumber): Machine {
    return this.machines[node - 1]!;
  }

  processAt(node: NodeNumber): Process | undefined {
    return this.machines[node - 1]?.process;
  }

  newLedger(): Ledger {
    return (++this.#ledgers).toString(16).padStart(32, '0');
  }

  /** Somebody to trade with. */
  randomEntity(): EntityId {
    if (this.isHealed) return 0 as EntityId;
    return this.#initial[this.random.below(this.#initial.length)]!;
  }

  started(machine: Machine): void {
    if (this.queue.nowMs > 500) this.#faults?.started(machine);
  }

  fault(kind: string): void {
    this.faultCounts.set(kind, (this.faultCounts.get(kind) ?? 0) + 1);
  }

  note(who: string, text: string, id?: EntityId): void {
    this.story?.add(this.queue.nowMs, who, text, id);
  }

  traceEvent(process: Process, event: CoreEvent): void {
    if (++this.events > EVENTS_MAX) fail('C9', `more than ${EVENTS_MAX} events`);
    this.#mix(this.queue.nowMs * 1000);
    this.#mix(process.incarnation * 256 + event.kind.charCodeAt(1));
    this.story?.addEvent(this.queue.nowMs, process.name, event);
  }

  traceEffect(process: Process, effect: CoreEffect): void {
    this.#mix(process.incarnation * 256 + effect.kind.charCodeAt(0));
    this.story?.addEffect(this.queue.nowMs, process.name, effect);
  }

  #mix(value: number): void {
    this.hash = Math.imul(this.hash ^ (value | 0), 0x01000193) >>> 0;
  }

  // --- disks --------------------------------------------------------------------------------------------------------

  watchDisk(disk: Disk): void {
    disk.stable.onRecord = (id, change, kind) => this.checkers.recorded(id, change, kind);
    disk.stable.onImport = (ledger) => this.#retire(ledger);
    this.oldDisks.set(disk.ledger, disk);
  }

  /** Its successor has everything, stably. */
  #retire(ledger: Ledger): void {
    this.checkers.unrecorded.delete(ledger);
    const disk = this.oldDisks.get(ledger);
    if (disk === undefined || !this.oldDisks.delete(ledger) || this.#lostLedgers.has(ledger)) return;
    disk.stable.onRecord = () => {};
    for (const id of disk.stable.entities.keys()) this.checkers.recorded(id, -1, 'import');
    for (const row of disk.stable.outbox.values()) this.checkers.recorded(row.id, -1, 'import');
  }

  lostDisk(disk: Disk): void {
    this.#lostLedgers.add(disk.ledger);
    disk.stable.onRecord = () => {};
    const ids = [...disk.stable.entities.keys(), ...[...disk.stable.outbox.values()].map(({ id }) => id)];
    this.checkers.unrecorded.set(disk.ledger, new Set(ids));
    for (const id of ids) this.checkers.recorded(id, -1, 'import');
  }

  /**
   * A ledger whose content is on its way to a successor: another loss now could be that of a node and its buddy before the
   * next protection, outside the promise. The import is whole when it is stable, at the heir's buddy too.
   */
  hasOpenTakeover(): boolean {
    const fenced = this.directory.leases.filter(({ state }) => state === 'fenced').map(({ ledger }) => ledger);
    return this.#areOpen([...this.#lostLedgers, ...fenced]);
  }

  /** Is it an heir whose own buddy has not seen the import? With such a one two nodes would be gone, not one. */
  owesProtection(ledger: Ledger): boolean {
    const wards = this.directory.leases.filter(({ successorLedger }) => successorLedger === ledger);
    if (wards.length === 0) return false;
    const copies = this.machines.flatMap((machine) => machine.copies.get(ledger) ?? []);
    return !wards.every((ward) => copies.some(({ stable }) => stable.imports.has(ward.ledger)));
  }

  #areOpen(ledgers: readonly Ledger[]): boolean {
    const cores = this.machines.flatMap(({ process }) => (process === undefined ? [] : [process.core]));
    const hasTaken = (ledger: Ledger): boolean =>
      cores.some((core) => isRunning(core) && core.imports.get(ledger)?.isStable === true);
    return ledgers.some((ledger) => !hasTaken(ledger));
  }

  // --- directory ----------------------------------------------------------------------------------------------------

  #directoryChanged(): void {
    for (const machine of this.machines) if (machine.process !== undefined) this.tellDirectory(machine.process);
  }

  /** Soon, once for all that changes until then. */
  tellDirectory(process: Process): void {
    if (this.#told.has(process.incarnation)) return;
    this.#told.add(process.incarnation);
    this.queue.after(this.random.between(1, WATCH_MS), () => {
      this.#told.delete(process.incarnation);
      if (!process.isAlive) return;
      if (!this.directory.isReachable(process.node)) {
        this.queue.after(50, () => {
          if (process.isAlive) this.tellDirectory(process);
        });
        return;
      }
      const leases = this.directory.view();
      const cellOwners = [...this.directory.cellOwners];
      this.queue.after(this.random.between(0.2, 2), () => process.hearDirectory(leases, cellOwners));
    });
  }

  tellDeath(node: NodeNumber, incarnation: number): void {
    for (const machine of this.machines) {
      const { process } = machine;
      if (process === undefined) continue;
      this.queue.after(this.random.between(1, 100), () => {
        // Whoever has the lock first knows that nobody else has.
        if (this.processAt(node)?.incarnation !== incarnation) process.hearDeath(node, incarnation);
      });
    }
  }

  // --- a run --------------------------------------------------------------------------------------------------------

  run(): void {
    const { settings, queue } = this;
    for (const machine of this.machines) machine.boot();
    this.#faults = new Faults(this);
    queue.after(settings.calmMs, () => this.#faults?.begin());
    if (settings.kinds.has('buddyAhead')) this.#faults.awaitBuddies();
    this.runUntil(settings.activeMs);
    for (let more = 0; more < EXTENSIONS_MAX && !this.#hasFaultsEnough(); more++) this.runUntil(queue.nowMs + 100);
    this.heal();
    this.settle();
  }

  /** What follows from faults is none. */
  #hasFaultsEnough(): boolean {
    const { counts, kinds } = faultsOf(this.faultCounts);
    return counts >= FAULTS_MIN && kinds >= FAULT_KINDS_MIN;
  }

  runUntil(untilMs: number, isDone: () => boolean = () => false): void {
    while (this.queue.nextMs <= untilMs) {
      if (isDone()) return;
      if (++this.#steps > STEPS_MAX) fail('C9', `more than ${STEPS_MAX} steps`);
      this.queue.runNext();
    }
    this.queue.nowMs = Math.max(this.queue.nowMs, untilMs);
  }

  /** Ends all faults, and everything that the world does by itself. */
  heal(): void {
    this.isHealed = true;
    this.note('world', 'healed');
    const { application } = this.settings;
    application.moveChance = 0;
    application.tradeChance = 0;
    application.birthChance = 0;
    application.despawnChance = 0;
    application.restChance = 0;
    application.publishChance = 0;
    Object.assign(this.network.faults, { spikeChance: 0, resetChance: 0, repeatChance: 0 });
    this.network.healAll();
    this.directory.heal();
    this.directory.faults.maximumMs = 3;
    for (const machine of this.machines) machine.heal();
    this.#directoryChanged();
  }

  settle(): void {
    const { queue, settings } = this;
    const deadlineMs = queue.nowMs + settings.settleMs;
    let reason: string | undefined = 'nothing was looked at';
    while (reason !== undefined && queue.nowMs < deadlineMs) {
      this.runUntil(queue.nowMs + 100);
      this.sink.replayAll();
      reason = this.unsettled();
    }
    if (reason !== undefined) fail('C3', `${settings.settleMs} ms after the last fault: ${reason}`, this.#suspect);
    this.#checkGold();
    this.#checkPublications();
  }

  #suspect = 0;

  /** Why the cluster is not quiet yet. */
  unsettled(): string | undefined {
    this.#suspect = 0;
    const { checkers } = this;
    // It may hold nothing but messages, which nobody misses but by the gold in them.
    if (this.hasOpenTakeover()) return 'a ledger waits to be taken over';
    for (const machine of this.machines) {
      const { process, disk } = machine;
      if (process === undefined) return `node ${machine.node} is not up`;
      // A message that is not stable yet is in no table, and its gold in nobody's purse.
      if (stablePosition(process.core) < process.core.position) return `${process.name} is still writing`;
      const { stable } = disk;
      for (const row of stable.outbox.values()) {
        this.#suspect = row.id;
        return `${process.name} has entity ${row.id} seq ${row.seq} in its outbox`;
      }
      for (const row of stable.messages.values()) {
        this.#suspect = row.entity;
        return `${process.name} has message ${row.number} to ${row.entity} in its outbox`;
      }
      for (const row of stable.publications.values()) {
        this.#suspect = row.entity;
        return `${process.name} has publication ${row.number} of ${row.entity}`;
      }
      for (const row of stable.inbox.values()) {
        this.#suspect = row.id;
        const source = Number.parseInt(row.source, 16);
        return `${process.name} has entity ${row.id} seq ${row.seq} of ledger ${source} in its inbox`;
      }
    }
    for (const id of checkers.expected) {
      const count = checkers.active.get(id)?.length ?? 0;
      if (count === 1 || (count === 0 && checkers.ending.has(id))) continue;
      this.#suspect = id;
      return `entity ${id} has ${count} active copies`;
    }
    for (const id of checkers.despawned) {
      if ((checkers.active.get(id)?.length ?? 0) === 0) continue;
      this.#suspect = id;
      return `entity ${id} was despawned and is back`;
    }
    this.#suspect = this.clients.firstWaiting();
    if (this.#suspect !== 0) return `clients wait for ${this.clients.waiting} inputs`;
    return undefined;
  }

  #checkPublications(): void {
    for (const machine of this.machines) {
      for (const { id, state } of machine.process?.application.owned.values() ?? [])
        this.sink.checkComplete(id, state.published);
    }
    for (const id of this.checkers.despawned) this.sink.checkComplete(id, this.checkers.lastPublished.get(id) ?? 0);
  }

  #checkGold(): void {
    let gold = 0;
    for (const machine of this.machines) {
      for (const entity of machine.process?.application.owned.values() ?? []) gold += entity.state.gold;
    }
    const expected = GOLD_EACH * this.settings.entities;
    if (gold !== expected) fail('C4', `${gold} gold, ${expected} at the beginning`);
  }
}
