/** Collects what nodes report of their load. */
import type { BlockOwner, Directory, Member } from '../../src/peer/directory.ts';
import type { ReportedLoad } from '../../src/peer/load-values.core.ts';

/** Medians of a node's reports. */
export interface NodeFigures {
  readonly name: string;
  readonly reports: number;
  readonly tickP50Ms: number;
  readonly tickP99Ms: number;
  readonly busyShare: number;
  readonly entities: number;
  readonly players: number;
  readonly blocks: number;
}

export class LoadWatch implements Disposable {
  readonly #stop: () => void;
  readonly #reports = new Map<number, ReportedLoad[]>();
  #members: readonly Member[] = [];
  #blocks: readonly BlockOwner[] = [];

  constructor(directory: Directory) {
    this.#stop = directory.watch(
      ({ members, blocks, loads }) => {
        if (members) this.#members = members;
        if (blocks) this.#blocks = blocks;
        for (const load of loads ?? []) this.#take(load);
      },
      { withLoads: true },
    );
  }

  clear(): void {
    this.#reports.clear();
  }

  /** By name. */
  figures(): NodeFigures[] {
    return [...this.#reports]
      .map(([node, reports]) => ({
        name: this.#members.find((member) => member.node === node)?.name ?? String(node),
        reports: reports.length,
        tickP50Ms: median(reports.map(({ tickP50Us }) => tickP50Us)) / 1000,
        tickP99Ms: median(reports.map(({ tickP99Us }) => tickP99Us)) / 1000,
        busyShare: median(reports.map(({ busyShare }) => busyShare)),
        entities: median(reports.map(({ entities }) => entities)),
        players: median(
          reports.map(({ blocks, rest }) => blocks.reduce((sum, { sessions }) => sum + sessions, rest.sessions)),
        ),
        blocks: this.#blocks.filter((block) => block.node === node).length,
      }))
      .sort((one, two) => (one.name < two.name ? -1 : 1));
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #take(load: ReportedLoad): void {
    const reports = this.#reports.get(load.node) ?? [];
    if (reports.at(-1)?.revision === load.revision) return;
    reports.push(load);
    this.#reports.set(load.node, reports);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, two) => one - two);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
