/**
 * Every message but SNAPSHOT, little-endian; text is UTF-8 behind its length in bytes.
 *
 *   HELLO    u8 1 · "WMSH" · u16 version · u32 schemaHash · u8 n, name · u16 n, token · u8 n, resumeToken
 *            · u8 mode · f64 clientTimeMs · u32 lastKnownTick
 *   INPUT    u8 2 · u32 sequence · u8 back · the packed input fields (base/pack.ts)
 *   PING     u8 3 · u32 nonce
 *   BYE      u8 4
 *   ACK      u8 5 · u32 seq of a handover
 *   KEYFRAME u8 6
 *   WELCOME  u8 16 · u16 version · u8 flags · u32 session · u32 tick · f64 serverTimeMs · f64 tickHz · f64 snapshotHz
 *            · f64 aoiRadius · f64 cellSize · f64 minX · f64 minZ · f64 maxX · f64 maxZ · u32 resumeGraceMs
 *            · u32 schemaHash · u8 n, resumeToken · u8 mode · u8 count, each: u8 n, gateway
 *            · if flag schema: u32 n, JSON
 *   PONG     u8 18 · u32 nonce · f64 serverTimeMs · u32 tick
 *   ERROR    u8 19 · u8 code (its place in PROTOCOL_ERRORS) · u8 n, message
 *   HANDOVER u8 20 · u32 seq · u8 n, node
 *   HANDOVERSTART u8 21 · u32 seq · u8 n, url · u8 n, token · u32 validMs
 *
 * Decoders trust nothing: size, type, magic, version, range, then fields, then the end.
 */
import { unreachable } from '../base/assert.ts';
import { WireError } from '../base/errors.ts';
import { packFields, readerOver, unpackFields, writerOver } from '../base/pack.ts';
import type { Reader, Values, Writer } from '../base/pack.ts';
import { fieldsSizeBytesMax, INPUT_BYTES_MAX, isScalar } from '../base/schema.ts';
import type { FieldSchema, Schema } from '../base/schema.ts';
import {
  readEnd,
  readF64,
  readText,
  readU16,
  readU32,
  readU8,
  textBytes,
  textBytesCut,
  writeBytes,
  writeF64,
  writeU16,
  writeU32,
  writeU8,
} from './cursor.wire.ts';
import { CLIENT_MODES, INPUT_WINDOW, MESSAGE, PROTOCOL_ERRORS, PROTOCOL_VERSION } from './messages.ts';
import type { ClientMessage, ClientMode, HandoverStart, ServerMessage, Snapshot, Welcome } from './messages.ts';
import { parseSchema } from './schema.wire.ts';
import { decodeSnapshot } from './snapshot.wire.ts';

export const NAME_BYTES_MAX = 32;
export const TOKEN_BYTES_MAX = 2048;
export const RESUME_TOKEN_BYTES_MAX = 255;
/** A longer error message is cut. */
export const ERROR_BYTES_MAX = 255;
export const NODE_BYTES_MAX = 64;
export const URL_BYTES_MAX = 255;
/** URLs of other gateways in a WELCOME. */
export const GATEWAYS_MAX = 8;
/** The largest message of a client; the gateway may be set to less. */
export const CLIENT_MESSAGE_BYTES_MAX = 4096;
/** The largest message of a server; a client refuses what is larger. */
export const SERVER_MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
export const INPUT_HEAD_BYTES = 6;
export const WELCOME_FLAG = { resumed: 1, edgeStop: 2, schema: 4 } as const;

/** "WMSH" read as a little-endian u32: tells a client of something else from one of ours. */
const MAGIC = 0x48534d57;
const HELLO_BYTES = 1 + 4 + 2 + 4 + 1 + 2 + 1 + 1 + 8 + 4;
const WELCOME_BYTES = 1 + 2 + 1 + 4 + 4 + 9 * 8 + 4 + 4 + 1 + 1 + 1;
const WELCOME_FLAGS_KNOWN = WELCOME_FLAG.resumed | WELCOME_FLAG.edgeStop | WELCOME_FLAG.schema;

