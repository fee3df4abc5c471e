/**
 * The limit: `ws` and nothing else. At each tick every client is written one frame, of sizes that were measured on the other side;
 * inputs are read and dropped. The first two bytes of a frame are the stamp of its tick.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { monotonicMs } from '../../src/base/monotonic.ts';
import { stampNow } from './scene.ts';

export interface FrameSizes {
  readonly type: 'sizes';
  readonly sizes: readonly number[];
}

const FRAME_BYTES_MIN = 2;
const DEFAULT_SIZES = [400];

const tickMs = 1000 / Number(process.argv[2]);
let sizes: readonly number[] = DEFAULT_SIZES;
let next = 0;
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: 4096 });
server.on('connection', (socket) => {
  socket.on('message', () => {});
});
process.on('message', (message: FrameSizes) => {
  if (message.type !== 'sizes') return;
  ({ sizes } = message);
  process.send?.({ type: 'sized' });
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
await once(server, 'listening');
process.send?.({ type: 'ready', port: (server.address() as AddressInfo).port });

let dueMs = monotonicMs();
tick();

function tick(): void {
  const stamp = stampNow();
  for (const socket of server.clients) {
    if (socket.readyState !== WebSocket.OPEN) continue;
    const frame = Buffer.allocUnsafe(Math.max(FRAME_BYTES_MIN, sizes[next++ % sizes.length]!));
    frame.writeUInt16LE(stamp);
    socket.send(frame);
  }
  dueMs += tickMs;
  setTimeout(tick, Math.max(0, dueMs - monotonicMs()));
}
