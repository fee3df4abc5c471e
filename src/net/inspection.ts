/**
 * What a running node tells people and tools about itself, beside its metrics:
 *
 *   /status    one JSON object: who it is, what it holds, what is on its way, its links, its settings
 *   /entities  one JSON object with a row per line: every entity of the store, owned and ghost, for an audit from outside
 *
 * Both tell more than a stranger should know, so they answer to addresses of this machine only, unless `inspectable`.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { SessionIndex } from '../base/brand.ts';
import { PEER_COUNTERS, PEER_GAUGES, PEER_HISTOGRAMS, percentileSeconds } from '../memory/peer-stats.ts';
import { SESSION_STATE } from '../memory/sessions.ts';
import { COUNTERS } from '../memory/stats.ts';
import type { Store } from '../memory/store.ts';
import { addressKey, isLoopback } from './address-count.core.ts';
import type { GatewayContext } from './context.ts';
import { linkViews } from './link-views.ts';
import type { GatewayLoad } from './metrics.ts';
import type { ClusterNode } from './settings.ts';

const RATES_PERIOD_MS = 1000;
/** Rows written at once; between two lots the gateway serves its players. */
const ROWS_PER_LOT = 2048;
/** A row that changes under every one of so many looks is left out; the next answer has it. */
const LOOKS_MAX = 8;
const TICKS_SHOWN = 200;

/** May this request see them? */
export function mayInspect({ settings }: GatewayContext, { socket, headers }: IncomingMessage): boolean {
  if (settings.inspectable === true) return true;
  // What a proxy on this machine passes on comes from elsewhere.
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  return !isForwarded && isLoopback(addressKey(socket.remoteAddress));
}

export class Inspection {
  readonly #context: GatewayContext;
  readonly #load: () => GatewayLoad;
  readonly #shownSettings: Readonly<Record<string, unknown>>;
  #nodes: readonly ClusterNode[] = [];
  #sample: Sample;
  #rates: Readonly<Record<string, number>> = {};

  constructor(
    context: GatewayContext,
    options: { load: () => GatewayLoad; shownSettings: Readonly<Record<string, unknown>> },
  ) {
    this.#context = context;
    this.#load = options.load;
    this.#shownSettings = options.shownSettings;
    this.#sample = takeSample(context);
  }

  setNodes(nodes: readonly ClusterNode[]): void {
    this.#nodes = nodes;
  }

  /** Called often; measures rates once a second. */
  sweep(nowMs: number): void {
    const before = this.#sample;
    if (nowMs - before.atMs < RATES_PERIOD_MS) return;
    const now = takeSample(this.#context);
    const seconds = (now.atMs - before.atMs) / 1000;
    this.#rates = Object.fromEntries(
      Object.entries(now.counts).map(([name, count]) => [
        name,
        Math.round((count - (before.counts[name] ?? 0)) / seconds),
      ]),
    );
    this.#sample = now;
  }

