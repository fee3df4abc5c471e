/** Makes things go wrong, by the settings of the schedule, until it is told to stop. */
import type { NodeNumber } from '../../src/peer/protocol.ts';
import type { Machine } from './machine.ts';
import type { FaultKind } from './settings.ts';
import type { World } from './world.ts';

export class Faults {
  readonly #world: World;
  #lastLossMs = -Infinity;
  /** Machines whose buddy has heard what their own disk lost. */
  readonly #behindBuddy = new Set<Machine>();

  constructor(world: World) {
    this.#world = world;
  }

  begin(): void {
    const { random, settings, network, directory } = this.#world;
    if (settings.kinds.has('delay')) {
      network.faults.spikeChance = random.between(0.01, 0.1);
      network.faults.spikeMs = random.next() < 0.5 ? 200 : 2000;
    }
    if (settings.kinds.has('loss')) network.faults.resetChance = random.between(0.001, 0.01);
    if (settings.kinds.has('repeat')) network.faults.repeatChance = random.between(0.01, 0.3);
    if (settings.kinds.has('lostAnswers')) directory.faults.lostAnswerChance = random.between(0.02, 0.3);
    if (settings.kinds.has('drift')) this.#world.fault('drift');
    this.#next();
  }

  /** While all is calm, as soon as there is a protected node. */
  awaitBuddies(): void {
    const { random, queue, settings, machines } = this.#world;
    if (queue.nowMs >= settings.calmMs || settings.calmMs < 1000) return;
    queue.after(random.between(20, 100), () => {
      const machine = machines[random.below(machines.length)]!;
      if (queue.nowMs < 1200) this.awaitBuddies();
      else if (random.next() < 0.5 ? !this.#leaveBehindBuddy(machine) : !this.#outrunBuddy(machine))
        this.awaitBuddies();
    });
  }

  #next(): void {
    const { random, settings, queue } = this.#world;
    queue.after(-Math.log(1 - random.next()) * settings.faultEveryMs, () => {
      if (this.#world.isHealed) return;
      this.#any();
      this.#next();
    });
  }

  #any(): void {
    const { random, settings } = this.#world;
    const kinds = [...settings.kinds];
    if (kinds.length === 0) return;
    const kind = kinds[random.below(kinds.length)]!;
    // Whole processes fail less often than links do, so that work gets done in between.
    if (RARE.has(kind) && random.next() < 0.7) return;
    const machines = this.#world.machines.filter((machine) => machine.process !== undefined);
    const machine = machines[random.below(Math.max(1, machines.length))];
    if (machine !== undefined) this.#strike(kind, machine);
  }

