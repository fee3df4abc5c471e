/**
 * From the outbound rings to the sockets: wakes when the doorbell rings, and hands each snapshot to its connection.
 *
 * In a cluster also what the peer thread has for clients whose players other nodes own: their snapshots, and who owns them.
 *
 * The rings are always drained whole, so a client that does not read can hold up neither them nor anybody else: what
 * waits for it waits in its socket, within the limits of backlog.core.ts.
 */
import { OUTBOUND_HEAD_BYTES } from '../memory/outbound.ts';
import type { Ring } from '../memory/ring.ts';
import { readPeerFrame } from '../memory/tunnel.ts';
import type { EndedReason, PeerFrameVisitor, TunnelResumed, TunnelRoute } from '../memory/tunnel.ts';
import { stepBacklog } from './backlog.core.ts';
import type { Connection } from './connection.ts';
import type { GatewayContext } from './context.ts';
import type { Session, SessionTable } from './session-table.ts';

/** Also how soon a stop and a refusal are noticed while no snapshots are made. */
const DOORBELL_TIMEOUT_MS = 50;

export class Delivery implements PeerFrameVisitor {
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
    const { control, outboundRings, peerToGateway } = this.#context.store;
    while (this.#running) {
      const seen = control.doorbellCount;
      this.#table.checkEntering();
      for (const [index, ring] of outboundRings.entries()) ring.drain(this.#visitors[index]!);
      peerToGateway.drain((at, sizeBytes) => readPeerFrame(peerToGateway, { at, sizeBytes }, this));
      this.#table.routes.payAll();
      this.#checkBacklogs(connections);
      await control.awaitDoorbell(seen, DOORBELL_TIMEOUT_MS);
    }
  }

  stop(): void {
    this.#running = false;
  }

  #deliver(ring: Ring, offsetBytes: number, sizeBytes: number): void {
    const session = this.#session(ring.view.getUint32(offsetBytes, true), ring.view.getUint32(offsetBytes + 4, true));
    const at = offsetBytes + OUTBOUND_HEAD_BYTES;
    this.#send(session, { node: 0, ring, at, sizeBytes: sizeBytes - OUTBOUND_HEAD_BYTES });
  }

  // PeerFrameVisitor

  snapshot(row: number, generation: number, snapshot: { node: number; at: number; sizeBytes: number }): void {
    this.#send(this.#session(row, generation), { ...snapshot, ring: this.#context.store.peerToGateway });
  }

  route(row: number, generation: number, route: TunnelRoute): void {
    const session = this.#session(row, generation);
    if (session !== undefined) this.#table.routes.changeOwner(session, route);
  }

  ended(row: number, generation: number, reason: EndedReason): void {
    const session = this.#session(row, generation);
    if (session !== undefined) this.#table.end(session, reason);
  }

  resumed(row: number, generation: number, resumed: TunnelResumed): void {
    const session = this.#session(row, generation);
    if (session !== undefined) this.#table.resumed(session, resumed);
  }

  /** The session that a frame is about, if the row is still its own. */
  #session(row: number, generation: number): Session | undefined {
    const session = this.#table.at(row);
    return session?.generation === generation ? session : undefined;
  }

  /** A snapshot of another node than the player's owner is of the last one, or came before we heard of the next. */
  #send(
    session: Session | undefined,
    { node, ring, at, sizeBytes }: { node: number; ring: Ring; at: number; sizeBytes: number },
  ): void {
    if (session?.connection === undefined || (session.route?.node ?? 0) !== node) {
      this.#context.counters.snapshotsStale++;
      return;
    }
    if (node !== 0) this.#context.counters.bytesTunnelled += sizeBytes;
    if (!session.connection.sendSnapshot(ring.bytes, at, sizeBytes)) return this.#table.routes.askKeyframe(session);
    const traced = session.route?.traced;
    if (traced !== undefined && !traced.isSnapshotSent && !session.connection.awaitsKeyframe)
      this.#context.ownerSpans.snapshotSent(traced);
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
      this.#table.routes.changeBacklog(session, bytes);
      if (bytes > limit.bytesSkip) connection.snapshotDueMs = 0;
      if (!stepBacklog(connection.backlog, limit, { bytes, nowMs })) continue;
      connection.fail('ERR_LIMIT_BACKLOG', `${bytes} bytes wait to be read`);
    }
  }
}
