/** A machine: a disk with a journal and with copies of others' journals, a clock, and at times a process. */
import type { LeaseView, Ledger, NodeNumber } from '../../src/peer/protocol.ts';
import { Clock, DRIFT_MAX } from './clock.ts';
import type { DiskFaults } from './disk.ts';
import { Disk } from './disk.ts';
import { Process } from './process.ts';
import type { World } from './world.ts';

/** How often a successor tries the lock of a process that is just ending. */
const LOCK_LOOK_MS = 5;

export class Machine {
  readonly node: NodeNumber;
  readonly world: World;
  clock: Clock;
  disk: Disk;
  process: Process | undefined;
  readonly diskFaults: DiskFaults = { minimumMs: 0.3, maximumMs: 3, isFull: false };
  /** As buddy: journals of others. */
  readonly copies = new Map<Ledger, Disk>();
  refusingUntilMs = 0;
  drainingUntilMs = 0;
  /** Not before: somebody keeps it off. */
  downUntilMs = 0;
  #isBooting = false;
  /** Ledgers whose takeover this process has begun. */
  #taken = new Set<Ledger>();

  constructor(world: World, node: NodeNumber) {
    this.world = world;
    this.node = node;
    this.clock = this.#newClock();
    this.disk = this.#newDisk();
  }

