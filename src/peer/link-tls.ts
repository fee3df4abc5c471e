/**
 * TLS 1.3 between nodes, both sides with a certificate of the cluster's own authority (`worldmesh keys`). The name of a node is
 * in its certificate: host names and addresses are not looked at, because a node may move or dial out from anywhere.
 */
import type { X509Certificate } from 'node:crypto';
import { connect, createServer as createPlainServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { connect as connectSecurely, createServer as createSecureServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { LinkError } from './link-error.ts';

/** PEM texts. */
export interface LinkTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface LinkAddress {
  readonly host: string;
  readonly port: number;
}

const MIN_VERSION = 'TLSv1.3';

export interface ServerEvents {
  /** TLS handshakes that take longer are given up. */
  readonly handshakeMs: number;
  readonly onSocket: (socket: Socket) => void;
  readonly onRefused: (error: LinkError, address: string) => void;
}

export function createLinkServer(tls: LinkTls | undefined, events: ServerEvents): Server {
  if (tls === undefined) return createPlainServer({ noDelay: true }, events.onSocket);
  const server = createSecureServer(
    {
      ...tls,
      minVersion: MIN_VERSION,
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: events.handshakeMs,
    },
    events.onSocket,
  );
  server.on('tlsClientError', (cause, socket) => {
    // Node ends a socket whose certificate is wanting, says why only here (as a text, whatever the types say), and leaves one
    // whose handshake takes too long to us.
    const why: unknown = socket.authorizationError;
    const text = typeof why === 'string' ? why : cause.message;
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    socket.destroy();
    events.onRefused(certificateError(text, cause), address);
  });
  return server;
}

/** `onConnect` comes when the socket, TLS included, is ready. */
export function dial(address: LinkAddress, tls: LinkTls | undefined, onConnect: () => void): Socket {
  const { host, port } = address;
  if (tls === undefined) return connect({ host, port, noDelay: true }, onConnect);
  return connectSecurely(
    // Against the authority the certificate is checked all the same; the name is compared in the HELLO.
    { host, port, ...tls, minVersion: MIN_VERSION, checkServerIdentity: () => undefined, servername: '' },
    onConnect,
  );
}

/** The node names that the peer's certificate vouches for; undefined for a plain socket. */
export function certificateNames(socket: Socket): string[] | undefined {
  if (!('getPeerX509Certificate' in socket)) return undefined;
  const certificate = (socket as TLSSocket).getPeerX509Certificate();
  return certificate === undefined ? [] : namesIn(certificate);
}

/** The node names that a certificate vouches for. */
export function namesIn(certificate: X509Certificate): string[] {
  const alternatives = certificate.subjectAltName?.split(', ').filter((entry) => entry.startsWith('DNS:')) ?? [];
  if (alternatives.length > 0) return alternatives.map((entry) => entry.slice('DNS:'.length));
  return certificate.subject.split('\n').flatMap((entry) => (entry.startsWith('CN=') ? [entry.slice(3)] : []));
}

/** What a socket's failure before HELLO means. */
export function connectError(cause: NodeJS.ErrnoException, isSecure: boolean): LinkError {
  if (isSecure && !SYSTEM_CODE.test(cause.code ?? '')) return certificateError(cause.message, cause);
  return new LinkError('ERR_LINK_CONNECT', `no connection: ${cause.message}`, { cause });
}

const SYSTEM_CODE = /^E[A-Z]+$/;

function certificateError(why: string, cause: Error): LinkError {
  return new LinkError(
    'ERR_LINK_CERTIFICATE',
    `no mutual TLS 1.3 with a certificate of this cluster's authority: ${why}`,
    { cause },
  );
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(host);
}

/** @throws LinkError unless what is not encrypted stays on this host. */
export function requireLoopback(address: LinkAddress, tls: LinkTls | undefined): void {
  if (tls !== undefined || isLoopback(address.host)) return;
  throw new LinkError(
    'ERR_LINK_PLAIN_ADDRESS',
    `${address.host}:${address.port} is not on the loopback; links to other hosts need certificates (worldmesh keys --help)`,
  );
}
