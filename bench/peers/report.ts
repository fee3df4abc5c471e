/** The peers bench in words: what was compared, a table for each number of clients, and the goals. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { OBSERVERS_MAX } from './clients-plan.ts';
import type { Side } from './clients-plan.ts';
import type { Figures } from './measure.ts';
import { HYSTERESIS_METRES, NEAR_METRES, NEIGHBOURS, RADIUS_METRES, SPEED_METRES, STAMP_TICKS } from './scene.ts';
import type { Options } from './run.ts';

interface Row {
  readonly title: string;
  readonly of: keyof Figures;
  readonly digits: number;
  /** Divides the figure for the table. */
  readonly unit?: number;
  /** Figures whose ratio says nothing. */
  readonly isPlain?: boolean;
}

const ROWS: readonly Row[] = [
  { title: 'server CPU, cores', of: 'cores', digits: 3 },
  { title: 'server CPU, µs per client and s', of: 'cpuUsPerClientSecond', digits: 0 },
  { title: 'server CPU, µs per snapshot', of: 'cpuUsPerState', digits: 1 },
  { title: 'server CPU, µs per message in or out', of: 'cpuUsPerMessage', digits: 1 },
  { title: 'bytes down per client and s', of: 'bytesDown', digits: 0 },
  { title: 'bytes up per client and s', of: 'bytesUp', digits: 0 },
  { title: 'snapshots per client and s', of: 'statesPerSecond', digits: 2, isPlain: true },
  { title: 'interval off nominal, p50 ms', of: 'offNominalP50', digits: 1 },
  { title: 'interval off nominal, p99 ms', of: 'offNominalP99', digits: 1 },
  { title: `receipt of changes in ${NEAR_METRES} m, p50 ms`, of: 'receiptNearP50', digits: 1 },
  { title: `receipt of changes in ${NEAR_METRES} m, p99 ms`, of: 'receiptNearP99', digits: 1 },
  { title: 'receipt of all changes, p50 ms', of: 'receiptP50', digits: 1 },
  { title: 'receipt of all changes, p99 ms', of: 'receiptP99', digits: 1 },
  { title: 'all joined in, s', of: 'joinSeconds', digits: 2 },
  { title: 'memory per client, KiB', of: 'memoryBytes', digits: 1, unit: 1024 },
  { title: 'in view, mean', of: 'inView', digits: 1, isPlain: true },
  { title: "clients' own CPU, cores", of: 'clientCores', digits: 2, isPlain: true },
  { title: "clients' own lateness, p99 ms", of: 'clientDelayP99', digits: 1, isPlain: true },
];
const TITLE_WIDTH = 38;
const COLUMN_WIDTH = 12;

/** At this many clients. */
const GOAL_CLIENTS = 1000;
const GOALS: readonly Goal[] = [
  { title: 'server CPU, µs per message in or out', of: 'cpuUsPerMessage', most: 10 },
  { title: 'bytes down per client and s', of: 'bytesDown', most: 3000 },
  { title: `receipt of changes in ${NEAR_METRES} m, p99 ms`, of: 'receiptNearP99', most: 25 },
  { title: 'all joined in, s', of: 'joinSeconds', most: 1 },
  { title: 'memory per client, KiB', of: 'memoryBytes', most: 40, unit: 1024 },
  { title: 'server CPU per message, over bare', of: 'cpuUsPerMessage', most: 1.4, over: 'bare' },
  { title: 'server CPU per snapshot, over colyseus', of: 'cpuUsPerState', most: 1 / 2.7, over: 'colyseus' },
  { title: 'bytes down, over colyseus', of: 'bytesDown', most: 1 / 4, over: 'colyseus' },
];

interface Goal {
  readonly title: string;
  readonly of: keyof Figures;
  readonly most: number;
  readonly unit?: number;
  /** The goal is a ratio to this side. */
  readonly over?: Side;
}

export function hardware(): {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
} {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown processor',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
}