/** @throws WireError ERR_WIRE_RANGE for a value that its place cannot hold. */
export function encodeClientMessage(message: ClientMessage, schema: Schema | undefined): Uint8Array {
  switch (message.type) {
    case 'hello':
      return encodeHello(message);
    case 'input': {
      const fields = schema?.input ?? [];
      const writer = writerOver(new Uint8Array(INPUT_HEAD_BYTES + fieldsSizeBytesMax(fields)));
      writeU8(writer, MESSAGE.input);
      writeU32(writer, message.sequence);
      writeU8(writer, message.back);
      const sizeBytes = packFields(fields, message.input, writer.target.subarray(INPUT_HEAD_BYTES));
      return writer.target.subarray(0, INPUT_HEAD_BYTES + sizeBytes);
    }
    case 'ping': {
      const writer = writerOver(new Uint8Array(5));
      writeU8(writer, MESSAGE.ping);
      writeU32(writer, message.nonce);
      return writer.target;
    }
    case 'bye':
      return Uint8Array.of(MESSAGE.bye);
    case 'keyframe':
      return Uint8Array.of(MESSAGE.keyframe);
    case 'handoverAck': {
      const writer = writerOver(new Uint8Array(5));
      writeU8(writer, MESSAGE.handoverAck);
      writeU32(writer, message.seq);
      return writer.target;
    }
    default:
      return unreachable(message);
  }
}

/**
 * Reads what a client sent. `schema` is needed for INPUT only.
 * @throws WireError; ERR_WIRE_VERSION when the hello speaks another version, ERR_WIRE_RANGE when an input value is
 * outside its field's range.
 */
export function decodeClientMessage(bytes: Uint8Array, schema: Schema | undefined): ClientMessage {
  if (bytes.length > CLIENT_MESSAGE_BYTES_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `${bytes.length} bytes, at most ${CLIENT_MESSAGE_BYTES_MAX}`);
  }
  const reader = readerOver(bytes);
  const type = readU8(reader);
  switch (type) {
    case MESSAGE.hello:
      return readHello(reader);
    case MESSAGE.input: {
      if (schema === undefined) throw new WireError('ERR_WIRE_TYPE', 'an input before the hello');
      const sequence = readU32(reader);
      const back = checkBack(readU8(reader), sequence);
      return { type: 'input', sequence, back, input: decodeInput(bytes.subarray(INPUT_HEAD_BYTES), schema) };
    }
    case MESSAGE.ping: {
      const nonce = readU32(reader);
      readEnd(reader);
      return { type: 'ping', nonce };
    }
    case MESSAGE.bye:
      readEnd(reader);
      return { type: 'bye' };
    case MESSAGE.keyframe:
      readEnd(reader);
      return { type: 'keyframe' };
    case MESSAGE.handoverAck: {
      const seq = readU32(reader);
      readEnd(reader);
      return { type: 'handoverAck', seq };
    }
    default:
      throw new WireError('ERR_WIRE_TYPE', `${type} is not the type of a client's message`);
  }
}

/** Unpacks the fields of an input and holds them to their ranges. @throws WireError. */
export function decodeInput(payload: Uint8Array, schema: Schema): Values {
  if (payload.length > INPUT_BYTES_MAX) {
    throw new WireError('ERR_WIRE_TRAILING', `an input of ${payload.length} bytes, at most ${INPUT_BYTES_MAX}`);
  }
  const values = unpackFields(schema.input, payload);
  checkRanges(schema.input, values);
  return values;
}

/** @throws WireError ERR_WIRE_RANGE naming the first scalar outside its declared range. */
export function checkRanges(fields: readonly FieldSchema[], values: Values): void {
  for (const field of fields) {
    if (!isScalar(field.type)) continue;
    const value = Number(values[field.name] ?? 0);
    const min = rounded(field, field.min ?? -Infinity);
    const max = rounded(field, field.max ?? Infinity);
    if (!(value >= min && value <= max)) {
      throw new WireError('ERR_WIRE_RANGE', `"${field.name}" takes ${field.min} to ${field.max}, got ${value}`);
    }
  }
}

