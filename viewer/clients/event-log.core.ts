/** What happened to a client, as the page saw it: bounded, oldest dropped. */
export type EventTone = 'good' | 'bad' | 'plain';

export interface LoggedEvent {
  /** Grows by one with each event. */
  readonly number: number;
  /** UTC milliseconds by this computer. */
  readonly atMs: number;
  readonly tone: EventTone;
  readonly text: string;
}

export const EVENTS_KEPT = 200;

export class EventLog {
  #next = 1;
  readonly #events: LoggedEvent[] = [];

  /** Newest first. */
  get newestFirst(): readonly LoggedEvent[] {
    return this.#events.toReversed();
  }

  get lastNumber(): number {
    return this.#next - 1;
  }

  add(text: string, { atMs, tone = 'plain' }: { atMs: number; tone?: EventTone }): void {
    this.#events.push({ number: this.#next++, atMs, tone, text });
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
  }
}

/** 14:03:07.4, in the time zone of whoever looks. */
export function clockText(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const tenths = Math.floor(at.getMilliseconds() / 100);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${tenths}`;
}
