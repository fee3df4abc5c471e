/** Handover latency: `npm run crossings`, entities that walk from one node to the other at a known rate. */
import { fileURLToPath } from 'node:url';
import { jsonOf } from '../../bench/child-output.ts';
import { barChart } from '../chart/line-chart.ts';
import type { Row } from '../cluster/players-verdict.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const CROSSINGS = fileURLToPath(new URL('../../bench/crossings/run.ts', import.meta.url));
const STAGES = ['capture', 'journal', 'wire', 'accept', 'confirm', 'total'] as const;
const TICK_MS = 50;

interface NodeStatus {
  readonly tickMs: { readonly p50: number; readonly p99: number };
  readonly seconds: Readonly<Record<string, { readonly count: number; readonly p50: number; readonly p99: number }>>;
  readonly counters: Readonly<Record<string, number>>;
}
interface Crossings {
  readonly seconds: number;
  readonly before: readonly NodeStatus[];
  readonly after: readonly NodeStatus[];
  readonly isClean: boolean;
  readonly audit: string;
}

export const handovers: Scenario = {
  name: 'handovers',
  title: 'Handover latency',
  async run({ isQuick }): Promise<Outcome> {
    const rate = isQuick ? 200 : 1000;
    const seconds = isQuick ? 6 : 30;
    const flags = [
      '--rate',
      String(rate),
      '--seconds',
      String(seconds),
      '--bots',
      '10',
      '--json',
      ...(isQuick ? ['--quick'] : []),
    ];
    // It ends with 1 when the auditor finds something; the result says so, too.
    const result = await jsonOf<Crossings>([CROSSINGS, ...flags], [0, 1]);
    const done = (counter: string): number =>
      result.after.reduce(
        (sum, { counters }, at) => sum + (counters[counter] ?? 0) - (result.before[at]?.counters[counter] ?? 0),
        0,
      );
    const worst = (stage: string, of: 'p50' | 'p99'): number =>
      Math.max(...result.after.map((status) => status.seconds[stage]?.[of] ?? Number.NaN)) * 1000;
    const perSecond = done('handoversOut') / result.seconds;
    const rows: Row[] = [
      ['handovers, a second', `${done('handoversOut')}, ${perSecond.toFixed(0)}`],
      [
        'sent again, rejected, reclaimed',
        ['handoversRetried', 'handoversRejected', 'handoversReclaimed'].map(done).join(', '),
      ],
      ...STAGES.map((stage): Row => [
        `${stage}, ms p50, p99`,
        `${worst(stage, 'p50').toFixed(2)}, ${worst(stage, 'p99').toFixed(2)}`,
      ]),
      [
        'tick, ms p50, p99',
        `${Math.max(...result.after.map(({ tickMs }) => tickMs.p50)).toFixed(2)}, ${Math.max(...result.after.map(({ tickMs }) => tickMs.p99)).toFixed(2)}`,
      ],
    ];
    return {
      done: `Two nodes, ${rate} entities a second walk from one to the other for ${seconds} s, ten bots at each node watch. The worse of the two nodes counts.`,
      rules: [
        promise('entities lost or doubled, by the auditor', result.isClean ? 0 : 1),
        target('handover, freeze to confirmed, p99', worst('total', 'p99'), { max: TICK_MS, unit: 'ms' }),
        target('share of handovers that did not happen', Math.max(0, 1 - perSecond / rate), { max: 0.1, unit: '' }),
      ],
      rows,
      pictures: [
        {
          name: 'handovers',
          svg: barChart({
            title: `Stages of a handover at ${rate} a second`,
            yLabel: 'ms',
            groups: STAGES,
            series: [
              { name: 'p50', values: STAGES.map((stage) => worst(stage, 'p50')) },
              { name: 'p99', values: STAGES.map((stage) => worst(stage, 'p99')) },
            ],
            limit: { y: TICK_MS, text: 'one tick' },
          }),
        },
      ],
    };
  },
};
