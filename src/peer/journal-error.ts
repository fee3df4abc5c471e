/** What can go wrong with a journal; docs/JOURNAL.md says for each code what to do. */
import { WorldmeshError } from '../base/errors.ts';

export const JOURNAL_ERROR_CODES = [
  'ERR_JOURNAL_LOCKED',
  'ERR_JOURNAL_COPIED',
  'ERR_JOURNAL_TAKEN',
  'ERR_JOURNAL_MISSING',
  'ERR_JOURNAL_OPEN',
  'ERR_JOURNAL_FOREIGN',
  'ERR_JOURNAL_VERSION',
  'ERR_JOURNAL_CORRUPT',
  'ERR_JOURNAL_ROW',
  'ERR_JOURNAL_BATCH',
  'ERR_JOURNAL_BUSY',
  'ERR_JOURNAL_FULL',
  'ERR_JOURNAL_IO',
  'ERR_JOURNAL_BACKLOG',
  'ERR_JOURNAL_THREAD',
] as const;
export type JournalErrorCode = (typeof JOURNAL_ERROR_CODES)[number];

export class JournalError extends WorldmeshError {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What SQLite or the system said about a file, as an error that says what to do. Whatever is neither's is a bug of ours, and goes
 * through as it is.
 */
export function journalErrorFrom(cause: unknown, file: string): unknown {
  if (cause instanceof JournalError || !(cause instanceof Error)) return cause;
  const kind = kindOf(cause);
  if (kind === undefined) return cause;
  const said = `${file}: ${cause.message}`;
  switch (kind) {
    case 'FULL':
    case 'ENOSPC':
    case 'EDQUOT':
      return new JournalError('ERR_JOURNAL_FULL', `${said}; the disk is full: make room, then start the node again`, {
        cause,
      });
    case 'IOERR':
    case 'EIO':
      return new JournalError('ERR_JOURNAL_IO', `${said}; look after the disk, then start the node again`, { cause });
    case 'BUSY':
    case 'LOCKED':
      return new JournalError('ERR_JOURNAL_BUSY', `${said}; another program writes to this file: end it`, { cause });
    case 'CORRUPT':
    case 'NOTADB':
    case 'ERROR':
    case 'CONSTRAINT':
    case 'MISMATCH':
    case 'TOOBIG':
    case 'RANGE':
    case 'FORMAT':
    case 'SCHEMA':
    case 'NOMEM':
      return new JournalError('ERR_JOURNAL_CORRUPT', `${said}; ${CORRUPT_ADVICE}`, { cause });
    case 'CANTOPEN':
    case 'PERM':
    case 'READONLY':
    case 'AUTH':
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
      return new JournalError('ERR_JOURNAL_OPEN', `${said}; the node needs to write to this file and its folder`, {
        cause,
      });
    default:
      return new JournalError('ERR_JOURNAL_IO', said, { cause });
  }
}

export const CORRUPT_ADVICE =
  'keep a copy of the folder for inspection, then restore a backup, or move the file away to start with a new ledger';

/** The first word of SQLite's code, or the system's code; undefined for an error that is neither's. */
function kindOf(cause: Error): string | undefined {
  const code: unknown = 'code' in cause ? cause.code : undefined;
  if (typeof code !== 'string') return undefined;
  if (code.startsWith('SQLITE_')) return code.split('_')[1];
  return 'syscall' in cause ? code : undefined;
}
