/**
 * Publications by HTTP: one POST a batch, `{"publications":[…]}`. Any 2xx says that all are taken, durably. 400, 409, 413, 415 and 422 are about
 * what was sent: refused. Everything else, silence too, is about the sink: down.
 */
import { SinkError } from './sink.ts';
import type { Publication, Sink } from './sink.ts';

const REFUSALS: ReadonlySet<number> = new Set([400, 409, 413, 415, 422]);
/** Of an answer, for the log; what is more is not read. */
const REASON_BYTES_MAX = 512;

export class WebhookSink implements Sink {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;

  constructor(options: { readonly url: string; readonly token: string; readonly timeoutMs: number }) {
    this.#url = options.url;
    this.#timeoutMs = options.timeoutMs;
    this.#headers = {
      'content-type': 'application/json',
      ...(options.token !== '' && { authorization: `Bearer ${options.token}` }),
    };
  }

  async deliver(publications: readonly Publication[]): Promise<void> {
    const response = await this.#post(publications);
    if (response.isTaken) return;
    const code = REFUSALS.has(response.status) ? 'ERR_SINK_REFUSED' : 'ERR_SINK_DOWN';
    throw new SinkError(code, `HTTP ${response.status} ${response.reason}`.trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Connections are kept by the process, and end with it.
  }

  /** @throws SinkError ERR_SINK_DOWN when there is no answer. */
  async #post(
    publications: readonly Publication[],
  ): Promise<{ readonly isTaken: boolean; readonly status: number; readonly reason: string }> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify({ publications }),
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      return { isTaken: response.ok, status: response.status, reason: await firstBytes(response) };
    } catch (cause) {
      throw new SinkError('ERR_SINK_DOWN', `no answer: ${reasonOf(cause)}`, { cause });
    }
  }
}

/** Of a failed request the cause says more. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

async function firstBytes(response: Response): Promise<string> {
  if (response.body === null) return '';
  const reader = response.body.getReader();
  const { value } = (await reader.read()) as { value?: Uint8Array };
  await reader.cancel();
  return Buffer.from(value?.subarray(0, REASON_BYTES_MAX) ?? []).toString('utf8');
}
