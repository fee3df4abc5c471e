/**
 * Between the handover core and the delivery thread: hands over what the core offers, and tells the core what became of it. The
 * thread is begun with the first offer; a world that publishes nothing has none.
 *
 *   core ──offer──▶ outstanding ──▶ delivery thread ──taken, refused──▶ core ──▶ journal
 *
 * Invariant: one delivery thread per journal. It ends before the node writes its last state or hands its journal in.
 */
import { Worker } from 'node:worker_threads';
import type { PeerStats } from '../memory/peer-stats.ts';
import type { CrashPoints } from './crash-point.ts';
import { publicationText } from './delivery.ts';
import type { DeliverySettings, DeliveryWorkerData, FromDelivery, ToDelivery } from './delivery.ts';
import type { CoreEvent, PublicationId, PublicationRow } from './protocol.ts';
import { readReplayRequest, removeReplayRequest } from './replay-request.ts';

/** Between two looks for a command. */
const REQUEST_MS = 500;
/** A delivery thread that died is begun again after. */
const RESTART_MS = 1000;
/** At the node's end the batch in hand may take so long; what it was is delivered again by the next process. */
const STOP_MS_MAX = 2000;

export interface PublicationDeskOptions {
  readonly settings: DeliverySettings;
  readonly workerData: Omit<DeliveryWorkerData, 'settings'>;
  /** Of the node, where commands leave their requests. */
  readonly folder: string;
  readonly peerStats: PeerStats;
  readonly crashPoints: CrashPoints;
  readonly step: (event: CoreEvent) => void;
  /** Of the last batch that the core has given to the journal. */
  readonly position: () => number;
  readonly note: (
    level: 'info' | 'warn' | 'error',
    message: string,
    details: Readonly<Record<string, unknown>>,
  ) => void;
}

export class PublicationDesk {
  readonly #options: PublicationDeskOptions;
  /** Offered and not answered, in the order of offering: a new thread is given them again. */
  readonly #outstanding = new Map<string, PublicationRow>();
  #worker: Worker | undefined;
  #restartAtMs = 0;
  #lookAtMs = 0;
  /** Where in the journal the request in hand is obeyed; its file goes when that is on disk. */
  #requestPosition: number | undefined;
  #fsynced = 0;
  #isStopping = false;

  constructor(options: PublicationDeskOptions) {
    this.#options = options;
  }

  offer(rows: readonly PublicationRow[]): void {
    if (this.#isStopping) return;
    for (const row of rows) this.#outstanding.set(publicationText(row), row);
    if (this.#worker !== undefined) this.#post({ type: 'offer', rows });
    else if (this.#restartAtMs === 0) this.#begin();
  }

  time(nowMs: number): void {
    if (this.#isStopping) return;
    if (this.#worker === undefined && this.#restartAtMs > 0 && nowMs >= this.#restartAtMs) this.#begin();
    if (this.#worker === undefined && this.#restartAtMs < 0) this.#restartAtMs = nowMs + RESTART_MS;
    if (nowMs < this.#lookAtMs || this.#requestPosition !== undefined) return;
    this.#lookAtMs = nowMs + REQUEST_MS;
    this.#obeyRequest();
  }

  /** Everything of the journal up to this position is on disk. */
  fsynced(position: number): void {
    this.#fsynced = Math.max(this.#fsynced, position);
    if (this.#requestPosition === undefined || this.#fsynced < this.#requestPosition) return;
    this.#requestPosition = undefined;
    removeReplayRequest(this.#options.folder);
  }

  /** The thread ends with what it has in hand. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    this.#post({ type: 'stop' });
    const timer = setTimeout(() => void worker.terminate(), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }

  #begin(): void {
    const { workerUrl, ...settings } = this.#options.settings;
    const workerData: DeliveryWorkerData = { ...this.#options.workerData, settings };
    const worker = new Worker(new URL(workerUrl), { name: 'outbox', workerData });
    this.#worker = worker;
    this.#restartAtMs = 0;
    worker.on('message', (message: FromDelivery) => this.#hear(message));
    worker.on('error', (error) => this.#options.note('error', 'the delivery thread failed', { error: String(error) }));
    worker.once('exit', () => {
      this.#worker = undefined;
      // The next look at the clock says when to begin again.
      this.#restartAtMs = -1;
    });
    this.#post({ type: 'offer', rows: [...this.#outstanding.values()] });
  }

  #hear(message: FromDelivery): void {
    const { peerStats, step, note, crashPoints } = this.#options;
    switch (message.type) {
      case 'taken':
        crashPoints.pass('afterDelivery');
        peerStats.add('publicationsDelivered', message.ids.length);
        this.#answered(message.ids);
        return step({ kind: 'publicationsTaken', ids: message.ids });
      case 'refused':
        peerStats.add('publicationsParked', message.ids.length);
        note('warn', 'the sink refuses a publication: it is parked', {
          ids: message.ids.map(publicationText),
          reason: message.reason,
        });
        this.#answered(message.ids);
        return step({ kind: 'publicationsRefused', ids: message.ids });
      case 'down':
        peerStats.add('deliveriesFailed', 1);
        peerStats.setGauge('sinkDown', 1);
        if (message.isNew) note('warn', 'the sink is down: publications wait', { reason: message.reason });
        return;
      case 'up':
        peerStats.setGauge('sinkDown', 0);
        return note('info', 'the sink takes publications again', {});
    }
  }

  #answered(ids: readonly PublicationId[]): void {
    for (const id of ids) this.#outstanding.delete(publicationText(id));
  }

  /** A command of an operator, see replay-request.ts. */
  #obeyRequest(): void {
    const { folder, step, note, peerStats } = this.#options;
    const request = readReplayRequest(folder);
    if (request === undefined) return;
    if (request === 'unreadable') {
      note('warn', 'a request to replay publications cannot be read', { folder });
      removeReplayRequest(folder);
    } else {
      const parked = peerStats.gauge('publicationsInPark');
      step({ kind: 'publicationsReplayed', ids: request.ids });
      peerStats.add('publicationsReplayed', request.ids?.length ?? parked);
      note('info', 'parked publications are sent again', { ids: request.ids?.map(publicationText) ?? 'all' });
      this.#requestPosition = this.#options.position();
      this.fsynced(0);
    }
  }

  #post(message: ToDelivery): void {
    this.#worker?.postMessage(message);
  }
}