  #strike(kind: FaultKind, machine: Machine): void {
    const { random, directory, queue } = this.#world;
    const process = machine.process!;
    const world = this.#world;
    switch (kind) {
      case 'kill':
        world.fault(kind);
        machine.crash('killed', { keptShare: random.next(), isSilent: false });
        return;
      case 'powerLoss':
        world.fault(kind);
        machine.crash('power loss', { keptShare: random.between(0, 0.2), isSilent: true });
        return;
      case 'crashAtEffect':
        process.crashCountdown = 1 + random.below(30);
        return;
      case 'machineLoss':
      case 'buddyAhead':
      case 'buddyBehind':
        this.#strikeBuddy(kind, machine);
        return;
      case 'pause':
        world.fault(kind);
        process.pause(random.next() < 0.5 ? random.between(10, 400) : random.between(900, 3000));
        return;
      case 'pauseAtEffect':
        process.pauseCountdown = 1 + random.below(30);
        process.pauseForMs = random.between(100, 3000);
        return;
      case 'reset':
      case 'partition':
      case 'oneWayCut':
        this.#strikeNetwork(kind, machine);
        return;
      case 'slowDisk':
        world.fault(kind);
        machine.diskFaults.minimumMs = random.between(5, 50);
        machine.diskFaults.maximumMs = random.next() < 0.8 ? 200 : 2000;
        queue.after(random.between(100, 1500), () => machine.healDisk());
        return;
      case 'fullDisk':
        world.fault(kind);
        machine.diskFaults.isFull = true;
        queue.after(random.between(50, 500), () => machine.healDisk());
        return;
      case 'directoryDown':
      case 'directorySlow':
      case 'directoryCut':
        this.#strikeDirectory(kind, machine);
        return;
      case 'standingClock':
        this.#slowClock(machine);
        return;
      case 'refusal':
      case 'draining':
        this.#refuse(kind, machine);
        return;
      case 'cellMove':
        world.fault(kind);
        directory.moveCell(random.below(directory.cellOwners.length), machine.node);
        return;
      case 'allDown':
        this.#stopAll();
        return;
      default:
      // The others are there all the time.
    }
  }

  #strikeBuddy(kind: 'machineLoss' | 'buddyAhead' | 'buddyBehind', machine: Machine): void {
    if (kind === 'machineLoss') this.loseMachine(machine);
    else if (kind === 'buddyAhead') this.#leaveBehindBuddy(machine);
    else this.#outrunBuddy(machine);
  }

  #refuse(kind: 'refusal' | 'draining', machine: Machine): void {
    const { random, queue } = this.#world;
    this.#world.fault(kind);
    const untilMs = queue.nowMs + random.between(50, 500);
    if (kind === 'refusal') machine.refusingUntilMs = untilMs;
    else machine.drainingUntilMs = untilMs;
  }

  #strikeDirectory(kind: 'directoryDown' | 'directorySlow' | 'directoryCut', machine: Machine): void {
    const { random, directory, queue } = this.#world;
    this.#world.fault(kind);
    switch (kind) {
      case 'directoryDown':
        directory.faults.downUntilMs = queue.nowMs + random.between(50, 1800);
        return;
      case 'directorySlow':
        directory.faults.maximumMs = random.next() < 0.7 ? 300 : 2000;
        queue.after(random.between(200, 1500), () => (directory.faults.maximumMs = 3));
        return;
      case 'directoryCut':
        directory.cut(machine.node, random.between(100, 2500));
        return;
    }
  }

  #strikeNetwork(kind: 'reset' | 'partition' | 'oneWayCut', machine: Machine): void {
    const { random, network } = this.#world;
    this.#world.fault(kind);
    switch (kind) {
      case 'reset':
        network.reset(machine.node, this.#otherThan(machine.node));
        return;
      case 'partition': {
        const other = this.#otherThan(machine.node);
        const forMs = random.between(20, 1500);
        network.cut(machine.node, other, forMs);
        network.cut(other, machine.node, forMs);
        return;
      }
      case 'oneWayCut':
        network.cut(machine.node, this.#otherThan(machine.node), random.between(20, 1500));
        return;
    }
  }

  #otherThan(node: NodeNumber): NodeNumber {
    const { random, settings } = this.#world;
    return 1 + ((node + random.below(settings.nodes - 1)) % settings.nodes);
  }

  /**
   * Only of a node that the directory calls protected, whose buddy is there, and only one in a time: the loss of a node and
   * its buddy before the next protection is outside the promise.
   */
  loseMachine(machine: Machine): void {
    const { directory, queue } = this.#world;
    const lease = directory.leaseOf(machine.disk.ledger);
    if (lease?.state !== 'active' || !lease.isProtected || queue.nowMs - this.#lastLossMs < 1500) return;
    if (this.#world.hasOpenTakeover()) return;
    if (!this.#world.machine(lease.buddy).copies.has(lease.ledger)) return;
    this.#lastLossMs = queue.nowMs;
    this.#world.fault('machineLoss');
    machine.lose();
  }

  /** Power fails while the disk is slow and the buddy is not: the copy at the buddy is ahead of the disk after it. */
  #leaveBehindBuddy(machine: Machine): boolean {
    const { random, directory, queue, settings } = this.#world;
    if (settings.takeover !== 'stream' || directory.leaseOf(machine.disk.ledger)?.isProtected !== true) return false;
    if (machine.process === undefined || queue.nowMs - this.#lastLossMs < 1500) return false;
    this.#world.fault('buddyAhead');
    Object.assign(machine.diskFaults, { minimumMs: 300, maximumMs: 400 });
    const { process } = machine;
    queue.after(random.between(60, 200), () => {
      if (this.#world.isHealed || machine.process !== process) return;
      this.#behindBuddy.add(machine);
      machine.crash('power loss, behind its buddy', { keptShare: 0, isSilent: false });
      machine.healDisk();
    });
    return true;
  }

  /** The link to the buddy is cut, and the machine is lost before the node could end its protection. */
  #outrunBuddy(machine: Machine): boolean {
    const { random, directory, network, queue } = this.#world;
    const lease = directory.leaseOf(machine.disk.ledger);
    if (lease?.isProtected !== true || queue.nowMs - this.#lastLossMs < 1500) return false;
    const { process } = machine;
    this.#world.fault('buddyBehind');
    network.cut(machine.node, lease.buddy, 400);
    queue.after(random.between(20, 140), () => {
      if (!this.#world.isHealed && machine.process === process) this.loseMachine(machine);
    });
    return true;
  }

  /** A process has started: some lose their machine before the buddy has cut its copy back, some refuse at first. */
  started(machine: Machine): void {
    const { random, settings, queue } = this.#world;
    if (this.#behindBuddy.delete(machine)) {
      machine.refusingUntilMs = queue.nowMs + 500;
      queue.after(random.between(30, 200), () => {
        if (!this.#world.isHealed && machine.process !== undefined) this.loseMachine(machine);
      });
      return;
    }
    if (settings.takeover !== 'stream' || !settings.kinds.has('machineLoss') || random.next() < 0.5) return;
    if (random.next() < 0.7) machine.refusingUntilMs = queue.nowMs + 300;
    queue.after(random.between(20, 350), () => {
      if (!this.#world.isHealed && machine.process !== undefined) this.loseMachine(machine);
    });
  }

  /** A clock that stands still, as in a paused virtual machine: beyond what leases are made for. */
  #slowClock(machine: Machine): void {
    const { queue, random } = this.#world;
    // Where the file is taken, the process is killed first. Elsewhere a fenced one goes on, and receivers must refuse it.
    this.#world.fault('standingClock');
    machine.clock.setRate(0.01, queue.nowMs);
    queue.after(random.between(500, 2500), () => machine.clock.setRate(1, queue.nowMs));
  }

  #stopAll(): void {
    const { random } = this.#world;
    if (random.next() < 0.7) return;
    this.#world.fault('allDown');
    for (const machine of this.#world.machines) {
      machine.crash('all down', { keptShare: random.between(0, 0.2), isSilent: true });
    }
  }
}

const RARE: ReadonlySet<FaultKind> = new Set([
  'kill',
  'powerLoss',
  'crashAtEffect',
  'pause',
  'pauseAtEffect',
  'fullDisk',
  'directoryDown',
  'directoryCut',
  'standingClock',
  'allDown',
]);
