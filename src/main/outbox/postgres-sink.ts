/**
 * Publications as rows of a table in PostgreSQL (docs/OUTBOX.md has its columns). The table is made when it is not there. A batch is one
 * statement, and what is there already is left as it is: the same publication may come twice and is there once.
 */
import postgres from 'postgres';
import type { Publication, Sink } from './sink.ts';
import { SinkError } from './sink.ts';

export const TABLE = 'worldmesh_publication';
/** Errors of these classes are about the values: data exceptions, and constraints that somebody has added. */
const REFUSALS = /^2[23]/;

const CREATE = `CREATE TABLE IF NOT EXISTS ${TABLE} (
  cluster text NOT NULL, entity bigint NOT NULL, number bigint NOT NULL, name text NOT NULL, published_at timestamptz NOT NULL,
  world text NOT NULL, node text NOT NULL, data jsonb NOT NULL, received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (cluster, entity, number))`;
const INSERT = `INSERT INTO ${TABLE} (cluster, entity, number, name, published_at, world, node, data)
  SELECT cluster, entity, number, name, at, world, node, data
  FROM jsonb_to_recordset($1::text::jsonb) AS batch(
    cluster text, entity bigint, number bigint, name text, at timestamptz, world text, node text, data jsonb)
  ON CONFLICT (cluster, entity, number) DO NOTHING`;

export class PostgresSink implements Sink {
  readonly #sql: postgres.Sql;
  readonly #timeoutMs: number;
  #hasTable = false;

  constructor(options: { readonly url: string; readonly timeoutMs: number }) {
    const seconds = Math.ceil(options.timeoutMs / 1000);
    this.#timeoutMs = options.timeoutMs;
    this.#sql = postgres(options.url, {
      max: 1,
      connect_timeout: seconds,
      idle_timeout: 60,
      // Notices, as of a table that is there already, are nobody's business.
      onnotice: () => {},
      connection: { application_name: 'worldmesh', statement_timeout: options.timeoutMs },
    });
  }

  async deliver(publications: readonly Publication[]): Promise<void> {
    try {
      await withTimeout(this.#insert(publications), this.#timeoutMs);
    } catch (cause) {
      // The table may have been removed meanwhile.
      this.#hasTable = false;
      if (cause instanceof postgres.PostgresError && REFUSALS.test(cause.code)) {
        throw new SinkError('ERR_SINK_REFUSED', `PostgreSQL ${cause.code}: ${cause.message}`, { cause });
      }
      throw cause;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }

  async #insert(publications: readonly Publication[]): Promise<void> {
    if (!this.#hasTable) await this.#sql.unsafe(CREATE);
    this.#hasTable = true;
    await this.#sql.unsafe(INSERT, [JSON.stringify(publications)]);
  }
}

/** The library waits for ever for a server that has taken a query and falls silent. */
async function withTimeout(work: Promise<void>, timeoutMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new SinkError('ERR_SINK_DOWN', `no answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}
