/**
 * From the outbound rings to the sockets: wakes when the doorbell rings, and hands each snapshot to its connection.
 *
 * The rings are always drained whole, so a client that does not read can hold up neither them nor anybody else: what
 * waits for it waits in its socket, within the limits of backlog.core.ts.
 */
import { OUTBOUND_HEAD_BYTES } from '../memory/outbound.ts';
import type { Ring } from '../memory/ring.ts';
import { stepBacklog } from './backlog.core.ts';
import type { Connection } from './connection.ts';
import type { GatewayContext } from './context.ts';
import type { SessionTable } from './session-table.ts';

/** Also how soon a stop and a refusal are noticed while no snapshots are made. */
const DOORBELL_TIMEOUT_MS = 50;

export class Delivery {
  readonly #context: GatewayContext;
  readonly #table: SessionTable;
  readonly #visitors: readonly ((offsetBytes: number, sizeBytes: number) => void)[];
  #running = true;

  constructor(context: GatewayContext, table: SessionTable) {
    this.#context = context;
    this.#table = table;
    this.#visitors = context.store.outboundRings.map((ring) => (offsetBytes, sizeBytes) => {
      this.#deliver(ring, offsetBytes, sizeBytes);
    });
  }

  /** Runs until `stop`. */
  async run(connections: Iterable<Connection>): Promise<void> {
    const { control, outboundRings } = this.#context.store;
    while (this.#running) {
      const seen = control.doorbellCount;
      this.#table.checkEntering();
      for (const [index, ring] of outboundRings.entries()) ring.drain(this.#visitors[index]!);
      this.#checkBacklogs(connections);
      await control.awaitDoorbell(seen, DOORBELL_TIMEOUT_MS);
    }
  }

  stop(): void {
    this.#running = false;
  }

  #deliver(ring: Ring, offsetBytes: number, sizeBytes: number): void {
    const session = this.#table.at(ring.view.getUint32(offsetBytes, true));
    const generation = ring.view.getUint32(offsetBytes + 4, true);
    if (session === undefined || session.generation !== generation || session.connection === undefined) {
      this.#context.counters.snapshotsStale++;
      return;
    }
    session.connection.sendSnapshot(ring.bytes, offsetBytes + OUTBOUND_HEAD_BYTES, sizeBytes - OUTBOUND_HEAD_BYTES);
  }

  #checkBacklogs(connections: Iterable<Connection>): void {
    const { store, settings } = this.#context;
    const nowMs = this.#context.nowMs();
    const limit = {
      bytesSkip: settings.backlogBytesSkip,
      bytesMax: settings.backlogBytesMax,
      msMax: settings.backlogMsMax,
    };
    for (const connection of connections) {
      const { session, stage } = connection;
      if (session === undefined || stage !== 'playing') continue;
      const bytes = connection.backlogBytes;
      store.sessions.setBacklogBytes(session.index, bytes);
      if (!stepBacklog(connection.backlog, limit, { bytes, nowMs })) continue;
      connection.fail('ERR_LIMIT_BACKLOG', `${bytes} bytes wait to be read`);
    }
  }
}
