/**
 * The payloads of the frames that open, keep and close a link. Little-endian; texts are a byte of length, then UTF-8.
 *
 *   HELLO, HELLO_OK, byte
 *   0             2             4        8        9         25                41
 *   ┌─────────────┬─────────────┬────────┬────────┬─────────┬─────────────────┬────────────┬──────────────┬──────────────┐
 *   │ protocolMin │ protocolMax │ nonce  │ node   │ ledger  │ window per      │ name, text │ target name, │ cluster,     │
 *   │ u16         │ u16         │ u32    │ u8     │ 16 bytes│ priority 4 × u32│            │ text, or ""  │ text         │
 *   └─────────────┴─────────────┴────────┴────────┴─────────┴─────────────────┴────────────┴──────────────┴──────────────┘
 *
 * `window`: bytes of messages of that priority that the sender of the HELLO takes without having acknowledged them.
 * In HELLO_OK, protocolMin and protocolMax are both the version that was chosen.
 *
 *   CLOSE      code, text · reason, text         PING, PONG      number u32; the PONG repeats that of its PING
 */
import { crc32 } from 'node:zlib';
import { INCARNATION_MAX } from '../base/brand.ts';
import { LinkError } from './link-error.ts';
import { PRIORITIES } from './link-frame.wire.ts';
import { LEDGER_BYTES, NODES_MAX } from './protocol.ts';
import type { Ledger, NodeNumber, PeerIdentity } from './protocol.ts';

export const NAME_BYTES_MAX = 63;
export const CLUSTER_BYTES_MAX = 63;
export const REASON_BYTES_MAX = 255;
const CODE_BYTES_MAX = 63;
const AT = { protocolMin: 0, protocolMax: 2, nonce: 4, node: 8, ledger: 9, windows: 25, texts: 41 } as const;
const PING_BYTES = 4;

/** A node as links know it. */
export interface LinkPeer extends PeerIdentity {
  readonly name: string;
}

export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

export interface Hello {
  readonly protocol: ProtocolRange;
  /** Differs for every connection; see checksumSeed(). */
  readonly nonce: number;
  /** The incarnation is that of the frame's header. */
  readonly peer: LinkPeer;
  readonly windows: readonly number[];
  /** Whom the sender believes to talk to; empty when it does not know. */
  readonly targetName: string;
  readonly cluster: string;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeHello(hello: Hello): Buffer {
  const texts = [
    textBytes(hello.peer.name, NAME_BYTES_MAX),
    textBytes(hello.targetName, NAME_BYTES_MAX),
    textBytes(hello.cluster, CLUSTER_BYTES_MAX),
  ];
  const head = Buffer.alloc(AT.texts);
  head.writeUInt16LE(hello.protocol.min, AT.protocolMin);
  head.writeUInt16LE(hello.protocol.max, AT.protocolMax);
  head.writeUInt32LE(hello.nonce, AT.nonce);
  head[AT.node] = hello.peer.node;
  head.write(hello.peer.ledger, AT.ledger, LEDGER_BYTES, 'hex');
  hello.windows.forEach((window, index) => head.writeUInt32LE(window, AT.windows + 4 * index));
  return Buffer.concat([head, ...texts]);
}

/** @throws LinkError ERR_LINK_TRUNCATED, ERR_LINK_RANGE. */
export function decodeHello(payload: Buffer, incarnation: number): Hello {
  if (payload.length < AT.texts) throw truncated(AT.texts, payload.length);
  const reader = { payload, at: AT.texts };
  const name = readText(reader, NAME_BYTES_MAX);
  const targetName = readText(reader, NAME_BYTES_MAX);
  const cluster = readText(reader, CLUSTER_BYTES_MAX);
  readEnd(reader);
  const protocol = { min: payload.readUInt16LE(AT.protocolMin), max: payload.readUInt16LE(AT.protocolMax) };
  const node = payload[AT.node]! as NodeNumber;
  if (protocol.min > protocol.max) throw outOfRange(`protocol versions ${protocol.min} to ${protocol.max}`);
  if (node < 1 || node > NODES_MAX) throw outOfRange(`node number ${node}`);
  if (name === '') throw outOfRange('an empty node name');
  if (incarnation < 1 || incarnation > INCARNATION_MAX) throw outOfRange(`incarnation ${incarnation}`);
  const ledger = payload.toString('hex', AT.ledger, AT.ledger + LEDGER_BYTES) as Ledger;
  const windows = PRIORITIES.map((_, index) => payload.readUInt32LE(AT.windows + 4 * index));
  return {
    protocol,
    nonce: payload.readUInt32LE(AT.nonce),
    peer: { node, ledger, incarnation, name },
    windows,
    targetName,
    cluster,
  };
}

/** Binds the frames of a connection to its two HELLOs. */
export function checksumSeed(nonces: { dialer: number; acceptor: number }): number {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(nonces.dialer, 0);
  bytes.writeUInt32LE(nonces.acceptor, 4);
  return crc32(bytes);
}

export function encodeClose(close: { code: string; reason: string }): Buffer {
  const reason = Buffer.from(close.reason).subarray(0, REASON_BYTES_MAX);
  return Buffer.concat([textBytes(close.code, CODE_BYTES_MAX), Buffer.of(reason.length), reason]);
}

/** The reason is for people: what is not UTF-8 in it (a character cut in two) is replaced. */
export function decodeClose(payload: Buffer): { code: string; reason: string } {
  const reader = { payload, at: 0 };
  const code = readText(reader, CODE_BYTES_MAX);
  const reason = readBytes(reader, REASON_BYTES_MAX).toString('utf8');
  readEnd(reader);
  return { code, reason };
}

export function encodePing(number: number): Buffer {
  const payload = Buffer.allocUnsafe(PING_BYTES);
  payload.writeUInt32LE(number);
  return payload;
}

export function decodePing(payload: Buffer): number {
  if (payload.length !== PING_BYTES) throw truncated(PING_BYTES, payload.length);
  return payload.readUInt32LE();
}

function textBytes(text: string, sizeBytesMax: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > sizeBytesMax) throw outOfRange(`a text of ${bytes.length} bytes, at most ${sizeBytesMax}`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

interface TextReader {
  readonly payload: Buffer;
  at: number;
}

function readBytes(reader: TextReader, sizeBytesMax: number): Buffer {
  const sizeBytes = reader.payload[reader.at];
  if (sizeBytes === undefined) throw truncated(reader.at + 1, reader.payload.length);
  if (sizeBytes > sizeBytesMax) throw outOfRange(`a text of ${sizeBytes} bytes, at most ${sizeBytesMax}`);
  const from = reader.at + 1;
  reader.at = from + sizeBytes;
  if (reader.at > reader.payload.length) throw truncated(reader.at, reader.payload.length);
  return reader.payload.subarray(from, reader.at);
}

function readText(reader: TextReader, sizeBytesMax: number): string {
  const bytes = readBytes(reader, sizeBytesMax);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new LinkError('ERR_LINK_RANGE', 'a text is not UTF-8', { cause });
  }
}

function readEnd(reader: TextReader): void {
  const restBytes = reader.payload.length - reader.at;
  if (restBytes !== 0) throw outOfRange(`${restBytes} bytes after the end`);
}

function truncated(expectedBytes: number, foundBytes: number): LinkError {
  return new LinkError('ERR_LINK_TRUNCATED', `${expectedBytes} bytes of payload expected, found ${foundBytes}`);
}

function outOfRange(what: string): LinkError {
  return new LinkError('ERR_LINK_RANGE', `${what} cannot be`);
}