export function headText(options: Options, versions: Readonly<Record<string, string>>): string {
  const { cpu, cores, memoryGiB, node } = hardware();
  const { rateHz, inputsHz, rounds, seconds, pin } = options;
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${cpu} · ${cores} cores · ${memoryGiB} GiB · Node ${node}
${names.join(' · ')}

Scene: everybody walks at ${SPEED_METRES} m/s and sees who is within ${RADIUS_METRES} m (out of view at ${RADIUS_METRES + HYSTERESIS_METRES} m), about ${NEIGHBOURS} others; ${rateHz} ticks and
snapshots a second, ${inputsHz} inputs a second and client; each person's time stamp changes every ${STAMP_TICKS} ticks. ${rounds} rounds of ${seconds} s, medians.
Server and clients are processes of their own, ${pin ? 'the server on core 0, the clients on core 1' : 'on any core'}; all clients use ws; at most ${OBSERVERS_MAX} of them decode
what they are sent, the others count and time it.
  worldmesh  1 simulation worker, default settings otherwise. Who walks straight on is reckoned by the client and not
             sent again (people here turn every 1 to 4 s); who is beyond half the radius is told of less often
  bare       ws without compression; writes frames of the sizes that worldmesh sent in the same round, drops inputs
  colyseus   one room, ws transport without compression, NODE_ENV=production; StateView for each client, people added and removed as
             they come and go; positions quantized to 16 bits, patchRate null and broadcastPatch() at the end of each step,
             inputs by onMessageBytes, clients know the schema. (Its uWebSockets transport is not on npm.)`;
}

export function tableText(clients: number, sides: Partial<Record<Side, Figures>>): string {
  const { worldmesh, bare, colyseus } = sides;
  const shown = (Object.keys(sides) as Side[]).filter((side) => sides[side] !== undefined);
  const ratios = [...(worldmesh && bare ? ['ours/bare'] : []), ...(worldmesh && colyseus ? ['theirs/ours'] : [])];
  const lines = [`\n${clients} clients`.padEnd(TITLE_WIDTH + 3) + [...shown, ...ratios].map(column).join('')];
  for (const { title, of, digits, unit = 1, isPlain = false } of ROWS) {
    const figures = shown.map((side) => {
      const figure = sides[side]![of] / unit;
      // Nobody is in view of those who only write bytes.
      return column(of === 'inView' && figure === 0 ? '–' : figure.toFixed(digits));
    });
    const given = isPlain
      ? []
      : [
          ...(worldmesh && bare ? [ratio(worldmesh[of], bare[of])] : []),
          ...(worldmesh && colyseus ? [ratio(colyseus[of], worldmesh[of])] : []),
        ];
    lines.push(`  ${title.padEnd(TITLE_WIDTH)}${[...figures, ...given].join('')}`);
  }
  return lines.join('\n');
}

export function goalsText(results: readonly { clients: number; sides: Partial<Record<Side, Figures>> }[]): string {
  const sides = results.find(({ clients }) => clients === GOAL_CLIENTS)?.sides;
  const ours = sides?.worldmesh;
  if (ours === undefined) return '';
  const lines = GOALS.flatMap(({ title, of, most, unit = 1, over }) => {
    const base = over === undefined ? unit : sides?.[over]?.[of];
    if (base === undefined) return [];
    const value = ours[of] / base;
    const verdict = value <= most ? 'reached' : 'not reached';
    return [`  ${title.padEnd(TITLE_WIDTH)}${column(value.toFixed(2))}  goal ≤ ${Number(most.toFixed(2))}: ${verdict}`];
  });
  return [`\nWorldmesh at ${GOAL_CLIENTS} clients`, ...lines].join('\n');
}

function column(text: string): string {
  return text.padStart(COLUMN_WIDTH);
}

function ratio(of: number, to: number): string {
  return column(to === 0 ? '–' : `${(of / to).toFixed(2)}×`);
}
