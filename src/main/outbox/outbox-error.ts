import { WorldmeshError } from '../../base/errors.ts';

/** A command about the outbox cannot be carried out. docs/OUTBOX.md says what to do. */
export const OUTBOX_ERROR_CODES = ['ERR_OUTBOX_JOURNAL', 'ERR_OUTBOX_ID', 'ERR_OUTBOX_TIMEOUT'] as const;
export type OutboxErrorCode = (typeof OUTBOX_ERROR_CODES)[number];

export class OutboxError extends WorldmeshError {
  override readonly name = 'OutboxError';
  readonly code: OutboxErrorCode;

  constructor(code: OutboxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
