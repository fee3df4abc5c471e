/** The log of a node: for people on a terminal, else JSON lines (pino) on stdout. */
import { styleText } from 'node:util';
import { destination, pino } from 'pino';
import type { Settings } from './config/settings.ts';
import { withoutFloods } from './repeats.ts';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

export function isPretty({ logFormat }: Pick<Settings, 'logFormat'>): boolean {
  return logFormat === 'auto' ? process.stdout.isTTY : logFormat === 'pretty';
}

export function createLog(settings: Pick<Settings, 'logFormat' | 'logLevel'>): Log {
  return withoutFloods(isPretty(settings) ? prettyLog(settings) : jsonLog(settings));
}

function jsonLog({ logLevel }: Pick<Settings, 'logLevel'>): Log {
  // Synchronous: what was logged before a process ends is never lost.
  const output = destination({ fd: 1, sync: true });
  // Whoever read the log is gone: no reason for a node to end.
  output.on('error', () => {});
  const logger = pino({ level: logLevel, base: { pid: process.pid } }, output);
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  };
}

function prettyLog({ logLevel }: Pick<Settings, 'logLevel'>): Log {
  const least = LEVELS.indexOf(logLevel);
  const write = (level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields = {}): void => {
    if (LEVELS.indexOf(level) < least) return;
    const colour = level === 'error' ? 'red' : level === 'warn' ? 'yellow' : 'dim';
    const time = styleText('dim', new Date().toTimeString().slice(0, 8), { stream: process.stdout });
    const text = level === 'info' ? message : styleText(colour, message, { stream: process.stdout });
    process.stdout.write(`${time}  ${text}${fieldsText(fields)}\n`);
  };
  return {
    debug: (message, fields) => write('debug', message, fields),
    info: (message, fields) => write('info', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    error: (message, fields) => write('error', message, fields),
  };
}

/** Short values behind the message, long text such as a stack below it. */
function fieldsText(fields: LogFields): string {
  const short: string[] = [];
  const long: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (text.includes('\n')) long.push(`\n${text}`);
    else short.push(` ${name}=${text}`);
  }
  return styleText('dim', short.join(''), { stream: process.stdout }) + long.join('');
}
