/** A client that means harm, from a seed: mutated, cut and made-up frames, for the decoder and for a live gateway. */
import { WebSocket } from 'ws';
import { WireError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/random.ts';
import { INPUT_BYTES_MAX } from '../../src/base/schema.ts';
import { clampPacked } from '../../src/net/input-range.core.ts';
import { decodeClientMessage, encodeClientMessage, INPUT_HEAD_BYTES } from '../../src/wire/client.wire.ts';
import { clientMessageFromJson, toJson } from '../../src/wire/json.wire.ts';
import type { ClientMessage } from '../../src/wire/messages.ts';
import { HELLO, rawSocket, schema, until } from './fixture.ts';

/** Where to send what. */
export interface Victim {
  readonly url: string;
  readonly port: number;
}

const FRAMES_AT_ONCE = 50;
const UPGRADE =
  'GET /connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

const MESSAGES: readonly ClientMessage[] = [
  { type: 'input', sequence: 1, back: 0, input: { moveX: 0.5, gear: 2, say: 'ahoy' } },
  { type: 'input', sequence: 70_000, back: 0, input: { moveX: -1, gear: 0, say: '' } },
  { type: 'input', sequence: 4_000_000_000, back: 0, input: { moveX: 0, gear: 5, say: 'äöü' } },
  { type: 'ping', nonce: 3 },
  { type: 'bye' },
  { type: 'handoverAck', seq: 7 },
  HELLO,
  { ...HELLO, name: 'Grace', token: 'x'.repeat(200), resumeToken: 'y'.repeat(43) },
];
const FRAMES = MESSAGES.map((message) => encodeClientMessage(message, schema));
const TEXTS = MESSAGES.map((message) => toJson(message));

export function fuzzFrame(random: Random): Uint8Array<ArrayBuffer> {
  const choice = random.below(10);
  if (choice === 0) return noise(random, random.below(100));
  // Mostly inputs, with changes that leave many of them valid: what is refused at once tests little.
  const index = choice < 7 ? random.below(3) : random.below(FRAMES.length);
  const frame = Uint8Array.from(FRAMES[index]!);
  for (let changes = random.below(3); changes > 0; changes--) frame[random.below(frame.length)] = random.below(256);
  if (choice === 8) return frame.slice(0, random.below(frame.length + 1));
  if (choice === 9) return Uint8Array.of(...frame, ...noise(random, random.below(8)));
  return frame;
}

export function fuzzText(random: Random): string {
  const text = TEXTS[random.below(TEXTS.length)]!;
  const choice = random.below(4);
  if (choice === 0) return text;
  const at = random.below(text.length);
  if (choice === 1) return text.slice(0, at);
  const insert = ['"', '{', '1e999', '-', 'null', '\u0000', '[', '9', '\ud800'][random.below(9)]!;
  return text.slice(0, at) + insert + text.slice(at + random.below(3));
}

function noise(random: Random, sizeBytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: sizeBytes }, () => random.below(256));
}

/** Runs frames through what the gateway runs them through. Anything but a WireError throws. */
export function fuzzDecoder(random: Random, frames: number): { taken: number; refused: number } {
  let taken = 0;
  for (let frame = 0; frame < frames; frame++) {
    try {
      decodeOne(random);
      taken++;
    } catch (cause) {
      if (!(cause instanceof WireError)) throw cause;
    }
  }
  return { taken, refused: frames - taken };
}

function decodeOne(random: Random): void {
  if (random.below(8) === 0) {
    clientMessageFromJson(fuzzText(random), schema);
    return;
  }
  const frame = fuzzFrame(random);
  if (frame[0] === 2 && frame.length >= INPUT_HEAD_BYTES && frame.length <= INPUT_HEAD_BYTES + INPUT_BYTES_MAX) {
    clampPacked(schema.input, new DataView(frame.buffer, INPUT_HEAD_BYTES), 0);
  }
  decodeClientMessage(frame, schema);
}

/** Sends frames over real connections, a new one whenever the last was closed. */
export async function fuzzGateway(victim: Victim, random: Random, frames: number): Promise<{ connections: number }> {
  let sent = 0;
  let connections = 0;
  while (sent < frames) {
    connections++;
    if (connections % 50 === 0) await fuzzSocket(victim, random);
    const isText = connections % 5 === 0;
    const webSocket = new WebSocket(isText ? `${victim.url}?format=json` : victim.url, { perMessageDeflate: false });
    webSocket.on('error', () => {});
    await until(() => webSocket.readyState !== WebSocket.CONNECTING, 'the connection opens');
    webSocket.send(isText ? toJson(HELLO) : encodeClientMessage(HELLO, schema));
    for (let count = 0; count < FRAMES_AT_ONCE; count++) {
      webSocket.send(isText ? fuzzText(random) : fuzzFrame(random));
      sent++;
    }
    // One of them was most likely a mistake; if none was, we leave.
    webSocket.close();
    await until(() => webSocket.readyState === WebSocket.CLOSED, 'the connection closes');
  }
  return { connections };
}

/** Noise where HTTP, or a WebSocket frame, is expected. */
async function fuzzSocket(victim: Victim, random: Random): Promise<void> {
  const isUpgraded = random.below(2) === 0;
  const { socket, answer } = rawSocket(victim.port, isUpgraded ? UPGRADE : '');
  if (isUpgraded) await until(() => answer().includes('\r\n\r\n'), 'the upgrade is answered');
  socket.end(noise(random, 1 + random.below(300)));
  await until(() => socket.closed, 'the socket closes');
}
