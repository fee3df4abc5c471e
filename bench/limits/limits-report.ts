/** The capacity bench in words. */
import { NEIGHBOURS } from '../peers/scene.ts';
import { ON_TIME_MS } from '../peers/measures.ts';
import { hardware } from '../peers/report.ts';
import { OVERLOAD } from './overload.ts';
import type { Overload, Second } from './overload.ts';
import type { LimitsOptions } from './run.ts';
import type { Found, Trial } from './search.ts';

/** A core that is busy for this share of the time has nothing left. */
const SATURATED_CORES = 0.9;
/** A clients' process that runs this late is what the figures show. */
const LATE_MS = 10;

export function headText({ tickHz, inputsHz, stepSeconds }: LimitsOptions): string {
  const { cpu, cores, memoryGiB, node } = hardware();
  return `${cpu} · ${cores} cores · ${memoryGiB} GiB · Node ${node}

The scene of "npm run peers": everybody walks, about ${NEIGHBOURS} others in view; ${tickHz} ticks a second, ${inputsHz} inputs a second and client.
Server with all its threads on core 0, clients on core 1; on time is who gets 99 % of snapshots within ±${ON_TIME_MS} ms of the nominal
interval, measured for ${stepSeconds} s.`;
}

export function trialHead(snapshotHz: number): string {
  const head = [
    'clients',
    'off p99 ms',
    'receipt p99',
    'snapshots/s',
    'server cores',
    'join s',
    'client cores',
    'late p99 ms',
  ];
  return `\n${snapshotHz} snapshots a second (nominal ${1000 / snapshotHz} ms)\n  ${head.map(cell).join('')}`;
}

export function trialText(trial: Trial): string {
  const figures = [
    String(trial.clients),
    trial.offNominalP99.toFixed(1),
    trial.receiptP99.toFixed(1),
    trial.snapshotsPerSecond.toFixed(2),
    trial.serverCores.toFixed(2),
    trial.joinSeconds.toFixed(2),
    trial.clientCores.toFixed(2),
    trial.clientDelayP99.toFixed(1),
  ];
  const notes = [
    trial.isOnTime ? 'on time' : 'late',
    ...(trial.online === trial.clients ? [] : [`${trial.online} online`]),
    ...failureNotes(trial.failures),
    ...(isClientsLimit(trial) ? ['the clients are at their own limit'] : []),
  ];
  return `  ${figures.map(cell).join('')}  ${notes.join(', ')}`;
}

/** What the search found, and why it went no further when its time was over. */
export function verdictText(found: Found): string {
  const { timeOver } = found;
  return timeOver === undefined ? foundText(found) : `${foundText(found)} ${timeOver}`;
}

function foundText({ largest, tooMany, trials }: Found): string {
  if (trials.length === 0) return 'No number of clients was tried.';
  if (largest === 0) return 'No number of clients that was tried was served on time.';
  if (tooMany === undefined) return `At least ${largest} clients on time; the search ended before it found too many.`;
  const failed = trials.find(({ clients, isOnTime }) => clients === tooMany && !isOnTime);
  const doubt =
    failed !== undefined && isClientsLimit(failed) && failed.serverCores < SATURATED_CORES
      ? ` The clients' core gave out first (${failed.clientCores.toFixed(2)} cores, ${failed.clientDelayP99.toFixed(0)} ms late); the server took ${failed.serverCores.toFixed(2)}.`
      : '';
  return `${largest} clients on time, ${tooMany} not.${doubt}`;
}

export function timelineHead(clients: number): string {
  const head = [
    's',
    'online',
    'level',
    'load',
    'tick ms',
    'ticks/s',
    'snapshots/s',
    'updates',
    'off p99 ms',
    'receipt p99',
  ];
  const more = Math.round(clients * OVERLOAD);
  return `\n${clients} clients, then ${more}, then ${clients}\n  ${[...head, 'server cores', 'client cores', 'refused'].map(cell).join('')}`;
}

export function secondText(second: Second): string {
  const figures = [
    String(second.atSeconds),
    String(second.online),
    plain(second.shedLevel, 0),
    plain(second.load, 2),
    plain(second.tickMs, 1),
    plain(second.ticksPerSecond, 1),
    plain(second.snapshotsPerSecond, 2),
    plain(second.updatesPerSnapshot, 1),
    plain(second.offNominalP99, 1),
    plain(second.receiptP99, 1),
    plain(second.serverCores, 2),
    plain(second.clientCores, 2),
    plain(second.refused, 0),
  ];
  return `  ${figures.map(cell).join('')}  ${[second.phase, ...failureNotes(second.failures)].join(', ')}`;
}

export function overloadText({ degraded, recoveredAfterSeconds }: Overload): string {
  const lines = degraded.map(({ what, afterSeconds }) => `  after ${String(afterSeconds).padStart(3)} s  ${what}`);
  const recovery =
    recoveredAfterSeconds === undefined
      ? 'It did not recover in the time of this run.'
      : `Back at 100 %: nothing shed and on time after ${recoveredAfterSeconds} s.`;
  return ['\nWhat degraded, in this order:', ...(lines.length > 0 ? lines : ['  nothing']), recovery].join('\n');
}

/** Whether the figures are those of the clients' process rather than the server's. */
function isClientsLimit({ clientCores, clientDelayP99 }: Trial): boolean {
  return clientCores > SATURATED_CORES || clientDelayP99 > LATE_MS;
}

function failureNotes(failures: Readonly<Record<string, number>>): string[] {
  return Object.entries(failures).map(([code, count]) => `${code} × ${count}`);
}

function cell(text: string): string {
  return text.padStart(13);
}

function plain(value: number, digits: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(digits);
}
