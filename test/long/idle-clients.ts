/**
 * Run as a child process: opens COUNT connections to PORT and leaves them lying about, a third silent, a third in the
 * middle of an HTTP request, a third with a WebSocket but no hello. Reports on standard output, one JSON line each:
 * {"opened": n} when all were tried, then {"open": n} twice a second.
 */
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';

const [portText = '', countText = ''] = process.argv.slice(2);
const port = Number(portText);
const count = Number(countText);
const AT_ONCE = 200;
const REPORT_PERIOD_MS = 500;

const STARTS = [
  '',
  'GET /connect HTTP/1.1\r\nHost: x\r\nConnection: Upg',
  'GET /connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
] as const;

const open = new Set<Socket>();

function openOne(index: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.on('connect', () => {
    open.add(socket);
    socket.write(STARTS[index % STARTS.length]!);
    resolve();
  });
  socket.on('error', () => resolve());
  socket.on('close', () => {
    open.delete(socket);
    resolve();
  });
  // Not reading would hide that the server hung up.
  socket.resume();
  return promise;
}

for (let first = 0; first < count; first += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, index) => openOne(first + index)));
}
console.log(JSON.stringify({ opened: count }));
setInterval(() => console.log(JSON.stringify({ open: open.size })), REPORT_PERIOD_MS);
