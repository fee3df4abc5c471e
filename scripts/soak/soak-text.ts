/** What came of a soak, for people: tables that Markdown takes, too, and the picture of its memory. */
import { lineChart } from '../chart/line-chart.ts';
import { closingText, tableText, verdictRows } from '../cluster/players-verdict.ts';
import type { Row } from '../cluster/players-verdict.ts';
import { WAL_BYTES_MAX, growthPerHour } from './file-bounds.core.ts';
import type { FileSizes } from './file-sizes.ts';
import type { Flatness, Measure } from './flatness.core.ts';
import { SOAK_EVENTS } from './soak-run.ts';
import type { SoakResult } from './soak-run.ts';

const MIB = 2 ** 20;
const IN_BYTES: readonly Measure[] = ['rss', 'heap'];

export function soakText(result: SoakResult): string {
  const { seed, nodes, mode, seconds, everySeconds, players } = result;
  const minutes = Number((seconds / 60).toFixed(2));
  const rows: Row[] = [
    ['players, nodes, mode, minutes', `${players.clients}, ${nodes}, ${mode}, ${minutes}`],
    ...SOAK_EVENTS.map((event): Row => [`${EVENT_NAMES[event]}; seconds each took`, eventsText(result, event)]),
    ...verdictRows(players),
    ...fileRows(result.files),
    ['cores that the players took', result.playersCpuCores.toFixed(2)],
  ];
  const replay = `npm run soak -- --seed ${seed} --clients ${players.clients} --minutes ${minutes} --nodes ${nodes} --mode ${mode} --every-seconds ${everySeconds}`;
  const closing = closingText({ ...players, wrong: result.wrong }, replay);
  return `\n${tableText(rows)}\n\n${flatnessText(result.flatness)}\n\n${closing}\n`;
}

const EVENT_NAMES = {
  gateway: 'gateways killed',
  simulation: 'simulation nodes killed',
  drain: 'nodes drained',
} as const;

function eventsText({ happened }: SoakResult, event: string): string {
  const took = happened.filter((one) => one.event === event).map(({ tookSeconds }) => tookSeconds.toFixed(1));
  return took.length === 0 ? '0' : `${took.length}; ${took.join(', ')}`;
}

/** A row for each process and what of it was measured. */
export function flatnessText(flatness: readonly Flatness[]): string {
  const rows = flatness.map(({ name, measure, lives, minutes, first, last, perHour, perHourMax, verdict }) => {
    const of = lives === 1 ? '' : ` (${lives} lives)`;
    const figures = [first, last, perHour, perHourMax].map((value) => figureText(measure, value));
    return `| ${name}${of} | ${measureText(measure)} | ${minutes.toFixed(1)} | ${figures.join(' | ')} | ${verdict} |`;
  });
  return [
    '| process | measured | over min | first | last | slope an hour | flat up to | verdict |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function measureText(measure: Measure): string {
  return IN_BYTES.includes(measure) ? `${measure}, MiB` : measure;
}

function figureText(measure: Measure, value: number): string {
  if (!Number.isFinite(value)) return '–';
  return IN_BYTES.includes(measure) ? (value / MIB).toFixed(1) : String(Number(value.toFixed(2)));
}

export function fileRows(files: readonly FileSizes[]): Row[] {
  const [first, last] = [files[0], files.at(-1)];
  if (first === undefined || last === undefined) return [];
  const growth = growthPerHour(files);
  const most = (of: (sizes: FileSizes) => number): number => files.reduce((all, sizes) => Math.max(all, of(sizes)), 0);
  const both = (of: (sizes: FileSizes) => number): string =>
    [of(first), of(last), most(of)].map((bytes) => (bytes / MIB).toFixed(1)).join(', ');
  return [
    ['journals, MiB: first, last, most', both(({ journalBytes }) => journalBytes)],
    ['directory, MiB: first, last, most', both(({ directoryBytes }) => directoryBytes)],
    [
      `largest write-ahead log, MiB: first, last, most (bound ${WAL_BYTES_MAX / MIB})`,
      both(({ walBytesMax }) => walBytesMax),
    ],
    ['all files, MiB: first, last, most; number', `${both(({ allBytes }) => allBytes)}; ${last.files}`],
    ['journals and directory, MiB an hour', growth === undefined ? 'too short to say' : (growth / MIB).toFixed(1)],
  ];
}

/** Resident memory of every process over the run, with what happened. */
export function memoryPicture({ lives, happened }: Pick<SoakResult, 'lives' | 'happened'>): string {
  const byName = Map.groupBy(lives, ({ name }) => name);
  return lineChart({
    title: 'Resident memory of every process',
    xLabel: 'minutes',
    yLabel: 'MiB',
    lines: [...byName].map(([name, all]) => ({
      name,
      points: all.flatMap(({ samples }) => [
        ...samples.map(({ seconds, values }) => ({ x: seconds / 60, y: (values.rss ?? Number.NaN) / MIB })),
        // A gap between two lives.
        { x: (samples.at(-1)?.seconds ?? 0) / 60, y: Number.NaN },
      ]),
    })),
    marks: happened.map(({ atSeconds, event }) => ({ x: atSeconds / 60, text: EVENT_MARKS[event] })),
  });
}

const EVENT_MARKS = { gateway: 'gateway killed', simulation: 'simulation killed', drain: 'drain' } as const;
