/**
 * Other ways of moving 300 bytes from one process to another, measured beside the handover: the limit that physics sets
 * (one fsync at each end and one round trip), and the protocols that a handover is usually made of.
 *
 * Each way is one function for the source; the target is another process (other-ways-target.ts).
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';

export interface Way {
  readonly name: string;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly isLimit: boolean;
}

export interface TargetPorts {
  readonly tcp: number;
  readonly http: number;
}

const BLOCK_BYTES = 4096;
const WARM_UP = 50;
/** First byte of a TCP frame: the target syncs before it answers, or not. */
export const TARGET_MODE = { answer: 0, sync: 1 } as const;

export async function measureOtherWays({ sizeBytes, count }: { sizeBytes: number; count: number }): Promise<Way[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-ways-'));
  const child = fork(path.join(import.meta.dirname, 'other-ways-target.ts'), [folder]);
  try {
    const [ports] = (await once(child, 'message')) as [TargetPorts];
    return await measureAll({ folder, ports, sizeBytes, count });
  } finally {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureAll(options: {
  folder: string;
  ports: TargetPorts;
  sizeBytes: number;
  count: number;
}): Promise<Way[]> {
  const { folder, ports, sizeBytes, count } = options;
  using disk = openBlock(path.join(folder, 'source.block'));
  using journal = openRows(path.join(folder, 'source.sqlite'));
  const socket = connect(ports.tcp, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const frame = (mode: number) => Buffer.concat([Buffer.of(mode), Buffer.alloc(sizeBytes - 1, 7)]);
  const body = JSON.stringify({ player: Buffer.alloc(Math.round(sizeBytes * 0.75), 7).toString('base64') });
  const post = (route: string) => postJson({ agent, port: ports.http, route, body });
  try {
    return [
      await time({ name: 'limit: two fdatasyncs and one round trip', count, isLimit: true }, async () => {
        disk.sync();
        await roundTrip(socket, frame(TARGET_MODE.sync));
      }),
      await time(
        { name: 'limit until the target has it: one fdatasync, half a trip', count, isLimit: true },
        async () => {
          disk.sync();
          await roundTrip(socket, frame(TARGET_MODE.answer));
        },
      ),
      await time({ name: 'TCP, binary, two-phase with four fdatasyncs', count }, async () => {
        disk.sync();
        await roundTrip(socket, frame(TARGET_MODE.sync));
        disk.sync();
        await roundTrip(socket, frame(TARGET_MODE.sync));
      }),
      await time({ name: 'JSON over HTTP, prepare and commit, nothing durable', count }, async () => {
        await post('/prepare');
        await post('/commit');
      }),
      await time({ name: 'the same, SQLite FULL for each message at both ends', count }, async () => {
        journal.write(body);
        await post('/prepare?durable');
        journal.write(body);
        await post('/commit?durable');
      }),
    ];
  } finally {
    socket.destroy();
    agent.destroy();
  }
}

/** A preallocated block that is written and synced again and again. */
export function openBlock(file: string): Disposable & { sync(): void } {
  const descriptor = openSync(file, 'w+');
  const block = Buffer.alloc(BLOCK_BYTES, 1);
  ftruncateSync(descriptor, BLOCK_BYTES);
  writeSync(descriptor, block, 0, BLOCK_BYTES, 0);
  fdatasyncSync(descriptor);
  return {
    sync() {
      writeSync(descriptor, block, 0, BLOCK_BYTES, 0);
      fdatasyncSync(descriptor);
    },
    [Symbol.dispose]() {
      closeSync(descriptor);
    },
  };
}

export function openRows(file: string): Disposable & { write(text: string): void } {
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT)');
  const insert = database.prepare('INSERT INTO message (body) VALUES (?)');
  return {
    write(text) {
      insert.run(text);
    },
    [Symbol.dispose]() {
      database.close();
    },
  };
}

async function time(
  { name, count, isLimit = false }: { name: string; count: number; isLimit?: boolean },
  move: () => Promise<void>,
): Promise<Way> {
  const tookUs: number[] = [];
  for (let index = 0; index < count + WARM_UP; index++) {
    const startMs = performance.now();
    await move();
    if (index >= WARM_UP) tookUs.push((performance.now() - startMs) * 1000);
  }
  tookUs.sort((a, b) => a - b);
  const at = (share: number) => tookUs[Math.min(tookUs.length - 1, Math.floor(tookUs.length * share))] ?? 0;
  return { name, p50Us: at(0.5), p99Us: at(0.99), isLimit };
}

async function roundTrip(socket: Socket, frame: Buffer): Promise<void> {
  socket.write(frame);
  await once(socket, 'data');
}

async function postJson({
  agent,
  port,
  route,
  body,
}: {
  agent: Agent;
  port: number;
  route: string;
  body: string;
}): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const sent = request({ agent, port, host: '127.0.0.1', path: route, method: 'POST' }, (response) => {
    response.resume().once('end', resolve).once('error', reject);
  });
  sent.once('error', reject);
  sent.end(body);
  await promise;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
}
