/**
 * What a gateway has to say to its operator. Clients can cause what it is about, so each topic has one line in a time, and
 * the next says how many there were between.
 */
import type { SpanBatch } from '../base/handover-span.ts';
import { fullBucket, takeToken } from './token-bucket.core.ts';
import type { Bucket } from './token-bucket.core.ts';

export type LogTopic = 'keys' | 'hook' | 'clock' | 'origin' | 'proxy';

export interface GatewayLogLine {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
}

/** What a gateway tells its node. */
export type GatewayEvent = ({ readonly type: 'log' } & GatewayLogLine) | ({ readonly type: 'spans' } & SpanBatch);

/** A few at once, then one line of a topic in ten seconds. */
const LINES_LIMIT = { perSecond: 0.1, burst: 3 };

export class GatewayLog {
  readonly #write: (line: GatewayLogLine) => void;
  readonly #nowMs: () => number;
  readonly #topics = new Map<LogTopic, { readonly bucket: Bucket; unsaid: number }>();

  constructor(write: (line: GatewayLogLine) => void, nowMs: () => number) {
    this.#write = write;
    this.#nowMs = nowMs;
  }

  info(topic: LogTopic, message: string, details: GatewayLogLine['details'] = {}): void {
    this.#say(topic, { level: 'info', message, details });
  }

  warn(topic: LogTopic, message: string, details: GatewayLogLine['details'] = {}): void {
    this.#say(topic, { level: 'warn', message, details });
  }

  #say(topic: LogTopic, line: GatewayLogLine): void {
    const nowMs = this.#nowMs();
    const state = this.#topics.get(topic) ?? { bucket: fullBucket(LINES_LIMIT, nowMs), unsaid: 0 };
    this.#topics.set(topic, state);
    if (!takeToken(state.bucket, LINES_LIMIT, nowMs)) {
      state.unsaid++;
      return;
    }
    const { unsaid } = state;
    state.unsaid = 0;
    this.#write(unsaid === 0 ? line : { ...line, details: { ...line.details, unsaid } });
  }
}
