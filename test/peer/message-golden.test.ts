/**
 * One message of each kind as protocol 1 has it, value and bytes. The file stays for ever: what a node of the first release says
 * can always be read, and is said in the same bytes. A later protocol adds entries, with its number.
 */
import test from 'ava';
import { readFileSync } from 'node:fs';
import { MessageBuffer } from '../../src/peer/message-buffer.ts';
import { decodePeerMessage, encodePeerMessage, PEER_MESSAGE_TYPE } from '../../src/peer/peer-message.wire.ts';
import type { WiredMessage } from '../../src/peer/peer-message.wire.ts';
import {
  decodeSessionMessage,
  encodeSessionMessage,
  SESSION_MESSAGE_TYPE,
} from '../../src/peer/session-message.wire.ts';
import type { SessionMessage } from '../../src/peer/session-message.wire.ts';

interface Golden {
  /** The first that has it. */
  readonly protocol: number;
  readonly type: number;
  readonly message: WiredMessage | SessionMessage;
  /** As hexadecimal digits. */
  readonly payload: string;
}

const SESSION_TYPE_FIRST = 32;
const goldens = JSON.parse(
  readFileSync(new URL('golden/peer-messages.json', import.meta.url), 'utf8'),
  fromJson,
) as Golden[];

for (const { protocol, type, message, payload } of goldens) {
  test(`protocol ${protocol}: the bytes of ${message.kind} (type ${type}) are read, and written again the same`, (t) => {
    const buffer = new MessageBuffer().start();
    const bytes = Uint8Array.from(Buffer.from(payload, 'hex'));
    if (type < SESSION_TYPE_FIRST) {
      const read = decodePeerMessage(type, bytes);
      t.deepEqual(read, message as WiredMessage);
      encodePeerMessage(read, buffer);
    } else {
      const read = decodeSessionMessage(type, bytes);
      t.deepEqual(read, message as SessionMessage);
      encodeSessionMessage(read, buffer);
    }
    t.is(Buffer.from(buffer.taken()).toString('hex'), payload);
  });
}

test('there is a golden message of each kind', (t) => {
  const types = Object.values({ ...PEER_MESSAGE_TYPE, ...SESSION_MESSAGE_TYPE });
  t.deepEqual(new Set(goldens.map(({ type }) => type)), new Set<number>(types));
});

/** Bytes stand as `{ hex }`, lists of u32 as `{ u32 }`. */
function fromJson(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('hex' in value) return Uint8Array.from(Buffer.from(value.hex as string, 'hex'));
  return 'u32' in value ? Uint32Array.from(value.u32 as number[]) : value;
}