  status({ isDraining }: { readonly isDraining: boolean }): Readonly<Record<string, unknown>> {
    const { store, settings } = this.#context;
    const { control, stats, peerStats, peerTable, sessions } = store;
    const { connections, sessions: held, viewers } = this.#load();
    const own = this.#nodes.find(({ name }) => name === settings.cluster?.node);
    return {
      node: settings.cluster?.node ?? '',
      number: peerTable.self || (own?.node ?? 0),
      incarnation: store.incarnation,
      pid: process.pid,
      world: store.schema.name,
      isReady: control.isReady,
      isDraining,
      tick: control.tick,
      tickHz: settings.tickHz,
      startedAtMs: stats.gauge('startedAtMs'),
      load: stats.gauge('load'),
      shedLevel: control.shedLevel,
      tickMs: tickTimes(store),
      entities: store.entityCount - store.ghostCount,
      ghosts: store.ghostCount,
      entitiesMax: store.options.entitiesMax,
      cells: ownedCells(store),
      connections,
      viewers,
      sessions: { held, ...countSessions(store) },
      sessionsMax: sessions.capacity,
      handovers: {
        inFlight: peerStats.gauge('handoversInFlight'),
        inDoubt: peerStats.gauge('handoversInDoubt'),
        oldestInDoubtSeconds: peerStats.gauge('oldestInDoubtSeconds'),
        percent: peerTable.handoverPercent,
        cellsClosed: countClosed(store),
      },
      seconds: Object.fromEntries(
        PEER_HISTOGRAMS.map((name) => {
          const view = peerStats.histogram(name);
          const [p50, p99] = [percentileSeconds(view, 0.5), percentileSeconds(view, 0.99)];
          return [name, { count: view.count, p50, p99, max: view.maxSeconds }];
        }),
      ),
      counters: Object.fromEntries([
        ...COUNTERS.map((name) => [name, stats.counter(name)]),
        ...PEER_COUNTERS.map((name) => [name, peerStats.counter(name)]),
      ]),
      gauges: Object.fromEntries(PEER_GAUGES.map((name) => [name, peerStats.gauge(name)])),
      rates: this.#rates,
      links: linkViews(store, this.#nodes),
      nodes: this.#nodes,
      settings: this.#shownSettings,
    };
  }

  /** One row of every entity, as they are while they are read; a row is whole in itself. */
  async writeEntities(response: ServerResponse): Promise<void> {
    const { store, settings } = this.#context;
    const { control, incarnation, peerTable } = store;
    const head = { node: settings.cluster?.node ?? '', number: peerTable.self, incarnation, tick: control.tick };
    response.write(`${JSON.stringify(head).slice(0, -1)},"entities":[`);
    let separator = '\n';
    for (let first = 0; first < store.slotsHigh; first += ROWS_PER_LOT) {
      let text = '';
      const end = Math.min(store.slotsHigh, first + ROWS_PER_LOT);
      for (let slot = first; slot < end; slot++) {
        const row = readRow(store, slot);
        if (row === undefined) continue;
        text += separator + JSON.stringify(row);
        separator = ',\n';
      }
      if (response.destroyed) return;
      if (text !== '' && !response.write(text)) await drained(response);
      await setImmediate();
    }
    response.end('\n]}\n');
  }
}

/** A row of `/entities`. `session` is a SessionId, or the row's number outside of a cluster; 0 is none. */
export interface EntityRowView {
  readonly id: number;
  readonly seq: number;
  readonly ghostOf: number;
  readonly session: number;
  readonly lastInput: number;
  readonly x: number;
  readonly z: number;
}

/** The simulation writes on meanwhile: id, seq and owner must be the same before and after the rest was read. */
export function readRow({ columns, sessions }: Store, slot: number): EntityRowView | undefined {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const id = columns.id[slot]!;
    if (id === 0) return undefined;
    const seq = columns.ownershipSeq[slot]!;
    const ghostOf = columns.ghostOf[slot]!;
    const generation = columns.generation[slot]!;
    const index = (columns.session[slot]! - 1) as SessionIndex;
    const hasSession = index >= 0 && ghostOf === 0;
    const session = hasSession ? sessions.sessionId(index) || index + 1 : 0;
    const lastInput = hasSession ? sessions.inputSequence(index) : 0;
    const row = { id, seq, ghostOf, session, lastInput, x: finite(columns.x[slot]!), z: finite(columns.z[slot]!) };
    const isSame =
      columns.id[slot] === id &&
      columns.ownershipSeq[slot] === seq &&
      columns.ghostOf[slot] === ghostOf &&
      columns.generation[slot] === generation &&
      columns.session[slot] === index + 1;
    if (isSame) return row;
  }
  return undefined;
}

interface Sample {
  readonly atMs: number;
  readonly counts: Readonly<Record<string, number>>;
}

function takeSample({ store, counters, nowMs }: GatewayContext): Sample {
  const { stats, peerStats } = store;
  return {
    atMs: nowMs(),
    counts: {
      ticks: stats.counter('ticks'),
      localHandovers: stats.counter('localHandovers'),
      handoversOut: peerStats.counter('handoversOut'),
      handoversIn: peerStats.counter('handoversIn'),
      inputsApplied: stats.counter('inputsApplied'),
      inputsTunnelled: counters.inputsTunnelled,
      snapshotsSent: counters.snapshotsSent,
      snapshotsTunnelled: peerStats.counter('snapshotsTunnelled'),
      bytesOut: counters.bytesOut,
      bytesIn: counters.bytesIn,
      ghostBytesOut: peerStats.counter('ghostBytesOut'),
      ghostBytesIn: peerStats.counter('ghostBytesIn'),
      journalCommits: peerStats.counter('journalCommits'),
      journalRows: peerStats.counter('journalRows'),
    },
  };
}

/** Of the last ticks, in milliseconds. */
function tickTimes({ control, stats }: Store): { readonly p50: number; readonly p99: number; readonly max: number } {
  const times: number[] = [];
  for (let tick = Math.max(0, control.tick - TICKS_SHOWN); tick <= control.tick; tick++) {
    const sample = stats.tickSample(tick);
    if (sample !== undefined) times.push(sample.totalMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: times.at(-1) ?? 0 };
}

/** `here`: socket and player at this node; `away`: the player elsewhere; `remote`: the socket elsewhere. */
function countSessions({ sessions }: Store): { here: number; away: number; remote: number } {
  const counts = { here: 0, away: 0, remote: 0 };
  for (let row = 0; row < sessions.capacity; row++) {
    const index = row as SessionIndex;
    const state = sessions.state(index);
    if (state === SESSION_STATE.free || state === SESSION_STATE.opening) continue;
    if (sessions.gateway(index) !== 0) counts.remote++;
    else if (sessions.route(index) !== 0) counts.away++;
    else counts.here++;
  }
  return counts;
}

function ownedCells({ cellOwner }: Store): { readonly owned: number; readonly all: number } {
  let owned = 0;
  for (let cell = 0; cell < cellOwner.length; cell++) if (cellOwner[cell] === 0) owned++;
  return { owned, all: cellOwner.length };
}

function countClosed({ grid, peerTable }: Store): number {
  let closed = 0;
  for (let cell = 0; cell < grid.cellCount; cell++) if (peerTable.isCellClosed(cell)) closed++;
  return closed;
}

async function drained(response: ServerResponse): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  } finally {
    controller.abort();
  }
}

/** JSON has no other numbers. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