  #newClock(): Clock {
    const { random, queue, settings } = this.world;
    const rate = settings.kinds.has('drift') ? 1 + random.between(-DRIFT_MAX, DRIFT_MAX) : 1;
    return new Clock({ nowMs: queue.nowMs, startMs: random.between(0, 1e6), rate });
  }

  #newDisk(): Disk {
    const { queue, random } = this.world;
    const disk = new Disk({ ledger: this.world.newLedger(), queue, random, faults: this.diskFaults });
    this.world.watchDisk(disk);
    return disk;
  }

  /** Starts a process on what is on the disk; asks again until the directory has given it an incarnation. */
  boot(): void {
    if (this.process !== undefined || this.#isBooting) return;
    this.#isBooting = true;
    const { world, disk } = this;
    const sentMs = world.queue.nowMs;
    let isAnswered = false;
    world.directory.request(
      this.node,
      () => world.directory.join(this.node, disk.ledger),
      (joined) => {
        if (isAnswered) return;
        isAnswered = true;
        this.#isBooting = false;
        if (this.disk !== disk) this.bootLater(1);
        else if (joined === undefined || joined === 'occupied') this.bootLater(50);
        else if (joined === 'fenced') this.#beginAnew();
        else this.#run(joined, sentMs);
      },
    );
  }

  bootLater(delayMs: number): void {
    const { queue } = this.world;
    queue.at(Math.max(this.downUntilMs, queue.nowMs + delayMs), () => this.boot());
  }

  /** What it had belongs to its successor. */
  #beginAnew(): void {
    this.disk = this.#newDisk();
    this.bootLater(1);
  }

  #run(incarnation: number, sentMs: number): void {
    const { world, disk } = this;
    // A journal that somebody has taken meanwhile is his (its lease shows it at the first renewal at the latest).
    if (this.clock.isBeyondDrift) this.clock = this.#newClock();
    this.#taken = new Set();
    const process = new Process({ world, machine: this, disk, incarnation, sentMs });
    this.process = process;
    world.note(process.name, `starts on ledger ${Number.parseInt(disk.ledger, 16)}`);
    process.start(disk.stable.content());
    world.network.dial(this.node);
    world.tellDirectory(process);
    world.started(this);
  }

  copyOf(ledger: Ledger): Disk {
    let copy = this.copies.get(ledger);
    if (copy === undefined) {
      const { queue, random } = this.world;
      copy = new Disk({ ledger, queue, random, faults: this.diskFaults });
      this.copies.set(ledger, copy);
    }
    const { process } = this;
    const opened = copy;
    copy.open({
      fsynced: (position) => process?.tellCore({ kind: 'copied', ledger, incarnation: opened.copiedFrom, position }),
      failed: () => this.crash('disk failed', { keptShare: 0, isSilent: false }),
    });
    return copy;
  }

  healDisk(): void {
    Object.assign(this.diskFaults, { minimumMs: 0.3, maximumMs: 3, isFull: false });
  }

  heal(): void {
    this.healDisk();
    this.refusingUntilMs = 0;
    this.drainingUntilMs = 0;
    this.downUntilMs = 0;
    if (this.process === undefined) {
      this.bootLater(1);
      return;
    }
    this.process.crashCountdown = 0;
    this.process.pauseCountdown = 0;
    this.process.wake();
    if (this.process !== undefined) this.clock.setRate(1, this.world.queue.nowMs);
  }

  crash(reason: string, options: { keptShare: number; isSilent: boolean }): void {
    const { process, world } = this;
    if (process === undefined) return;
    world.note(process.name, `ends: ${reason}`);
    process.end();
    this.process = undefined;
    this.disk.crash(options.keptShare);
    for (const copy of this.copies.values()) copy.crash(options.keptShare);
    world.network.died(process, options.isSilent);
    const { incarnation } = process;
    if (world.settings.takeover === 'file') world.tellDeath(this.node, incarnation);
    this.bootLater(world.isHealed ? 20 : world.random.between(5, world.settings.restartMs));
  }

  /** The machine is lost: its disk with everything on it. */
  lose(): void {
    this.crash('machine lost', { keptShare: 0, isSilent: true });
    this.world.lostDisk(this.disk);
    this.copies.clear();
    this.disk = this.#newDisk();
  }

  /** May this process be the successor of that ledger? It must be able to get at what was in it. */
  canTake(lease: LeaseView): boolean {
    const { world } = this;
    if (world.settings.takeover === 'file') {
      return world.machine(lease.node).disk.ledger === lease.ledger;
    }
    return (
      world.settings.takeover === 'stream' &&
      lease.isProtected &&
      lease.buddy === this.node &&
      this.copies.has(lease.ledger) &&
      // A machine that is lost was not lost before its buddy had what it had taken over.
      (world.machine(lease.node).disk.ledger !== lease.ledger || !world.owesProtection(lease.ledger))
    );
  }

  /**
   * Reads the journals of fenced ledgers that fall to this process: it is their successor, or the successor of a successor
   * that ended before it had imported them. What a successor had imported comes with its own journal, so that is read first.
   */
  takeOverIfDue(process: Process, leases: readonly LeaseView[]): void {
    for (const lease of leases) {
      if (lease.state !== 'fenced' || this.#taken.has(lease.ledger) || process.core.imports.has(lease.ledger)) continue;
      if (!this.#isHeir(process, lease, leases)) continue;
      this.#taken.add(lease.ledger);
      const { world } = this;
      world.queue.after(world.random.between(1, 40), () => {
        if (this.process === process) this.#takeOver(process, lease);
      });
    }
  }

  #isHeir(process: Process, lease: LeaseView, leases: readonly LeaseView[]): boolean {
    let { successorLedger } = lease;
    while (successorLedger !== process.identity.ledger) {
      const next = leases.find(({ ledger }) => ledger === successorLedger);
      if (next?.state !== 'fenced' || process.core.imports.get(next.ledger)?.isStable !== true) return false;
      successorLedger = next.successorLedger;
    }
    return true;
  }

  #takeOver(process: Process, lease: LeaseView): void {
    const { world } = this;
    world.takeovers++;
    if (world.settings.takeover === 'stream' && this.copies.has(lease.ledger)) {
      // Opened first: since this process began nothing may have been written to the copy.
      this.copyOf(lease.ledger).append([{ answer: (content) => process.tellCore({ kind: 'takeover', content }) }]);
      return;
    }
    const other = world.machine(lease.node);
    const disk = other.disk.ledger === lease.ledger ? other.disk : world.oldDisks.get(lease.ledger);
    if (disk === undefined) return;
    const holder = other.process?.identity.ledger === lease.ledger ? other.process : undefined;
    if (holder?.isLeaving === true) {
      // It has ended its lease itself, and lets go of its lock in a moment.
      world.takeovers--;
      world.queue.after(LOCK_LOOK_MS, () => {
        if (this.process === process) this.#takeOver(process, lease);
      });
      return;
    }
    // A hung process is killed before its file is taken.
    if (holder !== undefined && !world.mutations.has('goesOnAfterHandIn'))
      other.crash('killed by its successor', { keptShare: 1, isSilent: false });
    process.tellCore({ kind: 'takeover', content: disk.stable.content() });
  }
}
