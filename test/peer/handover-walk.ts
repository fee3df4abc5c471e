/**
 * A random walk through what can happen to a few nodes: messages late, lost, twice and out of order, disks that lag,
 * crashes that lose the tail, restarts, takeovers of files and of copies, cut links, sleepers that are fenced. Then
 * everything heals, and the promise must hold. One seed, one walk.
 */
import { Random } from '../../src/base/random.ts';
import { describe } from '../../src/peer/handover.core.ts';
import { NO_MUTATIONS } from '../../src/peer/protocol.ts';
import type { Mutation } from '../../src/peer/protocol.ts';
import { TestCluster } from './handover-cluster.ts';
import type { TestNode, Wire } from './handover-cluster.ts';

export interface WalkOptions {
  readonly seed: number;
  readonly mutations?: ReadonlySet<Mutation>;
  readonly steps?: number;
  readonly onStep?: (action: string) => void;
}

export interface WalkOutcome {
  readonly problems: readonly string[];
  readonly handovers: number;
  readonly faults: number;
}

const ENTITIES = [11, 12, 13, 14];

export class Walk {
  readonly cluster: TestCluster;
  readonly #random: Random;
  readonly #isProtected: boolean;
  readonly #cuts: [TestNode, TestNode][] = [];
  readonly #emitted: { readonly entity: number; readonly value: number; readonly isPromised: boolean }[] = [];
  /** Share of faults among the actions, drawn per walk. */
  readonly #faultShare: number;
  readonly #isOrdered: boolean;
  #dead: TestNode[] = [];
  handovers = 0;
  faults = 0;