export function encodeServerMessage(message: Exclude<ServerMessage, Snapshot>): Uint8Array {
  switch (message.type) {
    case 'welcome':
      return encodeWelcome(message);
    case 'pong': {
      const writer = writerOver(new Uint8Array(17));
      writeU8(writer, MESSAGE.pong);
      writeU32(writer, message.nonce);
      writeF64(writer, message.serverTimeMs);
      writeU32(writer, message.tick);
      return writer.target;
    }
    case 'error': {
      const text = textBytesCut(message.message, ERROR_BYTES_MAX);
      const writer = writerOver(new Uint8Array(3 + text.length));
      writeU8(writer, MESSAGE.error);
      writeU8(writer, PROTOCOL_ERRORS.indexOf(message.code));
      writeU8(writer, text.length);
      writeBytes(writer, text);
      return writer.target;
    }
    case 'handover': {
      const node = textBytes(message.node, { sizeBytesMax: NODE_BYTES_MAX, what: 'the node' });
      const writer = writerOver(new Uint8Array(6 + node.length));
      writeU8(writer, MESSAGE.handover);
      writeU32(writer, message.seq);
      writeU8(writer, node.length);
      writeBytes(writer, node);
      return writer.target;
    }
    case 'handoverStart':
      return encodeHandoverStart(message);
    default:
      return unreachable(message);
  }
}

/**
 * Reads what a server sent; a SNAPSHOT needs the schema.
 * @throws WireError.
 */
export function decodeServerMessage(bytes: Uint8Array, schema: Schema | undefined): ServerMessage {
  if (bytes.length > SERVER_MESSAGE_BYTES_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `${bytes.length} bytes, at most ${SERVER_MESSAGE_BYTES_MAX}`);
  }
  const reader = readerOver(bytes);
  const type = readU8(reader);
  switch (type) {
    case MESSAGE.welcome:
      return readWelcome(reader);
    case MESSAGE.snapshot:
      if (schema === undefined) throw new WireError('ERR_WIRE_TYPE', 'a snapshot before the welcome');
      return decodeSnapshot(bytes, schema);
    case MESSAGE.pong: {
      const nonce = readU32(reader);
      const serverTimeMs = readF64(reader);
      const tick = readU32(reader);
      readEnd(reader);
      return { type: 'pong', nonce, serverTimeMs, tick };
    }
    case MESSAGE.error: {
      const code = PROTOCOL_ERRORS[readU8(reader)];
      if (code === undefined) throw new WireError('ERR_WIRE_RANGE', 'an unknown error code');
      const message = readText(reader, readU8(reader), { sizeBytesMax: ERROR_BYTES_MAX, what: 'the error message' });
      readEnd(reader);
      return { type: 'error', code, message };
    }
    case MESSAGE.handover: {
      const seq = readU32(reader);
      const node = readText(reader, readU8(reader), { sizeBytesMax: NODE_BYTES_MAX, what: 'the node' });
      readEnd(reader);
      return { type: 'handover', seq, node };
    }
    case MESSAGE.handoverStart:
      return readHandoverStart(reader);
    default:
      throw new WireError('ERR_WIRE_TYPE', `${type} is not the type of a server's message`);
  }
}

function encodeHello(hello: Extract<ClientMessage, { type: 'hello' }>): Uint8Array {
  const name = textBytes(hello.name, { sizeBytesMax: NAME_BYTES_MAX, what: 'the name' });
  const token = textBytes(hello.token, { sizeBytesMax: TOKEN_BYTES_MAX, what: 'the token' });
  const resume = textBytes(hello.resumeToken, { sizeBytesMax: RESUME_TOKEN_BYTES_MAX, what: 'the resume token' });
  const writer = writerOver(new Uint8Array(HELLO_BYTES + name.length + token.length + resume.length));
  writeU8(writer, MESSAGE.hello);
  writeU32(writer, MAGIC);
  writeU16(writer, hello.protocolVersion);
  writeU32(writer, hello.schemaHash);
  writeU8(writer, name.length);
  writeBytes(writer, name);
  writeU16(writer, token.length);
  writeBytes(writer, token);
  writeU8(writer, resume.length);
  writeBytes(writer, resume);
  writeU8(writer, CLIENT_MODES.indexOf(hello.mode));
  writeF64(writer, hello.clientTimeMs);
  writeU32(writer, hello.lastKnownTick);
  return writer.target;
}

