/** The target of other-ways.ts: answers over TCP and HTTP, and syncs what it is told to. Ends when its parent does. */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { openBlock, openRows, TARGET_MODE } from './other-ways.ts';
import type { TargetPorts } from './other-ways.ts';

const folder = process.argv[2] ?? '.';
const disk = openBlock(path.join(folder, 'target.block'));
const journal = openRows(path.join(folder, 'target.sqlite'));

const tcp = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    if (data[0] === TARGET_MODE.sync) disk.sync();
    socket.write('k');
  });
});
const http = createHttpServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const text = Buffer.concat(parts).toString('utf8');
    JSON.parse(text);
    if (request.url?.endsWith('?durable') === true) journal.write(text);
    response.end('{"ok":true}');
  });
});
process.once('disconnect', () => process.exit(0));
tcp.listen(0, '127.0.0.1', () => {
  http.listen(0, '127.0.0.1', () => {
    const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
    process.send?.({ tcp: portOf(tcp), http: portOf(http) } satisfies TargetPorts);
  });
});
