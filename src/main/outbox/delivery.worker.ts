/**
 * The delivery thread: brings publications to the sink, one batch after the other, and tells the peer thread what became of each. It knows
 * no journal; what it had not answered when it ends is offered again to the next.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { monotonicMs } from '../../base/monotonic.ts';
import { Random } from '../../base/random.ts';
import type { DeliveryWorkerData, FromDelivery, ToDelivery } from '../../peer/delivery.ts';
import { DeliveryQueue } from './delivery.core.ts';
import { openSink } from './open-sink.ts';
import { SinkError, publicationOf } from './sink.ts';
import type { Sink } from './sink.ts';

class DeliveryThread {
  readonly #port: MessagePort;
  readonly #data: DeliveryWorkerData;
  readonly #queue: DeliveryQueue;
  #isStopping = false;
  #wake: () => void = () => {};

  constructor(port: MessagePort, data: DeliveryWorkerData) {
    this.#port = port;
    this.#data = data;
    this.#queue = new DeliveryQueue(new Random(data.seed));
    port.on('message', (message: ToDelivery) => this.#hear(message));
  }

  async run(): Promise<void> {
    const sink = await openSink(this.#data);
    while (!this.#isStopping) {
      const next = this.#queue.next(monotonicMs());
      if ('batch' in next) await this.#deliver(sink, next.batch);
      else await this.#sleep(next.waitMs);
    }
    await sink[Symbol.asyncDispose]();
    this.#port.close();
  }

  #hear(message: ToDelivery): void {
    if (message.type === 'offer') this.#queue.offer(message.rows);
    else this.#isStopping = true;
    this.#wake();
  }

  async #deliver(sink: Sink, batch: Parameters<DeliveryQueue['offer']>[0]): Promise<void> {
    try {
      await sink.deliver(batch.map((row) => publicationOf(row, this.#data)));
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#answered();
    this.#post({ type: 'taken', ids: this.#queue.taken() });
  }

  #failed(error: unknown): void {
    const reason = reasonOf(error);
    if (error instanceof SinkError && error.code === 'ERR_SINK_REFUSED') {
      this.#answered();
      const ids = this.#queue.refused(monotonicMs());
      if (ids.length > 0) this.#post({ type: 'refused', ids, reason });
      return;
    }
    const isNew = !this.#queue.isDown;
    const retryMs = this.#queue.down(monotonicMs());
    this.#post({ type: 'down', reason, retryMs, isNew });
  }

  /** A refusal is an answer, too. */
  #answered(): void {
    if (this.#queue.isDown) this.#post({ type: 'up' });
  }

  async #sleep(waitMs: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = waitMs === undefined ? undefined : setTimeout(resolve, waitMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  #post(message: FromDelivery): void {
    this.#port.postMessage(message);
  }
}

/** Without what a URL may hold of secrets: messages of Node name address and port at most. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`.slice(0, 500);
}

assert(parentPort !== null, 'delivery.worker.ts runs as a thread');
await new DeliveryThread(parentPort, workerData as DeliveryWorkerData).run();
