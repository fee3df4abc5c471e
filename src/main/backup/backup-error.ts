/** What keeps a backup from being made or brought back. docs/BACKUP.md lists the codes. */
import { WorldmeshError } from '../../base/errors.ts';

export class BackupError extends WorldmeshError {
  override readonly name = 'BackupError';
  readonly code: BackupErrorCode;

  constructor(code: BackupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type BackupErrorCode =
  | 'ERR_BACKUP_EXISTS'
  | 'ERR_BACKUP_FOLDER'
  | 'ERR_BACKUP_BUSY'
  | 'ERR_BACKUP_DIRECTORY'
  | 'ERR_BACKUP_JOURNAL'
  | 'ERR_BACKUP_TRANSIT'
  | 'ERR_BACKUP_PAUSED'
  | 'ERR_BACKUP_COPY'
  | 'ERR_BACKUP_STOPPED'
  | 'ERR_RESTORE_MANIFEST'
  | 'ERR_RESTORE_VERSION'
  | 'ERR_RESTORE_DAMAGED'
  | 'ERR_RESTORE_RUNNING'
  | 'ERR_RESTORE_EXISTS'
  | 'ERR_RESTORE_INCARNATIONS'
  | 'ERR_RESTORE_FILE';

/** SQLite's and the system's words for what went wrong. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? `${String(error.code)}: ` : '';
  return error.message.startsWith(code) ? error.message : `${code}${error.message}`;
}
