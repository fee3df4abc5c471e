/**
 * What a player sends: checked, limited, and handed to the world. Nothing that arrives here can throw beyond here,
 * and nothing is kept of a message once it was handled.
 */
import { WireError } from '../base/errors.ts';
import { packFields } from '../base/pack.ts';
import type { Values } from '../base/pack.ts';
import { INPUT_BYTES_MAX } from '../base/schema.ts';
import { checkBack, decodeClientMessage, INPUT_HEAD_BYTES } from '../wire/client.wire.ts';
import { valuesFromJson } from '../wire/json-values.wire.ts';
import { clientMessageFromJson } from '../wire/json.wire.ts';
import { CLOSE_CODE, MESSAGE } from '../wire/messages.ts';
import type { ClientMessage } from '../wire/messages.ts';
import type { Admission } from './admission.ts';
import type { Connection, FatalErrorCode } from './connection.ts';
import type { GatewayContext } from './context.ts';
import { clampPacked, clampValues } from './input-range.core.ts';
import type { SessionTable } from './session-table.ts';

const SEQUENCE_OFFSET_BYTES = 1;
const BACK_OFFSET_BYTES = 5;
const SEQUENCE_MAX = 0xffff_ffff;

export class PlayerMessages {
  readonly #context: GatewayContext;
  readonly #admission: Admission;
  readonly #table: SessionTable;
  readonly #scratch = new Uint8Array(INPUT_BYTES_MAX);

  constructor(context: GatewayContext, { admission, table }: { admission: Admission; table: SessionTable }) {
    this.#context = context;
    this.#admission = admission;
    this.#table = table;
  }

  /** Handles one WebSocket message; `data` is this call's to change. */
  receive(connection: Connection, data: Buffer, isBinary: boolean): void {
    const { counters, settings } = this.#context;
    counters.messagesIn++;
    counters.bytesIn += data.length;
    if (connection.stage === 'closed' || !connection.hear(this.#context.nowMs(), data.length)) return;
    if (data.length > settings.maxMessageBytes) {
      const message = `a message of ${data.length} bytes, at most ${settings.maxMessageBytes}`;
      return connection.fail('ERR_PROTOCOL_MALFORMED', message);
    }
    if (isBinary === connection.isJson) {
      const expected = connection.isJson ? 'text, because of format=json' : 'binary';
      return connection.fail('ERR_PROTOCOL_MALFORMED', `messages are ${expected}`);
    }
    try {
      if (connection.isJson) return this.#receiveText(connection, data.toString('utf8'));
      if (data[0] === MESSAGE.input && connection.stage === 'playing') return this.#receiveInput(connection, data);
      this.#receiveMessage(connection, decodeClientMessage(data, this.#context.store.schema));
    } catch (cause) {
      if (!(cause instanceof WireError)) throw cause;
      connection.fail(errorFor(cause), cause.message);
    }
  }

  #receiveInput(connection: Connection, data: Buffer): void {
    const { schema } = this.#context.store;
    const sequence = data.length < INPUT_HEAD_BYTES ? 0 : data.readUInt32LE(SEQUENCE_OFFSET_BYTES);
    const payloadBytes = data.length - INPUT_HEAD_BYTES;
    if (payloadBytes < 0 || payloadBytes > INPUT_BYTES_MAX) {
      throw new WireError(
        'ERR_WIRE_TRAILING',
        `an input of ${payloadBytes} bytes, 0 to ${INPUT_BYTES_MAX} are possible`,
      );
    }
    const back = checkBack(data[BACK_OFFSET_BYTES] ?? 0, sequence);
    const view = new DataView(data.buffer, data.byteOffset + INPUT_HEAD_BYTES, payloadBytes);
    const clamped = clampInput(() => clampPacked(schema.input, view, 0));
    this.#applyInput(connection, { sequence, back, payload: data.subarray(INPUT_HEAD_BYTES), clamped });
  }

  #receiveText(connection: Connection, text: string): void {
    const { schema } = this.#context.store;
    const table = parseObject(text);
    if (table['type'] !== 'input' || connection.stage !== 'playing') {
      return this.#receiveMessage(connection, clientMessageFromJson(text, schema));
    }
    const { input } = table;
    const sequence = wholeNumber(table, 'sequence', SEQUENCE_MAX);
    const back = checkBack(wholeNumber(table, 'back', SEQUENCE_MAX), sequence);
    if (!isObject(input)) throw new WireError('ERR_WIRE_JSON', 'input: an object expected');
    const clamped = clampInput(() => clampValues(schema.input, input));
    const values = clampInput(() => valuesFromJson(schema.input, input));
    // Reading rounds to f32, which may put a bound such as 0.1 out of its own range again.
    clampValues(schema.input, values);
    const sizeBytes = packFields(schema.input, values, this.#scratch);
    const payload = this.#scratch.subarray(0, sizeBytes);
    this.#applyInput(connection, { sequence, back, payload, clamped });
  }

  #applyInput(
    connection: Connection,
    { clamped, ...input }: { sequence: number; back: number; payload: Uint8Array; clamped: number },
  ): void {
    const { counters } = this.#context;
    const { session } = connection;
    if (session === undefined) return;
    this.#table.heard(session);
    counters.inputsClamped += clamped;
    // The client misses its acknowledgement, and sends this input again.
    if (!this.#table.routes.writeInput(session, input)) {
      counters.inputsDropped++;
      return;
    }
    counters.inputsAccepted++;
    // Which of them act, and that each acts once, is for the owner of the player to decide.
    if (input.sequence <= session.inputSequence) counters.inputsRepeated++;
    session.inputSequence = Math.max(session.inputSequence, input.sequence);
  }

