/**
 * The shell of one simulated process: carries out what the cores ask for, as the peer thread does.
 *
 *   tick, frame, fsync, directory ──▶ pass: step(core, event) ──▶ effects in order ──▶ one group for the journal
 *
 * A pass may end in the middle, by a crash or by a pause between check and effect; what it had not done, a paused process
 * does when it wakes, without looking at its lease again: that is what receivers must be safe against.
 */
import { createHandover, isRunning, step, stepTogether } from '../../src/peer/handover.core.ts';
import type { HandoverState } from '../../src/peer/handover-state.core.ts';
import { stablePosition } from '../../src/peer/handover-stable.core.ts';
import type { CoreEffect, CoreEvent, JournalContent, LeaseView, NodeNumber } from '../../src/peer/protocol.ts';
import type { PeerIdentity, SessionId } from '../../src/peer/protocol.ts';
import type { Route } from '../../src/peer/routing.core.ts';
import { Application } from './application.ts';
import type { Witness } from './checkers.ts';
import type { Clock } from './clock.ts';
import { checkNamed, copyBatches } from './disk.ts';
import type { Disk, DiskItem } from './disk.ts';
import type { Frame } from './frame.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { Machine } from './machine.ts';
import type { Endpoint } from './network.ts';
import { SessionTraffic } from './session-traffic.ts';
import { TakeoverWatch } from './takeover-watch.ts';
import type { World } from './world.ts';

interface StableWait {
  readonly position: number;
  readonly run: () => void;
}

export class Process implements Endpoint<Frame>, Witness {
  readonly identity: PeerIdentity;
  readonly name: string;
  readonly world: World;
  readonly machine: Machine;
  readonly core: HandoverState;
  readonly application: Application;
  readonly traffic: SessionTraffic;
  readonly routes = new Map<SessionId, Route>();
  readonly clock: Clock;
  isAlive = true;
  isPaused = false;
  /** It has stopped, and only its journal goes on until it has ended its lease. */
  isLeaving = false;
  /** Zero is never; else the process crashes, or pauses, before so many effects more. */
  crashCountdown = 0;
  pauseCountdown = 0;
  effectCount = 0;
  /** Of a script: true crashes the process before it does that. */
  crashesBefore: (effect: CoreEffect) => boolean = () => false;
  crashNow = (): void => {
    this.machine.crash('at an effect', { keptShare: this.world.random.next(), isSilent: false });
  };
  pauseForMs = 0;
  readonly #disk: Disk;
  readonly #lease: LeaseKeeper;
  readonly watch: TakeoverWatch;
  readonly #linked = new Map<NodeNumber, PeerIdentity>();
  readonly #fencedIncarnations = new Set<number>();
  #cellOwners: readonly NodeNumber[];
  #backlog: (() => void)[] = [];
  #held: CoreEffect[] = [];
  #group: DiskItem[] = [];
  #stableWaits: StableWait[] = [];
  #isInPass = false;
  #isWaking = false;

  constructor(options: { world: World; machine: Machine; disk: Disk; incarnation: number; sentMs: number }) {
    const { world, machine, disk, incarnation } = options;
    this.world = world;
    this.machine = machine;
    this.#disk = disk;
    this.clock = machine.clock;
    this.identity = { node: machine.node, ledger: disk.ledger, incarnation };
    this.name = `${'ABCDEFGH'[machine.node - 1]}#${incarnation}`;
    const { mutations } = world;
    this.core = createHandover({ mutations, wantsBuddy: world.settings.takeover === 'stream' });
    this.#lease = new LeaseKeeper(this, this.clock.read(options.sentMs));
    this.watch = new TakeoverWatch(this);
    this.#cellOwners = [...world.directory.cellOwners];
    this.application = new Application({
      random: world.random,
      checkers: world.checkers,
      witness: this,
      settings: world.settings.application,
      nowMs: () => world.queue.nowMs,
      ownerOf: (cell) => this.ownerOf(cell),
      peerAt: (node) => this.#peerAt(node),
      randomEntity: () => world.randomEntity(),
      left: (id, to) => this.traffic.notePointer(id, to),
      note: (text, id) => world.note(this.name, text, id),
    });
    this.traffic = new SessionTraffic(this);
  }

  get node(): NodeNumber {
    return this.identity.node;
  }

  get incarnation(): number {
    return this.identity.incarnation;
  }

  get isFenced(): boolean {
    const lease = this.world.directory.leaseOf(this.identity.ledger);
    return lease === undefined || lease.state === 'fenced' || lease.incarnation !== this.incarnation;
  }

