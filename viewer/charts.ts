/** The charts of the side panel: uPlot on the rows of history.ts, with headings that show the newest values. */
import uPlot from 'uplot';
import { formatBytes, formatCount, formatMs } from './format.ts';
import { WINDOW_SECONDS, chartColumns, stackedPhase, type History, type HistoryRow } from './history.ts';
import { PHASES } from './overview-text.wire.ts';
import { PHASE_COLOURS } from './palette.ts';

const PLOT_HEIGHT = 84;
export const AXIS_COLOUR = '#7f95a3';
export const GRID_COLOUR = 'rgb(126 150 165 / 12%)';
export const AXIS_FONT = '11px system-ui, sans-serif';

interface SeriesSpec {
  readonly name: string;
  readonly colour: string;
  readonly fill?: string;
  /** What is drawn. */
  value(row: HistoryRow): number;
  /** What the heading says, when it differs from what is drawn. */
  text(row: HistoryRow): string;
}

interface ChartSpec {
  readonly title: string;
  readonly series: readonly SeriesSpec[];
  /** For the labels of the axis. */
  format(value: number): string;
  readonly isWide?: boolean;
  /** The axis reaches at least so far: an idle server's chart is flat, not noise. */
  readonly topMin: number;
}

interface Chart {
  readonly spec: ChartSpec;
  readonly plot: uPlot;
  readonly holder: HTMLElement;
  readonly values: readonly HTMLElement[];
}

const SPECS: readonly ChartSpec[] = [
  {
    title: 'Tick time',
    topMin: 1,
    format: (value) => `${trim(value)} ms`,
    series: [
      { name: 'p99', colour: '#f0b35a', value: (row) => row.tickMsP99, text: (row) => formatMs(row.tickMsP99) },
      {
        name: 'p50',
        colour: '#57d6bd',
        fill: 'rgb(87 214 189 / 14%)',
        value: (row) => row.tickMsP50,
        text: (row) => formatMs(row.tickMsP50),
      },
    ],
  },
  {
    title: 'Phases of a tick',
    topMin: 0.2,
    format: (value) => `${trim(value)} ms`,
    isWide: true,
    // The whole stack is drawn first and each smaller sum over it, so every band keeps its own colour.
    series: PHASES.map((name, index) => ({
      name,
      colour: PHASE_COLOURS[index]!,
      fill: PHASE_COLOURS[index]!,
      value: (row: HistoryRow) => stackedPhase(row, index),
      text: (row: HistoryRow) => (row.phasesMs[index] ?? 0).toFixed(2),
    })).toReversed(),
  },
  {
    title: 'Entities',
    topMin: 10,
    format: short,
    series: [
      {
        name: '',
        colour: '#6aaef5',
        fill: 'rgb(106 174 245 / 14%)',
        value: (row) => row.entities,
        text: (row) => formatCount(row.entities),
      },
    ],
  },
  {
    title: 'Clients',
    topMin: 4,
    format: short,
    series: [
      {
        name: '',
        colour: '#ffb454',
        fill: 'rgb(255 180 84 / 14%)',
        value: (row) => row.clients,
        text: (row) => formatCount(row.clients),
      },
    ],
  },
  {
    title: 'Network',
    topMin: 2000,
    format: (value) => formatBytes(value),
    series: [
      {
        name: 'out',
        colour: '#b18cf0',
        fill: 'rgb(177 140 240 / 14%)',
        value: (row) => row.bytesOutPerSecond,
        text: (row) => `${formatBytes(row.bytesOutPerSecond)}/s`,
      },
      {
        name: 'in',
        colour: '#8aa0ad',
        value: (row) => row.bytesInPerSecond,
        text: (row) => `${formatBytes(row.bytesInPerSecond)}/s`,
      },
    ],
  },
];

export class Charts {
  readonly #charts: readonly Chart[];
  readonly #observer: ResizeObserver;

  constructor(parent: HTMLElement) {
    this.#charts = SPECS.map((spec) => makeChart(parent, spec));
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(parent);
  }

  update(history: History): void {
    const newest = history.newest;
    if (newest === undefined) return;
    for (const { spec, plot, values } of this.#charts) {
      const columns = chartColumns(
        history.rows,
        newest.atSeconds,
        spec.series.map((series) => series.value),
      );
      plot.setData(columns as uPlot.AlignedData);
      spec.series.forEach((series, index) => (values[index]!.textContent = series.text(newest)));
    }
  }

  #resize(): void {
    for (const { plot, holder } of this.#charts) {
      const width = holder.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: PLOT_HEIGHT });
    }
  }
}

function makeChart(parent: HTMLElement, spec: ChartSpec): Chart {
  const chart = document.createElement('section');
  chart.className = spec.isWide ? 'chart wide' : 'chart';
  const heading = document.createElement('h2');
  heading.append(spec.title);
  const keys = document.createElement('span');
  keys.className = 'keys-row';
  const values = spec.series.map((series) => {
    const key = document.createElement('span');
    const chip = document.createElement('i');
    chip.style.background = series.colour;
    const value = document.createElement('span');
    value.textContent = '–';
    if (series.name === '') key.append(value);
    else key.append(chip, `${series.name} `, value);
    // Stacked series are declared from the top of the stack down; people read them in the order of the tick.
    if (spec.isWide) keys.prepend(key);
    else keys.append(key);
    return value;
  });
  heading.append(keys);
  const holder = document.createElement('div');
  holder.className = 'plot';
  holder.style.setProperty('--plot-height', `${PLOT_HEIGHT}px`);
  chart.append(heading, holder);
  parent.append(chart);
  const empty = [[], ...spec.series.map(() => [])] as unknown as uPlot.AlignedData;
  const plot = new uPlot(plotOptions(spec, holder.clientWidth || 300), empty, holder);
  return { spec, plot, holder, values };
}

function plotOptions(spec: ChartSpec, width: number): uPlot.Options {
  const axis = {
    stroke: AXIS_COLOUR,
    font: AXIS_FONT,
    grid: { stroke: GRID_COLOUR, width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: PLOT_HEIGHT,
    pxAlign: true,
    legend: { show: false },
    cursor: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    padding: [6, 14, 0, 0],
    scales: {
      x: { time: false, range: () => [-WINDOW_SECONDS, 0] },
      y: { range: (_plot, _min, max) => [0, niceMax(Math.max(max, spec.topMin))] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 5,
        splits: () => [-120, -90, -60, -30, 0],
        values: () => ['−2 min', '', '−1 min', '', 'now'],
      },
      {
        ...axis,
        size: 52,
        gap: 4,
        splits: (_plot, _axis, _min, max) => [0, max / 2, max],
        values: (_plot, splits) => splits.map((value) => spec.format(value)),
      },
    ],
    series: [
      {},
      ...spec.series.map((series) => ({
        stroke: series.colour,
        width: spec.isWide ? 0 : 1.5,
        points: { show: false },
        ...(series.fill === undefined ? {} : { fill: series.fill }),
      })),
    ],
  };
}

/** The top of an axis: twice a round number, so that its middle is round as well. */
export function niceMax(max: number): number {
  const half = max / 2;
  const power = 10 ** Math.floor(Math.log10(half));
  const step = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((candidate) => candidate * power >= half) ?? 10;
  return step * power * 2;
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function short(value: number): string {
  return value >= 10_000 ? `${trim(value / 1000)}k` : trim(value);
}
