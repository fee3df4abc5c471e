/**
 * Brings spans to a collector by OTLP/HTTP, a batch at a time, off every path that players wait for.
 *
 *   add ──▶ queue (QUEUE_SPANS_MAX; beyond it the newest are dropped) ──▶ batch of BATCH_SPANS_MAX ──▶ POST
 *                                                                          │  ▲
 *              not reached, 408, 429, 502, 503, 504: again, later and later └──┘   any other refusal: dropped
 *
 * What is dropped is counted. Repeats do no harm: ids are derived, so a span that came twice is the same one.
 */
import type { SpanBatch, HandoverSpan } from '../../base/handover-span.ts';
import type { SpanCounts } from '../../net/settings.ts';
import type { Log } from '../log.ts';
import { encodeSpans } from './otlp.wire.ts';
import type { TraceResource } from './otlp.wire.ts';
import { UtcClock } from './utc-clock.ts';

export const QUEUE_SPANS_MAX = 16_384;
export const BATCH_SPANS_MAX = 512;
const PERIOD_MS = 500;
const POST_MS_MAX = 10_000;
/** A node that stops does not wait for its collector any longer. */
const LAST_POST_MS_MAX = 500;
const AGAIN_MS_MIN = 1000;
const AGAIN_MS_MAX = 30_000;
const ANSWER_BYTES_MAX = 65_536;
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);
const TRACES_PATH = '/v1/traces';

export interface SpanExporterOptions {
  /** Of the collector: its base, or the whole address of its traces. */
  readonly url: string;
  readonly resource: TraceResource;
  readonly log: Log;
  readonly onCounts?: (counts: SpanCounts) => void;
}

type Answer = 'taken' | 'refused' | { readonly againAfterMs: number };

export class SpanExporter {
  readonly #options: SpanExporterOptions;
  readonly #url: string;
  readonly #clock = new UtcClock();
  readonly #timer: NodeJS.Timeout;
  #queue: HandoverSpan[] = [];
  #counts = { exported: 0, dropped: 0, failures: 0 };
  #posting: Promise<void> | undefined;
  #againMs = AGAIN_MS_MIN;
  #restsUntilMs = 0;
  #isFailing = false;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#url = tracesUrl(options.url);
    this.#timer = setInterval(() => this.#post(), PERIOD_MS);
    this.#timer.unref();
  }

  get counts(): SpanCounts {
    return { ...this.#counts };
  }

  add({ spans, dropped }: SpanBatch): void {
    const room = Math.max(0, QUEUE_SPANS_MAX - this.#queue.length);
    this.#queue.push(...spans.slice(0, room));
    const lost = dropped + Math.max(0, spans.length - room);
    if (lost === 0) return;
    this.#counts.dropped += lost;
    this.#tell();
  }

  /** One more attempt for what is left, and no more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#posting;
    if (this.#queue.length === 0 || this.#isFailing) return;
    await this.#send(this.#queue.splice(0, BATCH_SPANS_MAX), LAST_POST_MS_MAX);
  }

  #post(): void {
    if (this.#posting !== undefined || this.#queue.length === 0 || performance.now() < this.#restsUntilMs) return;
    this.#posting = this.#drain().finally(() => {
      this.#posting = undefined;
    });
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH_SPANS_MAX);
      const isOver = await this.#send(batch, POST_MS_MAX);
      if (!isOver) return;
      this.#queue.splice(0, batch.length);
    }
  }

  /** False when these spans are to be sent again. */
  async #send(batch: readonly HandoverSpan[], timeoutMs: number): Promise<boolean> {
    const answer = await this.#ask(batch, timeoutMs);
    if (typeof answer === 'object') {
      this.#restsUntilMs = performance.now() + answer.againAfterMs;
      this.#tell();
      return false;
    }
    if (answer === 'taken') this.#counts.exported += batch.length;
    else this.#counts.dropped += batch.length;
    this.#tell();
    return true;
  }

  async #ask(batch: readonly HandoverSpan[], timeoutMs: number): Promise<Answer> {
    const { resource, log } = this.#options;
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: encodeSpans(batch, { resource, offsetMs: this.#clock.offsetMs() }),
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      const body = await readStart(response);
      if (response.ok) {
        if (this.#isFailing) log.info('the trace collector takes spans again', { url: this.#url });
        this.#isFailing = false;
        this.#againMs = AGAIN_MS_MIN;
        return 'taken';
      }
      this.#fail(`${response.status} ${body.slice(0, 200)}`);
      if (!RETRIED_STATUSES.has(response.status)) return 'refused';
      return { againAfterMs: Math.max(this.#nextAgainMs(), retryAfterMs(response)) };
    } catch (error) {
      const { message, cause } = error as Error;
      this.#fail(cause instanceof Error ? `${message}: ${cause.message}` : message);
      return { againAfterMs: this.#nextAgainMs() };
    }
  }

  #fail(reason: string): void {
    this.#counts.failures++;
    if (!this.#isFailing) this.#options.log.warn('the trace collector does not take spans', { url: this.#url, reason });
    this.#isFailing = true;
  }

  #nextAgainMs(): number {
    const againMs = this.#againMs;
    this.#againMs = Math.min(AGAIN_MS_MAX, 2 * againMs);
    return againMs * (0.75 + Math.random() / 2);
  }

  #tell(): void {
    this.#options.onCounts?.(this.counts);
  }
}

/** What OTEL_EXPORTER_OTLP_ENDPOINT takes, or the whole address. */
function tracesUrl(url: string): string {
  const parsed = new URL(url);
  if (parsed.pathname.endsWith(TRACES_PATH)) return url;
  parsed.pathname = parsed.pathname.replace(/\/$/, '') + TRACES_PATH;
  return parsed.href;
}

function retryAfterMs({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after'));
  return Number.isFinite(seconds) ? Math.min(AGAIN_MS_MAX, Math.max(0, seconds * 1000)) : 0;
}

/** Whatever is beyond the limit is not read. */
async function readStart({ body }: Response): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let sizeBytes = 0;
  for await (const part of body) {
    sizeBytes += part.byteLength;
    text += decoder.decode(part, { stream: true });
    if (sizeBytes > ANSWER_BYTES_MAX) break;
  }
  return text;
}
