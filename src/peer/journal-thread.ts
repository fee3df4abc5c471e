/** What is said between the journal thread and its owner. A batch goes as its bytes, transferred. */
import type { JournalErrorCode } from './journal-error.ts';
import type { MaintenanceWarning } from './journal-maintenance.ts';

export interface JournalThreadOptions {
  readonly file: string;
  readonly sizeBytesMax: number | undefined;
  readonly traceRowsMax: number;
  /** Rung after each message to the thread. */
  readonly bell: SharedArrayBuffer;
}

export type ToJournalThread =
  | Uint8Array<ArrayBuffer>
  | { readonly type: 'open' }
  | { readonly type: 'incarnation'; readonly incarnation: number }
  | { readonly type: 'close' };

export type FromJournalThread =
  | { readonly type: 'ready' }
  | { readonly type: 'fsynced'; readonly position: number; readonly rows: number; readonly commitMs: number }
  | ({ readonly type: 'slow' } & MaintenanceWarning)
  | { readonly type: 'failed'; readonly code: JournalErrorCode; readonly message: string };
