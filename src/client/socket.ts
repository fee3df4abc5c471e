/** What is needed of a WebSocket: that of browsers and of Node 22 and later has it, and so has that of `ws`. */
import { ClientError } from './errors.ts';

export interface Socket {
  binaryType: string;
  readonly readyState: number;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
}
export type SocketConstructor = new (url: string) => Socket;

const READY_STATE_OPEN = 1;

export function isOpen(socket: Socket): boolean {
  return socket.readyState === READY_STATE_OPEN;
}

/** @throws ClientError ERR_CLIENT_ENVIRONMENT where there is none, as in Node before 22. */
export function globalSocketConstructor(): SocketConstructor {
  const found = (globalThis as { WebSocket?: unknown }).WebSocket;
  if (typeof found === 'function') return found as SocketConstructor;
  throw new ClientError('ERR_CLIENT_ENVIRONMENT', 'there is no WebSocket here; give one with the option "WebSocket"');
}