function readHello(reader: Reader): ClientMessage {
  readMagic(reader);
  const protocolVersion = readVersion(reader);
  const schemaHash = readU32(reader);
  const name = readText(reader, readU8(reader), { sizeBytesMax: NAME_BYTES_MAX, what: 'the name' });
  const token = readText(reader, readU16(reader), { sizeBytesMax: TOKEN_BYTES_MAX, what: 'the token' });
  const resumeToken = readText(reader, readU8(reader), {
    sizeBytesMax: RESUME_TOKEN_BYTES_MAX,
    what: 'the resume token',
  });
  const mode = readMode(reader);
  const clientTimeMs = readF64(reader);
  const lastKnownTick = readU32(reader);
  readEnd(reader);
  return { type: 'hello', protocolVersion, schemaHash, name, token, resumeToken, mode, clientTimeMs, lastKnownTick };
}

function readMode(reader: Reader): ClientMode {
  const index = readU8(reader);
  const mode = CLIENT_MODES[index];
  if (mode === undefined) throw new WireError('ERR_WIRE_RANGE', `${index} is not the number of a mode`);
  return mode;
}

/** Of an input: how many before it the client still has. @throws WireError ERR_WIRE_RANGE. */
export function checkBack(back: number, sequence: number): number {
  if (back < INPUT_WINDOW && back < Math.max(1, sequence)) return back;
  throw new WireError('ERR_WIRE_RANGE', `input ${sequence} with ${back} before it, at most ${INPUT_WINDOW - 1}`);
}

function encodeHandoverStart({ seq, url, token, validMs }: HandoverStart): Uint8Array {
  const urlBytes = textBytes(url, { sizeBytesMax: URL_BYTES_MAX, what: 'the URL' });
  const tokenBytes = textBytes(token, { sizeBytesMax: RESUME_TOKEN_BYTES_MAX, what: 'the token' });
  const writer = writerOver(new Uint8Array(1 + 4 + 1 + urlBytes.length + 1 + tokenBytes.length + 4));
  writeU8(writer, MESSAGE.handoverStart);
  writeU32(writer, seq);
  writeU8(writer, urlBytes.length);
  writeBytes(writer, urlBytes);
  writeU8(writer, tokenBytes.length);
  writeBytes(writer, tokenBytes);
  writeU32(writer, validMs);
  return writer.target;
}

function readHandoverStart(reader: Reader): HandoverStart {
  const seq = readU32(reader);
  const url = readText(reader, readU8(reader), { sizeBytesMax: URL_BYTES_MAX, what: 'the URL' });
  const token = readText(reader, readU8(reader), { sizeBytesMax: RESUME_TOKEN_BYTES_MAX, what: 'the token' });
  const validMs = readU32(reader);
  readEnd(reader);
  return { type: 'handoverStart', seq, url, token, validMs };
}

function encodeWelcome(welcome: Welcome): Uint8Array {
  const resume = textBytes(welcome.resumeToken, { sizeBytesMax: RESUME_TOKEN_BYTES_MAX, what: 'the resume token' });
  const schema = welcome.schema === undefined ? new Uint8Array() : schemaBytes(welcome.schema);
  if (welcome.gateways.length > GATEWAYS_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `${welcome.gateways.length} gateways, at most ${GATEWAYS_MAX}`);
  }
  const gateways = welcome.gateways.map((url) => textBytes(url, { sizeBytesMax: URL_BYTES_MAX, what: 'a URL' }));
  const gatewayBytes = gateways.reduce((sum, { length }) => sum + 1 + length, 0);
  const writer = writerOver(new Uint8Array(WELCOME_BYTES + resume.length + gatewayBytes + 4 + schema.length));
  writeU8(writer, MESSAGE.welcome);
  writeU16(writer, welcome.protocolVersion);
  writeU8(writer, welcomeFlags(welcome));
  writeU32(writer, welcome.session);
  writeU32(writer, welcome.tick);
  for (const value of [welcome.serverTimeMs, welcome.tickHz, welcome.snapshotHz, welcome.aoiRadius, welcome.cellSize]) {
    writeF64(writer, value);
  }
  for (const value of [welcome.minX, welcome.minZ, welcome.maxX, welcome.maxZ]) writeF64(writer, value);
  writeU32(writer, welcome.resumeGraceMs);
  writeU32(writer, welcome.schemaHash);
  writeU8(writer, resume.length);
  writeBytes(writer, resume);
  writeU8(writer, CLIENT_MODES.indexOf(welcome.mode));
  writeU8(writer, gateways.length);
  for (const gateway of gateways) {
    writeU8(writer, gateway.length);
    writeBytes(writer, gateway);
  }
  if (welcome.schema !== undefined) writeSized(writer, schema);
  return writer.target.subarray(0, writer.at);
}

