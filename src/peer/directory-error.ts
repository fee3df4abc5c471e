/** The directory refuses, cannot be reached, or is not usable. docs/DIRECTORY.md has a row for each code. */
import { WorldmeshError } from '../base/errors.ts';

export type DirectoryErrorCode =
  | 'ERR_DIRECTORY_URL'
  | 'ERR_DIRECTORY_MISSING'
  | 'ERR_DIRECTORY_FILE'
  | 'ERR_DIRECTORY_CORRUPT'
  | 'ERR_DIRECTORY_VERSION'
  | 'ERR_DIRECTORY_BUSY'
  | 'ERR_DIRECTORY_CLOSED'
  | 'ERR_DIRECTORY_VALUE'
  | 'ERR_DIRECTORY_FACTS'
  | 'ERR_DIRECTORY_SCHEMA'
  | 'ERR_DIRECTORY_VIEW'
  | 'ERR_DIRECTORY_NAME_TAKEN'
  | 'ERR_DIRECTORY_NAME_UNRESOLVED'
  | 'ERR_DIRECTORY_LEDGER_FENCED'
  | 'ERR_DIRECTORY_LEDGER_TAKEN'
  | 'ERR_DIRECTORY_LEDGER_OLDER'
  | 'ERR_DIRECTORY_NODES_MAX'
  | 'ERR_DIRECTORY_LEDGERS_MAX'
  | 'ERR_DIRECTORY_INCARNATION_MAX';

export class DirectoryError extends WorldmeshError {
  override readonly name = 'DirectoryError';
  readonly code: DirectoryErrorCode;

  constructor(code: DirectoryErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
