/** What the nodes report of their load, second by second, and what the balancer made of it: read as `worldmesh cells` reads it. */
import { planCells, readCells } from '../../src/main/cells/cells.ts';
import type { CellsFacts } from '../../src/main/cells/cells.ts';
import { openDirectory } from '../../src/peer/directory-thread.ts';
import type { Line } from '../chart/line-chart.ts';

export interface LoadSample {
  readonly seconds: number;
  /** By name of the node. */
  readonly nodes: ReadonlyMap<
    string,
    { readonly tickP99Ms: number; readonly blocks: number; readonly players: number; readonly share: number }
  >;
  /** Named by the plan: could be switched off. */
  readonly idle: readonly string[];
}

const PERIOD_MS = 1000;

export class LoadWatch implements AsyncDisposable {
  readonly samples: LoadSample[] = [];
  readonly #directory: Awaited<ReturnType<typeof openDirectory>>;
  readonly #seconds: () => number;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> = Promise.resolve();
  /** The last look that failed; a node that is being judged may be slow to answer. */
  #failure: unknown;

  private constructor(directory: Awaited<ReturnType<typeof openDirectory>>, seconds: () => number) {
    this.#directory = directory;
    this.#seconds = seconds;
    this.#timer = setInterval(() => {
      this.#looking = this.#looking
        .then(() => this.#look())
        .catch((error: unknown) => {
          this.#failure = error;
        });
    }, PERIOD_MS);
  }

  static async open(directoryUrl: string, seconds: () => number): Promise<LoadWatch> {
    return new LoadWatch(await openDirectory(directoryUrl, { facts: undefined }), seconds);
  }

  get last(): LoadSample {
    const last = this.samples.at(-1);
    if (last === undefined) throw new Error('no load was seen', { cause: this.#failure });
    return last;
  }

  async facts(): Promise<CellsFacts> {
    return await readCells(this.#directory);
  }

  /** Highest tick p99 of any node between two times, in milliseconds. */
  hottestMs(fromSeconds: number, toSeconds: number): number {
    const within = this.samples.filter(({ seconds }) => seconds >= fromSeconds && seconds <= toSeconds);
    const hottest = within.map(({ nodes }) => Math.max(...[...nodes.values()].map(({ tickP99Ms }) => tickP99Ms)));
    return hottest.toSorted((left, right) => left - right)[hottest.length >> 1] ?? Number.NaN;
  }

  lines(of: (node: { tickP99Ms: number; blocks: number; players: number }) => number): Line[] {
    const names = new Set(this.samples.flatMap(({ nodes }) => [...nodes.keys()]));
    return [...names].toSorted().map((name) => ({
      name: `node ${name}`,
      points: this.samples.map(({ seconds, nodes }) => {
        const node = nodes.get(name);
        return { x: seconds, y: node === undefined ? Number.NaN : of(node) };
      }),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#directory[Symbol.asyncDispose]();
  }

  async #look(): Promise<void> {
    const facts = await this.facts();
    const plan = planCells(facts);
    const nameOf = new Map(plan.before.map(({ node, name }) => [node, name]));
    this.samples.push({
      seconds: this.#seconds(),
      nodes: new Map(
        plan.before.map(({ name, blocks, share, report }) => {
          const players =
            report === undefined
              ? 0
              : report.blocks.reduce((sum, { sessions }) => sum + sessions, report.rest.sessions);
          return [name, { tickP99Ms: (report?.tickP99Us ?? 0) / 1000, blocks, players, share }];
        }),
      ),
      idle: plan.idle.map((node) => nameOf.get(node) ?? String(node)),
    });
  }
}
