/** How the followed client is: its figures, and the charts of its last half minute. */
import { formatBytes } from '../format.ts';
import { percentile } from '../history.ts';
import { make } from '../page-elements.ts';
import type { Player } from '../player.ts';
import { FigureGrid } from './figure-grid.ts';
import { VitalsCharts } from './vitals-charts.ts';

const FIGURES = [
  'Round trip',
  'Jitter',
  'In',
  'Out',
  'Messages',
  'Interval',
  'In view',
  'Keyframes',
  'Unacked',
  'Inputs',
  'Correction',
  'Clock',
] as const;

const HINTS = {
  'Round trip': 'Median of the last pings',
  Jitter: 'How unevenly snapshots arrive',
  In: 'Bytes a second from the gateway, over the last second',
  Out: 'Bytes a second to the gateway, over the last second',
  Messages: 'From the gateway, a second',
  Interval: 'Median time between two snapshots; while none come, the time since the last',
  'In view': 'Entities in the view of this client',
  Keyframes: 'Snapshots that began from nothing',
  Unacked: 'Inputs that no snapshot has contained yet',
  Inputs: 'Sent by this page',
  Correction: 'How far the last prediction was off; this page has no world module to predict with',
  Clock: 'The server’s clock minus that of this computer',
} as const;

/** Round trips above this are felt. */
const ROUND_TRIP_MS_WARN = 250;
const UNACKED_WARN = 20;
/** Without a snapshot for longer, the time since the last one is shown. */
const SILENCE_MS_WARN = 700;

export class VitalsView {
  readonly #grid: FigureGrid<(typeof FIGURES)[number]>;
  readonly #charts: VitalsCharts;

  constructor(parent: HTMLElement) {
    const figures = make('dl', { className: 'figures small' });
    this.#grid = new FigureGrid(figures, FIGURES, HINTS);
    const charts = make('div', { className: 'charts' });
    parent.append(figures, charts);
    this.#charts = new VitalsCharts(charts);
  }

  show(player: Player, nowMs: number): void {
    const { client, tap } = player;
    const { statistics } = client;
    const rates = tap.traffic.rates(nowMs);
    const snapshots = tap.traffic.snapshots(nowMs);
    const intervals = snapshots.slice(-100).map(({ intervalMs }) => intervalMs);
    const medianMs = percentile(
      intervals.toSorted((one, other) => one - other),
      0.5,
    );
    const grid = this.#grid;
    grid.set('Round trip', milliseconds(player.pingMs), player.pingMs > ROUND_TRIP_MS_WARN);
    grid.set('Jitter', milliseconds(statistics.jitterMs));
    grid.set('In', formatBytes(rates.bytesInPerSecond));
    grid.set('Out', formatBytes(rates.bytesOutPerSecond));
    grid.set('Messages', `${Math.round(rates.messagesInPerSecond)}/s`);
    const silenceMs = tap.traffic.silenceMs(nowMs);
    const isSilent = silenceMs > SILENCE_MS_WARN && player.isInWorld;
    if (isSilent) grid.set('Interval', `${(silenceMs / 1000).toFixed(1)} s`, true);
    else grid.set('Interval', medianMs > 0 ? `${Math.round(medianMs)} ms` : '–');
    grid.set('In view', String(client.entities.size));
    grid.set('Keyframes', String(tap.keyframes));
    grid.set('Unacked', String(statistics.inputsUnacknowledged), statistics.inputsUnacknowledged > UNACKED_WARN);
    grid.set('Inputs', String(player.inputsSent));
    grid.set('Correction', `${statistics.correctionMetres.toFixed(2)} m`);
    grid.set('Clock', clockText(client.serverTimeMs - Date.now()));
    this.#charts.show(player, snapshots, nowMs);
  }
}

function milliseconds(value: number): string {
  if (!(value > 0)) return '–';
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function clockText(differenceMs: number): string {
  if (!Number.isFinite(differenceMs)) return '–';
  const sign = differenceMs < 0 ? '−' : '+';
  const size = Math.abs(differenceMs);
  return size < 1000 ? `${sign}${Math.round(size)} ms` : `${sign}${(size / 1000).toFixed(1)} s`;
}
