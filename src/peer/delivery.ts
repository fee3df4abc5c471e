/** What the peer thread and the delivery thread (src/main/outbox) say to each other: publications there, and what the sink made of them. */
import type { PublicationId, PublicationRow } from './protocol.ts';

/** The delivery thread is main's: this room knows its address only. */
export interface DeliverySettings {
  readonly workerUrl: string;
  /** `file:FOLDER`, an http or https URL, or a postgres URL. */
  readonly sink: string;
  /** For a webhook: sent as `Authorization: Bearer`; empty for none. */
  readonly token: string;
  /** A sink that has not answered by then is down. */
  readonly timeoutMs: number;
  /** Of the file sink: a file that has grown beyond is closed, and another begun. */
  readonly fileBytesMax: number;
}

export interface DeliveryWorkerData {
  readonly settings: Omit<DeliverySettings, 'workerUrl'>;
  readonly cluster: string;
  readonly world: string;
  readonly node: string;
  /** Seed of the jitter of retries. */
  readonly seed: number;
}

export type ToDelivery =
  | { readonly type: 'offer'; readonly rows: readonly PublicationRow[] }
  /** Ends behind the batch that the sink has in hand. */
  | { readonly type: 'stop' };

export type FromDelivery =
  | { readonly type: 'taken'; readonly ids: readonly PublicationId[] }
  | { readonly type: 'refused'; readonly ids: readonly PublicationId[]; readonly reason: string }
  /** Said when it changes, and of each failure. */
  | { readonly type: 'down'; readonly reason: string; readonly retryMs: number; readonly isNew: boolean }
  | { readonly type: 'up' };

/** A publication as commands and files name it: `entity:number`. */
export function publicationText({ entity, number }: PublicationId): string {
  return `${entity}:${number}`;
}

/** The other way round; undefined for anything else. */
export function publicationFrom(text: string): PublicationId | undefined {
  const [, entity, number] = /^(\d{1,16}):(\d{1,16})$/.exec(text) ?? [];
  if (entity === undefined || number === undefined) return undefined;
  const id = { entity: Number(entity), number: Number(number) };
  if (!Number.isSafeInteger(id.entity) || !Number.isSafeInteger(id.number)) return undefined;
  return id as PublicationId;
}