function readWelcome(reader: Reader): Welcome {
  const protocolVersion = readVersion(reader);
  const flags = readU8(reader);
  if ((flags & ~WELCOME_FLAGS_KNOWN) !== 0) throw new WireError('ERR_WIRE_RANGE', `unknown welcome flags ${flags}`);
  return {
    type: 'welcome',
    protocolVersion,
    session: readU32(reader),
    resumed: (flags & WELCOME_FLAG.resumed) !== 0,
    tick: readU32(reader),
    serverTimeMs: readF64(reader),
    tickHz: readRate(reader, 'tickHz'),
    snapshotHz: readRate(reader, 'snapshotHz'),
    aoiRadius: readF64(reader),
    cellSize: readF64(reader),
    minX: readF64(reader),
    minZ: readF64(reader),
    maxX: readF64(reader),
    maxZ: readF64(reader),
    edge: (flags & WELCOME_FLAG.edgeStop) === 0 ? 'bounce' : 'stop',
    resumeGraceMs: readU32(reader),
    schemaHash: readU32(reader),
    resumeToken: readText(reader, readU8(reader), { sizeBytesMax: RESUME_TOKEN_BYTES_MAX, what: 'the resume token' }),
    mode: readMode(reader),
    gateways: readGateways(reader),
    schema: readSchema(reader, (flags & WELCOME_FLAG.schema) !== 0),
  };
}

function readGateways(reader: Reader): string[] {
  const count = readU8(reader);
  if (count > GATEWAYS_MAX) throw new WireError('ERR_WIRE_RANGE', `${count} gateways, at most ${GATEWAYS_MAX}`);
  return Array.from({ length: count }, () =>
    readText(reader, readU8(reader), { sizeBytesMax: URL_BYTES_MAX, what: 'a URL' }),
  );
}

function welcomeFlags(welcome: Welcome): number {
  const resumed = welcome.resumed ? WELCOME_FLAG.resumed : 0;
  const edgeStop = welcome.edge === 'stop' ? WELCOME_FLAG.edgeStop : 0;
  return resumed | edgeStop | (welcome.schema === undefined ? 0 : WELCOME_FLAG.schema);
}

function schemaBytes(schema: Schema): Uint8Array {
  return textBytes(JSON.stringify(schema), { sizeBytesMax: SERVER_MESSAGE_BYTES_MAX - 1024, what: 'the schema' });
}

function writeSized(writer: Writer, bytes: Uint8Array): void {
  writeU32(writer, bytes.length);
  writeBytes(writer, bytes);
}

/** Also the last thing of a welcome. */
function readSchema(reader: Reader, present: boolean): Schema | undefined {
  const text = present
    ? readText(reader, readU32(reader), { sizeBytesMax: SERVER_MESSAGE_BYTES_MAX, what: 'the schema' })
    : undefined;
  readEnd(reader);
  return text === undefined ? undefined : parseSchema(text);
}

function readMagic(reader: Reader): void {
  const magic = readU32(reader);
  if (magic !== MAGIC)
    throw new WireError('ERR_WIRE_TYPE', `magic 0x${MAGIC.toString(16)} expected, got 0x${magic.toString(16)}`);
}

function readVersion(reader: Reader): number {
  const version = readU16(reader);
  if (version === PROTOCOL_VERSION) return version;
  throw new WireError('ERR_WIRE_VERSION', `protocol version ${PROTOCOL_VERSION} expected, got ${version}`);
}

/** Clients divide by rates. */
function readRate(reader: Reader, what: string): number {
  const rate = readF64(reader);
  if (!(rate > 0 && rate <= 1000))
    throw new WireError('ERR_WIRE_RANGE', `${what} is above 0 and at most 1000, got ${rate}`);
  return rate;
}

/** The range as an f32 holds it: 0.1 arrives as 0.10000000149. */
function rounded(field: FieldSchema, bound: number): number {
  return field.type === 'f32' ? Math.fround(bound) : bound;
}