  constructor({ seed, mutations = NO_MUTATIONS }: WalkOptions) {
    this.#random = new Random(seed);
    this.#isProtected = this.#random.next() < 0.5;
    this.#faultShare = this.#random.between(0.02, 0.2);
    this.#isOrdered = this.#random.next() < 0.3;
    this.cluster = new TestCluster(3 + this.#random.below(3), mutations, { wantsBuddy: this.#isProtected });
    this.cluster.birth(this.cluster.at(1), ENTITIES.slice(0, 2));
    this.cluster.birth(this.cluster.at(2), ENTITIES.slice(2));
    this.cluster.run(this.#isProtected ? 200 : 20);
  }

  run(steps: number, onStep: (action: string) => void = () => {}): WalkOutcome {
    for (let count = 0; count < steps; count += 1) {
      const action = this.#random.next() < this.#faultShare ? this.#fault() : this.#act();
      onStep(action);
      if (this.cluster.doubles > 0) break;
    }
    this.#heal();
    return { problems: this.#problems(), handovers: this.handovers, faults: this.faults };
  }

  #act(): string {
    const { cluster } = this;
    const choice = this.#random.below(20);
    if (choice < 9) return this.#deliver();
    if (choice < 14) {
      const node = this.#pick(cluster.nodes);
      cluster.fsync(node);
      return `fsync ${node.node}`;
    }
    if (choice < 16) {
      const durationMs = this.#random.next() < 0.9 ? this.#random.below(30) : this.#random.below(600);
      cluster.advance(durationMs);
      return `advance ${durationMs}`;
    }
    if (choice < 18) return this.#release();
    if (choice < 19) return this.#emit();
    cluster.swapLeases();
    return 'swap leases';
  }

  #deliver(): string {
    const { cluster } = this;
    if (cluster.wires.length === 0) return 'nothing';
    let index = this.#random.below(cluster.wires.length);
    if (this.#isOrdered || this.#random.next() < 0.7) index = this.#firstLike(cluster.wires[index]!);
    const wire = cluster.wires[index]!;
    // A repeat stays on the wire, for much later.
    if (this.#isOrdered || this.#random.next() < 0.9) cluster.wires.splice(index, 1);
    else cluster.wires.push(...cluster.wires.splice(index, 1));
    cluster.hand(wire);
    return `deliver ${wire.from.node}>${wire.to.node} ${wire.message.kind}`;
  }

  /** The oldest message of the same direction. */
  #firstLike({ from, to }: Wire): number {
    return this.cluster.wires.findIndex((wire) => wire.from.node === from.node && wire.to.node === to.node);
  }

  #release(): string {
    const { cluster } = this;
    const sources = cluster.nodes.filter(
      (node) => isUp(node) && node.active.size > 0 && node.state.phase === 'running',
    );
    if (sources.length === 0) return 'nothing';
    const source = this.#pick(sources);
    const target = this.#pick(cluster.nodes.filter((node) => node !== source));
    const ids = [...source.active.keys()].filter(() => this.#random.next() < 0.6);
    if (ids.length === 0) return 'nothing';
    this.handovers += ids.length;
    cluster.release(source, target, ids);
    return `release ${ids.join()} ${source.node}>${target.node}`;
  }

  #emit(): string {
    const { cluster } = this;
    const sender = this.#pick(cluster.nodes);
    if (!isUp(sender) || sender.state.phase !== 'running' || this.#emitted.length > 200) return 'nothing';
    const entity = this.#pick(ENTITIES);
    const value = this.#emitted.length + 1;
    const messages = [
      { entity: entity as never, event: 0, payload: Uint8Array.of(value), hint: this.#random.below(4) },
    ];
    cluster.step(sender, { kind: 'emit', messages });
    // What is not stable may be lost with its sender: it is no promise.
    cluster.fsync(sender);
    const { stable, position } = describe(sender.state);
    this.#emitted.push({ entity, value, isPromised: stable === position });
    return `emit ${value} to ${entity} at ${sender.node}`;
  }

  #fault(): string {
    const { cluster } = this;
    this.faults += 1;
    const up = cluster.nodes.filter(isUp);
    switch (this.#random.below(9)) {
      case 0:
      case 1: {
        if (up.length < 2) return 'nothing';
        const node = this.#pick(up);
        // Any part of what waits may have reached the disk, without the core having heard of it.
        const { fsynced, position } = node.journal;
        node.journal.fsync(fsynced + this.#random.below(position - fsynced + 1));
        cluster.crash(node);
        this.#dead.push(node);
        return `crash ${node.node}`;
      }
      case 2:
      case 3:
        return this.#restart();
      case 4:
      case 8:
        return this.#takeOver(up);
      case 5: {
        const node = this.#pick(cluster.nodes);
        const entities = this.#random.next() < 0.5 ? 0 : 100;
        cluster.step(node, { kind: 'room', entities, isDraining: false });
        return `room ${entities} at ${node.node}`;
      }
      case 6: {
        const [a, b] = [this.#pick(cluster.nodes), this.#pick(cluster.nodes)];
        if (a === b || this.#cuts.length > 1) return 'nothing';
        this.#cuts.push([a, b]);
        cluster.cut(a, b, { keep: !this.#isOrdered && this.#random.next() < 0.5 });
        return `cut ${a.node} ${b.node}`;
      }
      default:
        return this.#mend();
    }
  }

  #mend(): string {
    const cut = this.#cuts.shift();
    if (cut === undefined) return 'nothing';
    this.cluster.mend(...cut);
    return `mend ${cut[0].node} ${cut[1].node}`;
  }

  #restart(): string {
    const node = this.#dead.shift();
    if (node === undefined) return 'nothing';
    this.cluster.boot(node);
    return `restart ${node.node}`;
  }

  /** Of a dead node, or of one that sleeps: what it said last may still be on the wire. */
  #takeOver(up: readonly TestNode[]): string {
    const { cluster } = this;
    if (up.length < 3) return 'nothing';
    const index = this.#random.below(this.#dead.length + 1);
    const dead = this.#dead[index] ?? this.#pick(up);
    const lease = cluster.leases.get(dead.ledger)!;
    const buddy = lease.isProtected ? cluster.at(lease.buddy) : undefined;
    const isMachineLost = buddy !== undefined && buddy !== dead && isUp(buddy) && this.#random.next() < 0.8;
    const successor = isMachineLost ? buddy : this.#pick(up.filter((node) => node !== dead));
    if (successor.state.phase !== 'running') return 'nothing';
    this.#dead = this.#dead.filter((node) => node !== dead);
    for (const node of cluster.nodes) {
      if (node !== dead) cluster.step(node, { kind: 'linkDown', peer: cluster.identity(dead) });
    }
    if (dead.isAlive) dead.journal.crash();
    const content = isMachineLost ? successor.copies.get(dead.ledger)!.content() : dead.journal.content();
    cluster.takeOver(successor, dead, content);
    return `${successor.node} takes over ${dead.node}${isMachineLost ? ' from its copy' : ''}`;
  }

  #heal(): void {
    const { cluster } = this;
    while (this.#cuts.length > 0) this.#mend();
    while (this.#dead.length > 0) this.#restart();
    for (const node of cluster.nodes) cluster.step(node, { kind: 'room', entities: 1_000, isDraining: false });
    cluster.run(6_000);
  }

  #problems(): string[] {
    const { cluster } = this;
    const problems = cluster.leftovers();
    if (cluster.doubles > 0) problems.push(`${cluster.doubles} times doubled`);
    for (const id of ENTITIES) {
      const owners = cluster.ownersOf(id);
      if (owners.length !== 1) problems.push(`entity ${id} is at [${owners.join()}]`);
      const row = cluster.nodes.find(({ node }) => node === owners[0])?.active.get(id as never);
      const acted = [...(row?.record ?? [])].sort((a, b) => a - b);
      const emitted = this.#emitted.filter(({ entity }) => entity === id);
      const isWrong =
        new Set(acted).size !== acted.length ||
        acted.some((value) => !emitted.some((message) => message.value === value)) ||
        emitted.some(({ value, isPromised }) => isPromised && !acted.includes(value));
      if (isWrong) problems.push(`entity ${id} acted on [${acted.join()}] of ${JSON.stringify(emitted)}`);
    }
    return problems;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)]!;
  }
}

function isUp({ isAlive, isFenced }: TestNode): boolean {
  return isAlive && !isFenced;
}

export function walk(options: WalkOptions): WalkOutcome {
  return new Walk(options).run(options.steps ?? 400, options.onStep);
}
