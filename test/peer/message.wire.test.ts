import test from 'ava';
import * as fc from 'fast-check';
import { WireError } from '../../src/base/errors.ts';
import { MessageBuffer } from '../../src/peer/message-buffer.ts';
import { decodePeerMessage, encodePeerMessage, PEER_MESSAGE_TYPE } from '../../src/peer/peer-message.wire.ts';
import {
  decodeSessionMessage,
  encodeSessionMessage,
  SESSION_MESSAGE_TYPE,
} from '../../src/peer/session-message.wire.ts';
import { anyPeerMessage, anySessionMessage } from './message-arbitrary.ts';

const buffer = new MessageBuffer();

test('every message of the handover protocol survives its bytes', (t) => {
  fc.assert(
    fc.property(anyPeerMessage, (message) => {
      encodePeerMessage(message, buffer.start());
      t.deepEqual(decodePeerMessage(PEER_MESSAGE_TYPE[message.kind], buffer.taken().slice()), message);
    }),
    { numRuns: 500 },
  );
});

test('every session message survives its bytes', (t) => {
  fc.assert(
    fc.property(anySessionMessage, (message) => {
      encodeSessionMessage(message, buffer.start());
      t.deepEqual(decodeSessionMessage(SESSION_MESSAGE_TYPE[message.kind], buffer.taken().slice()), message);
    }),
    { numRuns: 500 },
  );
});

test('the bytes of a COMMIT stay as they are', (t) => {
  const ledger = '000102030405060708090a0b0c0d0e0f';
  const passenger = {
    lastInput: 7,
    gateway: 2,
    session: 2 ** 32 + 5,
    account: 'ann',
    marks: [{ sender: ledger, number: 9 }],
  };
  const pendingInputs = [{ sequence: 8, payload: Uint8Array.of(1, 2) }];
  const record = Uint8Array.of(0xaa, 0xbb);
  const item = { transferSeq: 3, id: (2 ** 32 + 1) as never, seq: 4, targetCell: 6, passenger, pendingInputs, record };
  encodePeerMessage({ kind: 'commit', ledger, tick: 1, lowWatermark: 2, items: [item] }, buffer.start());
  t.is(
    Buffer.from(buffer.taken()).toString('hex'),
    [
      '000102030405060708090a0b0c0d0e0f 01000000 0200000000000000 0100',
      '0300000000000000 0100000001000000 04000000 06000000',
      '07000000 02 0500000001000000 03616e6e 01 000102030405060708090a0b0c0d0e0f 0900000000000000',
      '01 08000000 02000000 0102 02000000 aabb',
    ]
      .join('')
      .replaceAll(' ', ''),
  );
});

test('whatever arrives, a decoder answers with a message or a WireError', (t) => {
  const types = [...Object.values(PEER_MESSAGE_TYPE), ...Object.values(SESSION_MESSAGE_TYPE), 0, 31, 63, 255];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 200 }), (type, bytes) => {
      expectWireErrorOnly(() => (type < 32 ? decodePeerMessage(type, bytes) : decodeSessionMessage(type, bytes)));
    }),
    { numRuns: 20_000 },
  );
  t.pass();
});

test('a message with a changed byte or a lost end never brings anything but a WireError', (t) => {
  fc.assert(
    fc.property(anyPeerMessage, fc.nat(), fc.nat(255), fc.boolean(), (message, place, value, isCut) => {
      encodePeerMessage(message, buffer.start());
      const bytes = buffer.taken().slice();
      const at = place % bytes.length;
      bytes[at] = value;
      const damaged = isCut ? bytes.subarray(0, at) : bytes;
      expectWireErrorOnly(() => decodePeerMessage(PEER_MESSAGE_TYPE[message.kind], damaged));
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

function expectWireErrorOnly(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
}
