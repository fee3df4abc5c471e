/** How the followed client is: its figures, and the charts of its last half minute. */
import { formatBytes } from '../format.ts';
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
  'Undurable',
  'Clock',
  'Longest gap',
  'Correction',
  'Redirects',
  'Given up',
] as const;

const HINTS = {
  'Round trip': 'Median of the last pings',
  Jitter: 'How unevenly snapshots arrive',
  In: 'Bytes a second from the gateway, over the last second',
  Out: 'Bytes a second to the gateway, over the last second',
  Messages: 'From the gateway, a second',
  Interval: 'Mean time between the last snapshots; while none come, the time since the last',
  'In view': 'Entities in the view of this client',
  Keyframes: 'Snapshots that began from nothing',
  Unacked: 'Inputs that no snapshot has contained yet',
  Inputs: 'Sent by this page',
  Correction: 'How far the last prediction was off; this page has no world module to predict with',
  Undurable: 'Inputs that are kept because a crash of the owner could still take them back',
  Clock: 'The clock of this computer minus that of the server',
  'Longest gap': 'The longest time between two snapshots, with reconnects and changes of owner between them',
  Redirects: 'Direct mode: connections that went to the owner of the player, and those that did not get there',
  'Given up': 'Inputs that were pushed out of the window before they were durable',
} as const;

/** Round trips above this are felt. */
const ROUND_TRIP_MS_WARN = 250;
const UNACKED_WARN = 20;
const INTERVALS_MEANT = 40;
/** As the server reports it. */
const SKEW_MS_WARN = 60_000;
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
    const { statistics, clock } = client;
    const rates = tap.traffic.rates(nowMs);
    const snapshots = tap.traffic.snapshots(nowMs);
    const recent = snapshots.slice(-INTERVALS_MEANT);
    const meanMs = recent.reduce((sum, { intervalMs }) => sum + intervalMs, 0) / Math.max(1, recent.length);
    const grid = this.#grid;
    grid.set('Round trip', milliseconds(player.pingMs), player.pingMs > ROUND_TRIP_MS_WARN);
    grid.set('Jitter', milliseconds(statistics.jitterMs));
    grid.set('In', formatBytes(rates.bytesInPerSecond));
    grid.set('Out', formatBytes(rates.bytesOutPerSecond));
    grid.set('Messages', `${Math.round(rates.messagesInPerSecond)}/s`);
    const silenceMs = tap.traffic.silenceMs(nowMs);
    const isSilent = silenceMs > SILENCE_MS_WARN && player.isInWorld;
    if (isSilent) grid.set('Interval', `${(silenceMs / 1000).toFixed(1)} s`, true);
    else grid.set('Interval', milliseconds(meanMs));
    grid.set('In view', String(client.entities.size));
    grid.set('Keyframes', String(tap.keyframes));
    grid.set('Unacked', String(statistics.inputsUnacknowledged), statistics.inputsUnacknowledged > UNACKED_WARN);
    grid.set('Inputs', String(player.inputsSent));
    grid.set('Correction', `${statistics.correctionMetres.toFixed(2)} m`);
    grid.set('Undurable', String(statistics.inputsUndurable));
    grid.set('Clock', clockText(clock.skewMs), Math.abs(clock.skewMs) > SKEW_MS_WARN);
    grid.set('Longest gap', statistics.longestGapMs > 0 ? milliseconds(statistics.longestGapMs) : '–');
    const { redirects, redirectsFailed } = statistics;
    grid.set(
      'Redirects',
      redirectsFailed === 0 ? String(redirects) : `${redirects} + ${redirectsFailed} ✕`,
      redirectsFailed > 0,
    );
    grid.set('Given up', String(statistics.inputsGivenUp), statistics.inputsGivenUp > 0);
    this.#charts.show(player, snapshots, nowMs);
  }
}

function milliseconds(value: number): string {
  if (!(value > 0)) return '–';
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function clockText(differenceMs: number): string {
  if (!Number.isFinite(differenceMs)) return '–';
  const sign = differenceMs < 0 ? '−' : '+';
  const size = Math.abs(differenceMs);
  return size < 1000 ? `${sign}${Math.round(size)} ms` : `${sign}${(size / 1000).toFixed(1)} s`;
}
