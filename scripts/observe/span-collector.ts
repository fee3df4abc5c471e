/** A collector of OTLP/HTTP with JSON for tests and demonstrations: it keeps the last spans, by trace, and can refuse them for a while. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const TRACES_MAX = 10_000;
const BODY_BYTES_MAX = 16 * 2 ** 20;

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  /** Of the process that made it. */
  readonly node: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly problem: string | undefined;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly status?: { readonly code: number; readonly message: string };
}

export class SpanCollector implements AsyncDisposable {
  readonly #server: Server;
  /** By trace and span id: a span that comes twice is the same. */
  readonly #traces = new Map<string, Map<string, CollectedSpan>>();
  /** What it answers instead of taking spans. */
  refusal: { readonly status: number; readonly retryAfterSeconds?: number } | undefined;
  posts = 0;

  static async open(): Promise<SpanCollector> {
    const collector = new SpanCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get traces(): readonly (readonly CollectedSpan[])[] {
    return [...this.#traces.values()].map((spans) => [...spans.values()]);
  }

  get spanCount(): number {
    return this.traces.reduce((sum, { length }) => sum + length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    for await (const part of request as AsyncIterable<Buffer>) {
      sizeBytes += part.length;
      if (sizeBytes > BODY_BYTES_MAX) throw new RangeError('a request of more than 16 MiB');
      parts.push(part);
    }
    this.posts++;
    const isFit = request.method === 'POST' && request.url === '/v1/traces';
    if (!isFit || request.headers['content-type'] !== 'application/json') return void response.writeHead(404).end();
    if (this.refusal !== undefined) {
      const { status, retryAfterSeconds } = this.refusal;
      response.writeHead(status, retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) });
      return void response.end();
    }
    this.#take(JSON.parse(Buffer.concat(parts).toString()) as OtlpRequest);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }

  #take({ resourceSpans }: OtlpRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const { 'worldmesh.node': node = '' } = valuesOf(resource.attributes);
      for (const { spans } of scopeSpans) for (const span of spans) this.#keep(span, node);
    }
  }

  #keep(span: OtlpSpan, node: string): void {
    const { traceId, spanId, parentSpanId, name, attributes } = span;
    let trace = this.#traces.get(traceId);
    if (trace === undefined) {
      if (this.#traces.size >= TRACES_MAX) return;
      trace = new Map();
      this.#traces.set(traceId, trace);
    }
    trace.set(spanId, {
      traceId,
      spanId,
      parentSpanId,
      name,
      start: BigInt(span.startTimeUnixNano),
      end: BigInt(span.endTimeUnixNano),
      node,
      attributes: valuesOf(attributes),
      problem: span.status?.message,
    });
  }
}

function valuesOf(attributes: readonly OtlpAttribute[]): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue } }) => [key, stringValue ?? intValue ?? '']),
  );
}
