import { WorldmeshError } from '../base/errors.ts';
import type { ProtocolErrorCode } from '../wire/messages.ts';

/** What can go wrong for a client; docs/PROTOCOL.md lists them. */
export const CLIENT_ERRORS = [
  'ERR_CLIENT_CONNECTION',
  'ERR_CLIENT_TIMEOUT',
  'ERR_CLIENT_REFUSED',
  'ERR_CLIENT_PROTOCOL',
  'ERR_CLIENT_SCHEMA',
  'ERR_CLIENT_INPUT',
  'ERR_CLIENT_PREDICT',
  'ERR_CLIENT_CLOCK',
  'ERR_CLIENT_ENVIRONMENT',
] as const;
export type ClientErrorCode = (typeof CLIENT_ERRORS)[number];

export class ClientError extends WorldmeshError {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** What the server said before it closed the connection, if it said anything. */
  readonly serverError: ProtocolErrorCode | undefined;
  /** The WebSocket close code, or 0. */
  readonly closeCode: number;

  constructor(
    code: ClientErrorCode,
    message: string,
    options: { serverError?: ProtocolErrorCode | undefined; closeCode?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.serverError = options.serverError;
    this.closeCode = options.closeCode ?? 0;
  }
}
