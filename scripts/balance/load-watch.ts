/** Collects what nodes report of their load, report by report. */
import type { BlockOwner, Directory, Member } from '../../src/peer/directory.ts';
import type { ReportedLoad } from '../../src/peer/load-values.core.ts';
import type { Line } from '../chart/line-chart.ts';

/** Of a node: one report, or the medians of some. */
export interface NodeFigures {
  readonly name: string;
  readonly tickP50Ms: number;
  readonly tickP99Ms: number;
  readonly busyShare: number;
  readonly entities: number;
  readonly players: number;
  readonly blocks: number;
}

/** With what its simulation threads computed meanwhile. */
export interface MeasuredNode extends NodeFigures {
  /** Of a core. */
  readonly cpuShare: number;
}

interface Sample extends NodeFigures {
  /** On the clock of the run. */
  readonly seconds: number;
  readonly revision: number;
}

export class LoadWatch implements Disposable {
  readonly #seconds: () => number;
  readonly #stop: () => void;
  /** By number of the node. */
  readonly #samples = new Map<number, Sample[]>();
  #members: readonly Member[] = [];
  #blocks: readonly BlockOwner[] = [];

  constructor(directory: Directory, seconds: () => number) {
    this.#seconds = seconds;
    this.#stop = directory.watch(
      ({ members, blocks, loads }) => {
        if (members) this.#members = members;
        if (blocks) this.#blocks = blocks;
        for (const load of loads ?? []) this.#take(load);
      },
      { withLoads: true },
    );
  }

  /** Medians of what each node has reported since then, by name. */
  figures(sinceSeconds: number): NodeFigures[] {
    return [...this.#samples.values()]
      .map((samples) => samples.filter(({ seconds }) => seconds >= sinceSeconds))
      .filter((samples) => samples.length > 0)
      .map(mediansOf)
      .toSorted((one, two) => (one.name < two.name ? -1 : 1));
  }

  /** One for each node, over all of the run. */
  lines(of: (figures: NodeFigures) => number): Line[] {
    return [...this.#samples.values()]
      .map((samples) => ({
        name: `node ${samples[0]!.name}`,
        points: samples.map((sample) => ({ x: sample.seconds, y: of(sample) })),
      }))
      .toSorted((one, two) => (one.name < two.name ? -1 : 1));
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #take(load: ReportedLoad): void {
    const { node, revision } = load;
    const samples = this.#samples.get(node) ?? [];
    if (samples.at(-1)?.revision === revision) return;
    samples.push({
      seconds: this.#seconds(),
      revision,
      name: this.#members.find((member) => member.node === node)?.name ?? String(node),
      tickP50Ms: load.tickP50Us / 1000,
      tickP99Ms: load.tickP99Us / 1000,
      busyShare: load.busyShare,
      entities: load.entities,
      players: load.blocks.reduce((sum, { sessions }) => sum + sessions, load.rest.sessions),
      blocks: this.#blocks.filter((block) => block.node === node).length,
    });
    this.#samples.set(node, samples);
  }
}

function mediansOf(samples: readonly Sample[]): NodeFigures {
  const median = (of: (sample: Sample) => number): number => {
    const sorted = samples.map(of).toSorted((one, two) => one - two);
    return sorted[sorted.length >> 1]!;
  };
  return {
    name: samples.at(-1)!.name,
    tickP50Ms: median(({ tickP50Ms }) => tickP50Ms),
    tickP99Ms: median(({ tickP99Ms }) => tickP99Ms),
    busyShare: median(({ busyShare }) => busyShare),
    entities: median(({ entities }) => entities),
    players: median(({ players }) => players),
    blocks: samples.at(-1)!.blocks,
  };
}

/** Of all players, those in a node's land. */
export function playersShare(figures: readonly NodeFigures[], name: string): number {
  const all = figures.reduce((sum, { players }) => sum + players, 0);
  return all === 0 ? 0 : (figures.find((node) => node.name === name)?.players ?? 0) / all;
}

/** Who computes most. */
export function hottestOf(figures: readonly MeasuredNode[]): MeasuredNode | undefined {
  return figures.toSorted((one, two) => two.cpuShare - one.cpuShare)[0];
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
