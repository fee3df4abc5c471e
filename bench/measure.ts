/** Measures cases side by side with tinybench: nanoseconds per operation, and the ratio to the limit of the same run. */
import { Bench } from 'tinybench';

/** A few times too many tasks in a row still interleave, so that a busy moment of the machine hits all alike. */
const ROUNDS = 3;

export interface Case {
  readonly name: string;
  /** Does `operations` operations; may be asynchronous. */
  readonly run: () => void | Promise<void>;
  readonly operations: number;
  /** What the other cases of the group are compared with. Exactly one case of a group is. */
  readonly isLimit?: boolean;
}

export interface Group {
  readonly title: string;
  /** What one operation is, such as "entity and tick". */
  readonly unit: string;
  readonly cases: readonly Case[];
}

export interface Result {
  readonly name: string;
  readonly isLimit: boolean;
  /** Nanoseconds per operation. */
  readonly medianNs: number;
  readonly bestNs: number;
  /** The median divided by that of the limit. */
  readonly ratio: number;
}

export interface Suite {
  readonly name: string;
  run(options: SuiteOptions): Promise<void>;
}

export interface SuiteOptions {
  /** Shortest possible run: shows that the suites work, not how fast. */
  readonly quick: boolean;
  /** Of what is measured, such as entities or rows: these instead of all that the suite has. */
  readonly sizes?: readonly number[] | undefined;
  /** Measures a group and prints it. */
  readonly report: (group: Group) => Promise<readonly Result[]>;
}

export async function measure({ cases }: Group, { quick }: { quick: boolean }): Promise<Result[]> {
  const rounds = quick ? 1 : ROUNDS;
  const medians = cases.map((): number[] => []);
  const bests = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({
      time: quick ? 10 : 150,
      iterations: quick ? 2 : 8,
      warmupTime: quick ? 1 : 60,
      warmupIterations: quick ? 1 : 4,
      retainSamples: false,
      throws: true,
    });
    for (const { name, run } of cases) bench.add(name, run);
    const tasks = await bench.run();
    tasks.forEach(({ result }, index) => {
      if (!('latency' in result)) throw new Error(`the case "${cases[index]!.name}" gave no result: ${result.state}`);
      const nsPerOperation = 1e6 / cases[index]!.operations;
      medians[index]!.push(result.latency.p50 * nsPerOperation);
      bests[index]!.push(result.latency.min * nsPerOperation);
    });
  }
  const results = medians.map((values) => values.toSorted((left, right) => left - right)[Math.floor(rounds / 2)]!);
  const limit = results[cases.findIndex(({ isLimit }) => isLimit)] ?? NaN;
  return cases.map(({ name, isLimit = false }, index) => ({
    name,
    isLimit,
    medianNs: results[index]!,
    bestNs: Math.min(...bests[index]!),
    ratio: results[index]! / limit,
  }));
}