  get isIdle(): boolean {
    return !this.isAlive || this.isPaused || !this.#mayAct();
  }

  get isBeyondDrift(): boolean {
    return this.clock.isBeyondDrift;
  }

  get mayConnect(): boolean {
    return this.#mayAct();
  }

  #mayAct(): boolean {
    return !this.isLeaving && this.#lease.mayAct(this.nowMs());
  }

  knowsFenced(incarnation: number): boolean {
    return this.#fencedIncarnations.has(incarnation) && !this.world.mutations.has('noReceiverFencing');
  }

  /** 0: this node's own; else who has it, as this process knows. */
  ownerOf(cell: number): NodeNumber {
    const owner = this.#cellOwners[cell] ?? 0;
    return owner === this.node ? 0 : owner;
  }

  #peerAt(node: NodeNumber): PeerIdentity | undefined {
    const peer = this.#linked.get(node);
    return peer !== undefined && !this.#fencedIncarnations.has(peer.incarnation) ? peer : undefined;
  }

  linkedNodes(): Iterable<NodeNumber> {
    return this.#linked.keys();
  }

  start(content: JournalContent): void {
    this.#disk.stable.incarnation = this.incarnation;
    this.#disk.open({
      fsynced: (position) => this.soon(() => this.#step({ kind: 'fsynced', position })),
      failed: () => this.machine.crash('disk failed', { keptShare: 0, isSilent: false }),
    });
    this.pass(() => {
      this.#step({ kind: 'start', me: this.identity, content });
      this.#step({ kind: 'time', nowMs: this.nowMs() });
    });
    this.#tickLater(0);
  }

  nowMs(): number {
    return this.clock.read(this.world.queue.nowMs);
  }

  #tickLater(delayMs: number): void {
    this.world.queue.after(delayMs, () => {
      if (!this.isAlive) return;
      if (!this.isPaused && !this.isLeaving) this.#tick();
      this.#tickLater(this.world.settings.tickMs);
    });
  }

  #tick(): void {
    const nowMs = this.nowMs();
    this.#lease.hear({ kind: 'time', nowMs });
    this.watch.observe({ kind: 'time', nowMs });
    if (!this.isAlive || !this.#mayAct()) return;
    this.world.checkers.acting(this);
    this.pass(() => this.#simulate(nowMs));
  }

  #simulate(nowMs: number): void {
    this.#step({ kind: 'time', nowMs });
    this.machine.takeOverIfDue(this, this.watch.leases);
    const { world } = this;
    const isFull = world.queue.nowMs < this.machine.refusingUntilMs;
    const isDraining = world.queue.nowMs < this.machine.drainingUntilMs;
    this.#step({ kind: 'room', entities: isFull ? 0 : 1000 - this.application.owned.size, isDraining });
    if (!isRunning(this.core)) return;
    this.traffic.attachments.time();
    const events: CoreEvent[] = [];
    const outcome = this.application.simulate(events);
    this.#stepTogether(events);
    if (!this.isAlive) return;
    if (outcome.acknowledgements.length > 0) {
      this.#whenStable(() => this.traffic.acknowledge(outcome.acknowledgements));
    }
    if (outcome.rebound.length > 0) this.#whenStable(() => this.traffic.attachments.stable(outcome.rebound));
    if (outcome.born.length + outcome.ended.length === 0) return;
    this.#whenStable(() => {
      for (const id of outcome.born) world.checkers.expected.add(id);
      for (const id of outcome.ended) world.checkers.ended(id);
    });
  }

  /** Runs behind everything that was asked of the journal until now, when it is stable. */
  #whenStable(run: () => void): void {
    this.#stableWaits.push({ position: this.core.position, run });
    this.#runStable();
  }

  #runStable(): void {
    if (this.#stableWaits.length === 0) return;
    const stable = stablePosition(this.core);
    while (this.#stableWaits[0] !== undefined && this.#stableWaits[0].position <= stable) {
      this.#stableWaits.shift()!.run();
    }
  }

  // --- passes -------------------------------------------------------------------------------------------------------

  /** Now, or when the process runs again. */
  soon(run: () => void): void {
    if (!this.isAlive) return;
    if (this.isPaused || !this.#mayAct() || this.#isInPass) {
      this.#backlog.push(run);
      return;
    }
    this.pass(run);
  }

  pass(run: () => void): void {
    this.#isInPass = true;
    run();
    if (this.isAlive && this.#held.length === 0) this.#flush();
    this.#isInPass = false;
    if (this.isAlive && !this.isPaused) this.#runStable();
    this.drain();
  }

  drain(): void {
    while (this.isAlive && !this.isPaused && this.#mayAct() && this.#backlog.length > 0) {
      const run = this.#backlog.shift()!;
      this.#isInPass = true;
      run();
      if (this.isAlive && this.#held.length === 0) this.#flush();
      this.#isInPass = false;
      if (this.isAlive && !this.isPaused) this.#runStable();
    }
  }

  #flush(): void {
    if (this.#group.length === 0) return;
    this.#disk.append(this.#group);
    this.#group = [];
  }

  pause(forMs: number): void {
    if (this.isPaused || !this.isAlive) return;
    this.isPaused = true;
    this.world.note(this.name, `paused for ${Math.round(forMs)} ms`);
    if (forMs > 300) this.world.network.silent(this);
    this.world.queue.after(forMs, () => this.wake());
  }

  wake(): void {
    if (!this.isPaused || !this.isAlive) return;
    this.isPaused = false;
    this.world.note(this.name, 'runs again');
    const held = this.#held;
    this.#held = [];
    // The check was before the pause: these leave without another.
    this.#isWaking = true;
    for (const effect of held) if (this.isAlive) this.#carryOut(effect);
    this.#isWaking = false;
    if (!this.isAlive) return;
    this.#flush();
    this.#tick();
    this.drain();
    this.world.network.dial(this.node);
  }

  /** It hears nobody, says nothing and renews nothing from here on; what it has written gets to the disk. */
  stopForGood(): void {
    this.#flush();
    this.isLeaving = true;
    this.world.network.closeAll(this);
  }

  /** All that was asked of its journal is on disk. */
  get isAllStable(): boolean {
    return this.#disk.stable.content().position >= this.core.position;
  }

  /** Called by the machine when the process is gone. */
  end(): void {
    this.isAlive = false;
    this.isPaused = false;
    this.application.end();
    this.#backlog = [];
    this.#held = [];
    this.#group = [];
    this.#stableWaits = [];
  }

  // --- the core -----------------------------------------------------------------------------------------------------

  #step(event: CoreEvent): void {
    if (!this.isAlive) return;
    const effects: CoreEffect[] = [];
    this.world.traceEvent(this, event);
    step(this.core, event, effects);
    if (event.kind === 'message') this.#checkFenced(event, effects);
    for (const effect of effects) this.#obey(effect);
  }

  #stepTogether(events: readonly CoreEvent[]): void {
    if (!this.isAlive || events.length === 0) return;
    const effects: CoreEffect[] = [];
    for (const event of events) this.world.traceEvent(this, event);
    stepTogether(this.core, events, effects);
    for (const effect of effects) this.#obey(effect);
  }

  #checkFenced(event: Extract<CoreEvent, { kind: 'message' }>, effects: readonly CoreEffect[]): void {
    const { incarnation } = event.from;
    if (!this.#fencedIncarnations.has(incarnation) || effects.length === 0) return;
    this.world.checkers.fencedFrame(event.message.kind, `#${incarnation}`, this.name);
  }

  #obey(effect: CoreEffect): void {
    if (!this.isAlive) return;
    if (effect.kind !== 'stage') {
      this.effectCount++;
      const isCountedDown = this.crashCountdown > 0 && --this.crashCountdown === 0;
      if (isCountedDown || this.crashesBefore(effect)) {
        this.world.fault('crash at an effect');
        this.crashNow();
        return;
      }
      if (this.pauseCountdown > 0 && --this.pauseCountdown === 0 && !this.isPaused) {
        this.world.fault('pause between check and effect');
        this.pause(this.pauseForMs);
      }
    }
    if (this.isPaused) this.#held.push(effect);
    else this.#carryOut(effect);
  }

  #carryOut(effect: CoreEffect): void {
    this.world.traceEffect(this, effect);
    switch (effect.kind) {
      case 'journal':
        this.#group.push({ position: effect.position, writes: effect.writes });
        return;
      case 'send':
        this.#send(effect.to, { kind: 'peer', message: effect.message });
        return;
      case 'activate': {
        const entity = this.application.activate(effect);
        this.traffic.announce(entity);
        return;
      }
      case 'moved':
        this.traffic.notePointer(effect.id, { node: effect.node, seq: effect.seq });
        return;
      case 'deliver':
        this.application.deliver(effect.row);
        return;
      case 'credits':
        this.application.credits.set(effect.node, effect.credits);
        return;
      case 'offer':
        this.world.sink.offer(this, effect.rows);
        return;
      case 'protect':
      case 'unprotect':
        this.watch.protect(effect.kind === 'protect' ? effect.buddy : 0);
        return;
      case 'copy':
        this.machine
          .copyOf(effect.ledger)
          .append([{ incarnation: effect.incarnation }, ...copyBatches(effect.from, effect.batches)]);
        return;
      case 'copyReset':
        this.machine
          .copyOf(effect.content.ledger)
          .append([{ incarnation: effect.incarnation, content: effect.content }]);
        return;
      case 'readJournal':
        this.#group.push({
          answer: (content) => this.soon(() => this.#step({ kind: 'journalRead', content })),
        });
        return;
      case 'stage':
        this.world.stages[effect.stage] = (this.world.stages[effect.stage] ?? 0) + 1;
        return;
      case 'stop':
        this.machine.crash(`stopped: ${effect.reason}`, { keptShare: 1, isSilent: false });
        return;
    }
  }

  #send(to: PeerIdentity, frame: Frame): void {
    // Counted again before each frame: a node whose lease is over is silent. Its links end, so that nothing is missed.
    if (!this.#isWaking && !this.#mayAct()) {
      this.world.network.closeAt(this, to.node);
      return;
    }
    if (frame.kind === 'peer' && frame.message.kind === 'cancel')
      checkNamed(this.#disk, { name: this.name, to, cancel: frame.message });
    this.world.network.send(this, to, frame);
  }

  sendTo(node: NodeNumber, frame: Frame): void {
    if (this.#mayAct()) this.world.network.send(this, { node }, frame);
  }

  tellCore(event: CoreEvent): void {
    this.soon(() => this.#step(event));
  }

  // --- the network --------------------------------------------------------------------------------------------------

  receive(from: PeerIdentity, frame: Frame): void {
    this.soon(() => {
      const { mutations } = this.world;
      const isCutOff =
        this.#fencedIncarnations.has(from.incarnation) &&
        !mutations.has('noReceiverFencing') &&
        !(mutations.has('noCutOff') && this.watch.isSuccessorOf(from.ledger));
      if (isCutOff) {
        this.world.fault('frame of a fenced process');
        return;
      }
      if (frame.kind === 'peer') this.#step({ kind: 'message', from, message: frame.message });
      else this.traffic.receive(from.node, frame);
    });
  }

  linkUp(peer: PeerIdentity): void {
    this.soon(() => {
      if (this.knowsFenced(peer.incarnation)) {
        this.world.network.closeAt(this, peer.node);
        return;
      }
      this.#linked.set(peer.node, peer);
      this.#step({ kind: 'linkUp', peer });
    });
  }

  linkDown(peer: PeerIdentity): void {
    this.soon(() => {
      if (this.#linked.get(peer.node)?.incarnation === peer.incarnation) this.#linked.delete(peer.node);
      this.#step({ kind: 'linkDown', peer });
      this.watch.observe({ kind: 'suspected', node: peer.node, nowMs: this.nowMs() });
    });
  }

  // --- lease and directory ------------------------------------------------------------------------------------------

  /** Answers of the directory are heard also while the lease is over, but not by a process that does not run. */
  whileRunning(run: () => void): void {
    if (!this.isAlive) return;
    if (this.isPaused) this.#backlog.unshift(run);
    else run();
  }

  /** Died for certain: its lock is free. */
  hearDeath(node: NodeNumber, incarnation: number): void {
    this.whileRunning(() => this.watch.observe({ kind: 'died', node, incarnation, nowMs: this.nowMs() }));
  }

  hearDirectory(leases: readonly LeaseView[], cellOwners: readonly NodeNumber[]): void {
    this.whileRunning(() => {
      this.watch.observe({ kind: 'seen', leases, nowMs: this.nowMs() });
      if (!this.isAlive) return;
      this.watch.leases = leases;
      this.#cellOwners = cellOwners;
      for (const lease of leases) {
        if (lease.state === 'fenced') this.#learnFenced(lease);
      }
      this.soon(() => {
        this.#step({ kind: 'directory', leases });
        this.machine.takeOverIfDue(this, leases);
      });
    });
  }

  #learnFenced(lease: LeaseView): void {
    if (this.#fencedIncarnations.has(lease.incarnation)) return;
    this.#fencedIncarnations.add(lease.incarnation);
    const { mutations } = this.world;
    if (mutations.has('noReceiverFencing')) return;
    if (mutations.has('noCutOff') && lease.successorLedger === this.identity.ledger) return;
    if (this.#linked.get(lease.node)?.incarnation === lease.incarnation) this.world.network.closeAt(this, lease.node);
  }
}
