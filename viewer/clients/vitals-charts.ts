/** Two small charts of one client: the time between its snapshots and the bytes it is sent. */
import uPlot from 'uplot';
import { AXIS_COLOUR, AXIS_FONT, GRID_COLOUR, niceMax } from '../charts.ts';
import { formatBytes } from '../format.ts';
import { make, setText } from '../page-elements.ts';
import type { Player } from '../player.ts';
import { TRAFFIC_SECONDS, type SnapshotArrival } from './traffic.core.ts';

const PLOT_HEIGHT = 72;
/** Drawn this often; each takes a millisecond or two. */
const DRAW_INTERVAL_MS = 250;
const BYTES_TOP_MIN = 2000;

interface Plot {
  readonly plot: uPlot;
  readonly holder: HTMLElement;
  readonly value: HTMLElement;
}

export class VitalsCharts {
  readonly #intervals: Plot;
  readonly #bytes: Plot;
  #drawnMs = 0;
  #drawn: Player | undefined;

  constructor(parent: HTMLElement) {
    const milliseconds = (value: number): string => `${Math.round(value)} ms`;
    this.#intervals = makePlot(parent, {
      title: 'Time between snapshots',
      colour: '#57d6bd',
      topMin: 200,
      format: milliseconds,
    });
    this.#bytes = makePlot(parent, {
      title: 'Bytes in, a second',
      colour: '#b18cf0',
      topMin: BYTES_TOP_MIN,
      format: formatBytes,
    });
    new ResizeObserver(() => this.#resize()).observe(parent);
  }

  show(player: Player, snapshots: readonly SnapshotArrival[], nowMs: number): void {
    if (player === this.#drawn && nowMs - this.#drawnMs < DRAW_INTERVAL_MS) return;
    this.#drawn = player;
    this.#drawnMs = nowMs;
    const at = snapshots.map(({ atMs }) => (atMs - nowMs) / 1000);
    const intervals = snapshots.map(({ intervalMs }) => intervalMs);
    const silenceMs = player.tap.traffic.silenceMs(nowMs);
    if (player.isInWorld && silenceMs > (intervals.at(-1) ?? 0)) {
      // A gap that is not over yet grows at the right.
      at.push(0);
      intervals.push(silenceMs);
    }
    this.#intervals.plot.setData([at, intervals]);
    const worst = intervals.reduce((most, interval) => Math.max(most, interval), 0);
    setText(this.#intervals.value, worst > 0 ? `longest ${Math.round(worst)} ms` : '–');
    const [times, bytes] = player.tap.traffic.bytesInSeries(nowMs);
    this.#bytes.plot.setData([[...times], [...bytes]]);
    setText(this.#bytes.value, `${formatBytes(player.tap.traffic.bytesIn)} in all`);
  }

  #resize(): void {
    for (const { plot, holder } of [this.#intervals, this.#bytes]) {
      const width = holder.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: PLOT_HEIGHT });
    }
  }
}

function makePlot(
  parent: HTMLElement,
  { title, colour, topMin, format }: { title: string; colour: string; topMin: number; format(value: number): string },
): Plot {
  const value = make('span', { className: 'keys-row', textContent: '–' });
  const holder = make('div', { className: 'plot', attributes: { style: `--plot-height:${PLOT_HEIGHT}px` } });
  parent.append(make('section', { className: 'chart' }, make('h2', {}, title, value), holder));
  const axis = {
    stroke: AXIS_COLOUR,
    font: AXIS_FONT,
    grid: { stroke: GRID_COLOUR, width: 1 },
    ticks: { show: false },
  };
  const plot = new uPlot(
    {
      width: holder.clientWidth || 300,
      height: PLOT_HEIGHT,
      pxAlign: true,
      legend: { show: false },
      cursor: { show: false },
      padding: [6, 14, 0, 0],
      scales: {
        x: { time: false, range: () => [-TRAFFIC_SECONDS, 0] },
        y: { range: (_plot, _min, max) => [0, niceMax(Math.max(max ?? 0, topMin))] },
      },
      axes: [
        {
          ...axis,
          size: 20,
          gap: 4,
          splits: () => [-30, -20, -10, 0],
          values: () => ['−30 s', '−20 s', '−10 s', 'now'],
        },
        {
          ...axis,
          size: 52,
          gap: 4,
          splits: (_plot, _axis, _min, max) => [0, max / 2, max],
          values: (_plot, splits) => splits.map(format),
        },
      ],
      series: [{}, { stroke: colour, fill: `${colour}26`, width: 1.5, points: { show: false } }],
    },
    [[], []],
    holder,
  );
  return { plot, holder, value };
}
