/**
 * A log in which a flood is a few lines and a count: of a message that comes again and again, the first lines of a while are written, the
 * rest is counted, and at the end of the while one line says how many there were, with the fields of the last.
 *
 * The message is what makes lines alike; ids and reasons belong into the fields.
 */
import type { Log, LogFields } from './log.ts';

export const WINDOW_MS = 10_000;
/** News such as links to many nodes come in numbers; complaints should not. */
export const LINES_MAX = { info: 20, warn: 5, error: 5 } as const;
/** Messages that are remembered at once; beyond it the oldest is forgotten, after its count was told. */
export const MESSAGES_MAX = 256;

type Level = keyof typeof LINES_MAX;

interface Topic {
  readonly level: Level;
  readonly message: string;
  readonly timer: NodeJS.Timeout;
  written: number;
  repeated: number;
  fields: LogFields;
}

/** Debug lines are for whoever asked for all of them. */
export function withoutFloods(log: Log, windowMs = WINDOW_MS): Log {
  const topics = new Map<string, Topic>();
  const end = (key: string): void => {
    const topic = topics.get(key);
    if (topic === undefined) return;
    topics.delete(key);
    clearTimeout(topic.timer);
    const { level, message, repeated, fields } = topic;
    if (repeated > 0) log[level](message, { ...fields, repeated });
  };
  const begin = (key: string, level: Level, message: string): Topic => {
    const [oldest] = topics.keys();
    if (topics.size >= MESSAGES_MAX && oldest !== undefined) end(oldest);
    const timer = setTimeout(() => end(key), windowMs);
    timer.unref();
    const topic = { level, message, timer, written: 0, repeated: 0, fields: {} };
    topics.set(key, topic);
    return topic;
  };
  const write = (level: Level, message: string, fields: LogFields = {}): void => {
    const key = `${level} ${message}`;
    const topic = topics.get(key) ?? begin(key, level, message);
    if (topic.written < LINES_MAX[level]) {
      topic.written++;
      log[level](message, fields);
      return;
    }
    topic.repeated++;
    topic.fields = fields;
  };
  return {
    debug: (message, fields) => log.debug(message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  };
}
