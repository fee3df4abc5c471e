/** Payload: what clients are sent in typical scenes; the same bytes on every machine. */
import { checkPayload } from '../../bench/payload/check.ts';
import { barChart } from '../chart/line-chart.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const WALKING_BYTES_MAX = 1000;

export const payload: Scenario = {
  name: 'payload',
  title: 'Payload size',
  async run({ tell }): Promise<Outcome> {
    const { compared, failures } = await Promise.resolve(checkPayload({ update: false, say: tell }));
    const walking = compared.find(({ name }) => name === 'walking, 20 Hz')?.bytes ?? Number.NaN;
    return {
      done: 'Worlds run tick by tick, without sockets or time; the payload of snapshots is counted, without heads of WebSocket, TCP and TLS.',
      rules: [
        promise('scenes that grew by more than a fifth since their baseline', failures.length),
        target('33 in view, all walking, 20 snapshots a second', walking, { max: WALKING_BYTES_MAX, unit: 'bytes/s' }),
      ],
      rows: compared.map(({ name, bytes, baselineBytes }) => [
        `${name}: bytes a client and second, baseline`,
        `${bytes}, ${baselineBytes}`,
      ]),
      pictures: [
        {
          name: 'payload',
          svg: barChart({
            title: 'Payload of snapshots by scene',
            yLabel: 'bytes a client and second',
            groups: compared.map(({ name }) => name),
            series: [{ name: 'bytes', values: compared.map(({ bytes }) => bytes) }],
          }),
        },
      ],
    };
  },
};