  /** Also before the hello: a client may want to know its clock's error first. */
  #answer(connection: Connection, nonce: number): void {
    const serverTimeMs = this.#context.utcMs();
    connection.send({ type: 'pong', nonce, serverTimeMs, tick: this.#context.store.control.tick });
  }

  /** What it still says here it says again over its other connection. */
  #receiveMoved(connection: Connection, message: ClientMessage): void {
    if (message.type === 'ping') this.#answer(connection, message.nonce);
    else if (message.type === 'bye') connection.close(CLOSE_CODE.normal, 'bye');
  }

  #receiveMessage(connection: Connection, message: ClientMessage): void {
    if (connection.stage === 'moved') return this.#receiveMoved(connection, message);
    if (connection.stage !== 'playing') {
      if (message.type === 'hello' && connection.stage === 'hello') {
        return this.#admission.admit(connection, message);
      }
      if (message.type === 'ping') return this.#answer(connection, message.nonce);
      return connection.fail(
        'ERR_PROTOCOL_HELLO_EXPECTED',
        `one hello, then wait for the welcome; got ${message.type}`,
      );
    }
    const { session } = connection;
    if (session === undefined) return;
    this.#table.heard(session);
    switch (message.type) {
      case 'ping':
        return this.#answer(connection, message.nonce);
      case 'handoverAck':
        return this.#table.routes.answered(session, message.seq);
      case 'keyframe':
        this.#context.store.sessions.requestViewReset(session.index);
        connection.awaitsKeyframe = true;
        return this.#table.routes.askKeyframe(session);
      case 'bye':
        connection.close(CLOSE_CODE.normal, 'bye');
        this.#table.bye(session);
        return;
      case 'hello':
        return connection.fail('ERR_PROTOCOL_MALFORMED', 'a second hello');
      case 'input':
        throw new WireError('ERR_WIRE_TYPE', 'inputs are handled before');
    }
  }
}

/** An input value that is out of what its type can mean has a code of its own. */
class InputRangeError extends WireError {}

function clampInput<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof WireError && cause.code === 'ERR_WIRE_RANGE') {
      throw new InputRangeError(cause.code, cause.message);
    }
    throw cause;
  }
}

function errorFor(error: WireError): FatalErrorCode {
  if (error instanceof InputRangeError) return 'ERR_PROTOCOL_INPUT_RANGE';
  if (error.code === 'ERR_WIRE_VERSION') return 'ERR_PROTOCOL_VERSION';
  return 'ERR_PROTOCOL_MALFORMED';
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('ERR_WIRE_JSON', `not JSON: ${String(cause)}`);
  }
  if (isObject(value)) return value;
  throw new WireError('ERR_WIRE_JSON', 'a message is an object');
}

function wholeNumber(table: Readonly<Record<string, unknown>>, key: string, max: number): number {
  const value = table[key];
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number;
  throw new WireError('ERR_WIRE_JSON', `${key}: an integer from 0 to ${max} expected`);
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
