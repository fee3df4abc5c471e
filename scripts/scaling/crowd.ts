/** A thousand players at one node: `npm run peers`, our side alone. */
import { fileURLToPath } from 'node:url';
import { jsonOf } from '../../bench/child-output.ts';
import type { Figures } from '../../bench/peers/measure.ts';
import { lineChart } from '../chart/line-chart.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const PEERS = fileURLToPath(new URL('../../bench/peers/run.ts', import.meta.url));
const RECEIPT_MS = 25;

interface Peers {
  readonly results: readonly { readonly clients: number; readonly sides: { readonly worldmesh?: Figures } }[];
}

export const crowd: Scenario = {
  name: 'players',
  title: '1,000 players',
  async run({ isQuick }): Promise<Outcome> {
    const counts = isQuick ? [20, 60] : [100, 300, 600, 1000];
    const seconds = isQuick ? 2 : 10;
    const flags = [
      '--clients',
      counts.join(','),
      '--seconds',
      String(seconds),
      '--rounds',
      '1',
      '--sides',
      'worldmesh',
      '--json',
    ];
    const { results } = await jsonOf<Peers>([PEERS, ...flags], [0, 1]);
    const figures = results.flatMap(({ clients, sides }) =>
      sides.worldmesh === undefined ? [] : [{ clients, ...sides.worldmesh }],
    );
    const most = figures.at(-1);
    if (most === undefined || most.clients !== counts.at(-1)) throw new Error('the largest crowd was not measured');
    const line = (name: string, of: (one: Figures) => number) => ({
      name,
      points: figures.map((one) => ({ x: one.clients, y: of(one) })),
    });
    return {
      done: `One node with one simulation worker; all walk, each has about 30 others in view, 20 ticks, snapshots and inputs a second. ${seconds} s each with ${counts.join(', ')} players in a process of their own.`,
      rules: [
        promise('players not online at the end', most.clients - most.online),
        target('CPU of the server for a message', most.cpuUsPerMessage, { max: 10, unit: 'µs' }),
        target('bytes to a client a second', most.bytesDown, { max: 3000, unit: 'bytes' }),
        target('change to receipt within half the radius, p99', most.receiptNearP99, { max: RECEIPT_MS, unit: 'ms' }),
        target('all joined', most.joinSeconds, { max: 1, unit: 's' }),
        target('memory of a client', most.memoryBytes / 1024, { max: 40, unit: 'KiB' }),
      ],
      rows: figures.map((one) => [
        `${one.clients} players: cores, µs a snapshot, receipt near p50, p99 ms`,
        `${one.cores.toFixed(2)}, ${one.cpuUsPerState.toFixed(1)}, ${one.receiptNearP50.toFixed(1)}, ${one.receiptNearP99.toFixed(1)}`,
      ]),
      pictures: [
        {
          name: 'players-receipt',
          svg: lineChart({
            title: 'From a change to its receipt, by players',
            xLabel: 'players',
            yLabel: 'ms',
            lines: [
              line('near, p50', ({ receiptNearP50 }) => receiptNearP50),
              line('near, p99', ({ receiptNearP99 }) => receiptNearP99),
            ],
            limit: { y: RECEIPT_MS, text: 'target of p99' },
          }),
        },
        {
          name: 'players-cpu',
          svg: lineChart({
            title: 'CPU of the server, by players',
            xLabel: 'players',
            yLabel: 'cores',
            lines: [line('server', ({ cores }) => cores)],
          }),
        },
      ],
    };
  },
};
