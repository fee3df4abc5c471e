/** What keeps an audit, a trace or a status from being made. docs/AUDIT.md lists the codes. */
import { WorldmeshError } from '../../base/errors.ts';

export class AuditError extends WorldmeshError {
  override readonly name = 'AuditError';
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type AuditErrorCode =
  | 'ERR_AUDIT_DIRECTORY'
  | 'ERR_AUDIT_JOURNAL'
  | 'ERR_AUDIT_STORE'
  | 'ERR_AUDIT_CENSUS'
  | 'ERR_AUDIT_INPUTS'
  | 'ERR_AUDIT_ID';
