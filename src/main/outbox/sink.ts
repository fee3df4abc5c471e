/** What a sink is: whoever takes publications from the delivery thread. docs/OUTBOX.md describes each from the outside. */
import type { PublicationRow } from '../../peer/protocol.ts';
import { WorldmeshError } from '../../base/errors.ts';

/** What leaves the cluster: one line of NDJSON, one item of a webhook's body, one row of a table. */
export interface Publication {
  /** `entity:number`, unique in the cluster; the same for every delivery of one publication. */
  readonly id: string;
  readonly entity: number;
  /** Of the entity, from 1, without gaps. */
  readonly number: number;
  readonly name: string;
  /** UTC, ISO 8601. */
  readonly at: string;
  readonly cluster: string;
  readonly world: string;
  /** The node that delivers it. */
  readonly node: string;
  readonly data: unknown;
}

export interface Sink extends AsyncDisposable {
  /**
   * Takes all, in this order, durably, or none that it does not take again under the same id.
   * @throws SinkError refused: it will not have (one of) these, whenever; anything else: it is down.
   */
  deliver(publications: readonly Publication[]): Promise<void>;
}

export const SINK_ERROR_CODES = ['ERR_SINK_DOWN', 'ERR_SINK_REFUSED'] as const;
export type SinkErrorCode = (typeof SINK_ERROR_CODES)[number];

export class SinkError extends WorldmeshError {
  override readonly name = 'SinkError';
  readonly code: SinkErrorCode;

  constructor(code: SinkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Origin {
  readonly cluster: string;
  readonly world: string;
  readonly node: string;
}

export function publicationOf(row: PublicationRow, { cluster, world, node }: Origin): Publication {
  const { entity, number, name, body, publishedMs } = row;
  const at = new Date(publishedMs).toISOString();
  return { id: `${entity}:${number}`, entity, number, name, at, cluster, world, node, data: JSON.parse(body) };
}
