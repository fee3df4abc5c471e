/**
 * The same messages as JSON text, for people and for debugging (`?format=json`): one object a message, with the very names
 * of messages.ts. Bytes are base64; the components of an enter are an object keyed by component index.
 */
import { unreachable } from '../base/assert.ts';
import type { EntityId } from '../base/brand.ts';
import { counterOf, INCARNATION_MAX, incarnationOf } from '../base/brand.ts';
import { WireError } from '../base/errors.ts';
import type { Values } from '../base/pack.ts';
import type { Schema } from '../base/schema.ts';
import {
  CLIENT_MESSAGE_BYTES_MAX,
  ERROR_BYTES_MAX,
  GATEWAYS_MAX,
  NAME_BYTES_MAX,
  NODE_BYTES_MAX,
  RESUME_TOKEN_BYTES_MAX,
  SERVER_MESSAGE_BYTES_MAX,
  TOKEN_BYTES_MAX,
  URL_BYTES_MAX,
} from './client.wire.ts';
import { sentComponents } from './component.wire.ts';
import { textCut } from './cursor.wire.ts';
import { valuesFromJson, valuesToJson } from './json-values.wire.ts';
import { CLIENT_MODES, INPUT_WINDOW, PROTOCOL_ERRORS, PROTOCOL_VERSION } from './messages.ts';
import type { ClientMessage, ClientMode, EnterEntry, ServerMessage, Snapshot, Welcome } from './messages.ts';
import { VELOCITY_MAX } from './motion.core.ts';
import { schemaFromJson } from './schema.wire.ts';
import { componentAt, DURABLE_LAG_MAX, entityIdOf, eventAt, kindAt, SNAPSHOT_ENTRIES_MAX } from './snapshot.wire.ts';

type Table = Readonly<Record<string, unknown>>;

/** JSON takes about four times the bytes. */
const JSON_FACTOR = 4;
export const CLIENT_JSON_LENGTH_MAX = CLIENT_MESSAGE_BYTES_MAX * JSON_FACTOR;
export const SERVER_JSON_LENGTH_MAX = SERVER_MESSAGE_BYTES_MAX * JSON_FACTOR;

export function toJson(message: ClientMessage | ServerMessage): string {
  switch (message.type) {
    case 'input':
      return JSON.stringify({ ...message, input: valuesToJson(message.input) });
    case 'snapshot':
      return JSON.stringify({
        ...message,
        enters: message.enters.map((enter) => ({ ...enter, components: componentsToJson(enter.components) })),
        changes: message.changes.map((change) => ({ ...change, values: valuesToJson(change.values) })),
        events: message.events.map((event) => ({ ...event, values: valuesToJson(event.values) })),
      });
    case 'hello':
    case 'ping':
    case 'bye':
    case 'handoverAck':
    case 'keyframe':
    case 'welcome':
    case 'pong':
    case 'handover':
    case 'handoverStart':
      return JSON.stringify(message);
    case 'error':
      return JSON.stringify({ ...message, message: textCut(message.message, ERROR_BYTES_MAX) });
    default:
      return unreachable(message);
  }
}

/**
 * Reads a message of either direction. INPUT and SNAPSHOT need the schema.
 * @throws WireError with the codes of the binary decoders, or ERR_WIRE_JSON for what is not the object it should be.
 */
export function fromJson(text: string, schema: Schema | undefined): ClientMessage | ServerMessage {
  const table = parse(text, SERVER_JSON_LENGTH_MAX);
  return isClientType(table['type']) ? clientMessageFrom(table, schema) : serverMessageFrom(table, schema);
}

/** As fromJson, and refuses what only a server says. */
export function clientMessageFromJson(text: string, schema: Schema | undefined): ClientMessage {
  return clientMessageFrom(parse(text, CLIENT_JSON_LENGTH_MAX), schema);
}

/** As fromJson, and refuses what only a client says. */
export function serverMessageFromJson(text: string, schema: Schema | undefined): ServerMessage {
  return serverMessageFrom(parse(text, SERVER_JSON_LENGTH_MAX), schema);
}

const CLIENT_TYPES: ReadonlySet<unknown> = new Set<ClientMessage['type']>([
  'hello',
  'input',
  'ping',
  'bye',
  'handoverAck',
  'keyframe',
]);

function isClientType(type: unknown): boolean {
  return CLIENT_TYPES.has(type);
}

function clientMessageFrom(table: Table, schema: Schema | undefined): ClientMessage {
  switch (table['type']) {
    case 'hello':
      return {
        type: 'hello',
        protocolVersion: versionAt(table),
        schemaHash: u32At(table, 'schemaHash'),
        name: textAt(table, 'name', NAME_BYTES_MAX),
        token: textAt(table, 'token', TOKEN_BYTES_MAX),
        resumeToken: textAt(table, 'resumeToken', RESUME_TOKEN_BYTES_MAX),
        mode: modeAt(table),
        clientTimeMs: numberAt(table, 'clientTimeMs'),
        lastKnownTick: u32At(table, 'lastKnownTick'),
      };
    case 'input':
      if (schema === undefined) throw new WireError('ERR_WIRE_TYPE', 'an input before the hello');
      return {
        type: 'input',
        sequence: u32At(table, 'sequence'),
        back: backAt(table),
        input: valuesFromJson(schema.input, tableAt(table, 'input'), { declaredRange: true }),
      };
    case 'ping':
      return { type: 'ping', nonce: u32At(table, 'nonce') };
    case 'bye':
      return { type: 'bye' };
    case 'keyframe':
      return { type: 'keyframe' };
    case 'handoverAck':
      return { type: 'handoverAck', seq: u32At(table, 'seq') };
    default:
      throw new WireError('ERR_WIRE_TYPE', `${show(table['type'])} is not the type of a client's message`);
  }
}

function serverMessageFrom(table: Table, schema: Schema | undefined): ServerMessage {
  switch (table['type']) {
    case 'welcome':
      return welcomeFrom(table);
    case 'snapshot':
      if (schema === undefined) throw new WireError('ERR_WIRE_TYPE', 'a snapshot before the welcome');
      return snapshotFrom(table, schema);
    case 'pong':
      return {
        type: 'pong',
        nonce: u32At(table, 'nonce'),
        serverTimeMs: numberAt(table, 'serverTimeMs'),
        tick: u32At(table, 'tick'),
      };
    case 'error': {
      const code = PROTOCOL_ERRORS.find((known) => known === table['code']);
      if (code === undefined) throw new WireError('ERR_WIRE_RANGE', `unknown error code ${show(table['code'])}`);
      return { type: 'error', code, message: textAt(table, 'message', ERROR_BYTES_MAX) };
    }
    case 'handover':
      return { type: 'handover', seq: u32At(table, 'seq'), node: textAt(table, 'node', NODE_BYTES_MAX) };
    case 'handoverStart':
      return {
        type: 'handoverStart',
        seq: u32At(table, 'seq'),
        url: textAt(table, 'url', URL_BYTES_MAX),
        token: textAt(table, 'token', RESUME_TOKEN_BYTES_MAX),
        validMs: u32At(table, 'validMs'),
      };
    default:
      throw new WireError('ERR_WIRE_TYPE', `${show(table['type'])} is not the type of a server's message`);
  }
}

function welcomeFrom(table: Table): Welcome {
  const edge = table['edge'];
  if (edge !== 'bounce' && edge !== 'stop')
    throw new WireError('ERR_WIRE_RANGE', `edge is bounce or stop, got ${show(edge)}`);
  return {
    type: 'welcome',
    protocolVersion: versionAt(table),
    session: u32At(table, 'session'),
    resumed: booleanAt(table, 'resumed'),
    tick: u32At(table, 'tick'),
    serverTimeMs: numberAt(table, 'serverTimeMs'),
    tickHz: rateAt(table, 'tickHz'),
    snapshotHz: rateAt(table, 'snapshotHz'),
    aoiRadius: numberAt(table, 'aoiRadius'),
    cellSize: numberAt(table, 'cellSize'),
    minX: numberAt(table, 'minX'),
    minZ: numberAt(table, 'minZ'),
    maxX: numberAt(table, 'maxX'),
    maxZ: numberAt(table, 'maxZ'),
    edge,
    resumeGraceMs: u32At(table, 'resumeGraceMs'),
    resumeToken: textAt(table, 'resumeToken', RESUME_TOKEN_BYTES_MAX),
    mode: modeAt(table),
    gateways: gatewaysAt(table),
    schemaHash: u32At(table, 'schemaHash'),
    schema: table['schema'] === undefined ? undefined : schemaFromJson(table['schema']),
  };
}

function snapshotFrom(table: Table, schema: Schema): Snapshot {
  const self = table['self'] === undefined ? undefined : selfFrom(tableAt(table, 'self'));
  return {
    type: 'snapshot',
    keyframe: booleanAt(table, 'keyframe'),
    resync: booleanAt(table, 'resync'),
    tick: u32At(table, 'tick'),
    inputSequence: u32At(table, 'inputSequence'),
    durableLag: integerAt(table, 'durableLag', { min: 0, max: DURABLE_LAG_MAX }),
    self,
    leaves: entriesAt(table, 'leaves').map((alias) => aliasFrom(alias)),
    enters: entriesAt(table, 'enters').map((entry) => enterFrom(asTable(entry, 'enters'), schema, self?.alias ?? 0)),
    moves: entriesAt(table, 'moves').map((entry) => {
      const move = asTable(entry, 'moves');
      return {
        alias: aliasFrom(move['alias']),
        dxCm: integerAt(move, 'dxCm', { min: -128, max: 127 }),
        dzCm: integerAt(move, 'dzCm', { min: -128, max: 127 }),
      };
    }),
    jumps: entriesAt(table, 'jumps').map((entry) => {
      const jump = asTable(entry, 'jumps');
      return { alias: aliasFrom(jump['alias']), xCm: i32At(jump, 'xCm'), zCm: i32At(jump, 'zCm') };
    }),
    turns: entriesAt(table, 'turns').map((entry) => turnFrom(asTable(entry, 'turns'))),
    changes: entriesAt(table, 'changes').map((entry) => {
      const change = asTable(entry, 'changes');
      const component = u32At(change, 'component');
      const given = tableAt(change, 'values');
      // Whoever is not named keeps its value.
      const fields = componentAt(schema, component).fields.filter(({ name }) => Object.hasOwn(given, name));
      return { alias: aliasFrom(change['alias']), component, values: valuesFromJson(fields, given) };
    }),
    events: entriesAt(table, 'events').map((entry) => {
      const event = asTable(entry, 'events');
      const index = u32At(event, 'event');
      const { fields } = eventAt(schema, index);
      return {
        alias: aliasFrom(event['alias']),
        event: index,
        values: valuesFromJson(fields, tableAt(event, 'values')),
      };
    }),
  };
}

function turnFrom(turn: Table): Snapshot['turns'][number] {
  return {
    alias: aliasFrom(turn['alias']),
    dxCm: integerAt(turn, 'dxCm', { min: -128, max: 127 }),
    dzCm: integerAt(turn, 'dzCm', { min: -128, max: 127 }),
    vx: integerAt(turn, 'vx', { min: -0x8000, max: VELOCITY_MAX }),
    vz: integerAt(turn, 'vz', { min: -0x8000, max: VELOCITY_MAX }),
  };
}

function selfFrom(table: Table): NonNullable<Snapshot['self']> {
  return {
    alias: integerAt(table, 'alias', { min: 0, max: 255 }),
    x: numberAt(table, 'x'),
    z: numberAt(table, 'z'),
    vx: numberAt(table, 'vx'),
    vz: numberAt(table, 'vz'),
  };
}

function enterFrom(table: Table, schema: Schema, ownAlias: number): EnterEntry {
  const alias = aliasFrom(table['alias']);
  const id = entityIdFromJson(table['id']);
  const kind = u32At(table, 'kind');
  const given = tableAt(table, 'components');
  const components = new Map<number, Values>();
  for (const component of sentComponents(schema, kindAt(schema, kind), { own: alias === ownAlias })) {
    components.set(component.index, valuesFromJson(component.fields, tableAt(given, String(component.index))));
  }
  return { alias, id, kind, xCm: i32At(table, 'xCm'), zCm: i32At(table, 'zCm'), components };
}

function componentsToJson(components: ReadonlyMap<number, Values>): Record<string, unknown> {
  return Object.fromEntries([...components].map(([index, values]) => [index, valuesToJson(values)]));
}

function entityIdFromJson(value: unknown): EntityId {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || incarnationOf(value as EntityId) > INCARNATION_MAX) {
    throw new WireError('ERR_WIRE_RANGE', `not an entity id: ${show(value)}`);
  }
  return entityIdOf(counterOf(value as EntityId), incarnationOf(value as EntityId));
}

function parse(text: string, lengthMax: number): Table {
  if (text.length > lengthMax) throw new WireError('ERR_WIRE_RANGE', `${text.length} characters, at most ${lengthMax}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('ERR_WIRE_JSON', `not JSON: ${String(cause)}`);
  }
  return asTable(value, 'a message');
}

function asTable(value: unknown, what: string): Table {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Table;
  throw new WireError('ERR_WIRE_JSON', `${what}: an object expected, got ${show(value)}`);
}

function tableAt(table: Table, key: string): Table {
  return asTable(own(table, key), key);
}

function entriesAt(table: Table, key: string): readonly unknown[] {
  const value = own(table, key);
  if (Array.isArray(value) && value.length <= SNAPSHOT_ENTRIES_MAX) return value;
  throw new WireError(
    'ERR_WIRE_JSON',
    `${key}: a list of at most ${SNAPSHOT_ENTRIES_MAX} expected, got ${show(value)}`,
  );
}

function aliasFrom(value: unknown): number {
  return integerAt({ alias: value }, 'alias', { min: 1, max: 255 });
}

function u32At(table: Table, key: string): number {
  return integerAt(table, key, { min: 0, max: 0xffff_ffff });
}

function i32At(table: Table, key: string): number {
  return integerAt(table, key, { min: -0x8000_0000, max: 0x7fff_ffff });
}

function integerAt(table: Table, key: string, { min, max }: { min: number; max: number }): number {
  const value = own(table, key);
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  throw new WireError('ERR_WIRE_RANGE', `${key}: an integer from ${min} to ${max} expected, got ${show(value)}`);
}

function numberAt(table: Table, key: string): number {
  const value = own(table, key);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new WireError('ERR_WIRE_RANGE', `${key}: a finite number expected, got ${show(value)}`);
}

function rateAt(table: Table, key: string): number {
  const rate = numberAt(table, key);
  if (rate > 0 && rate <= 1000) return rate;
  throw new WireError('ERR_WIRE_RANGE', `${key} is above 0 and at most 1000, got ${rate}`);
}

function booleanAt(table: Table, key: string): boolean {
  const value = own(table, key);
  if (typeof value === 'boolean') return value;
  throw new WireError('ERR_WIRE_JSON', `${key}: true or false expected, got ${show(value)}`);
}

function textAt(table: Table, key: string, sizeBytesMax: number): string {
  const value = own(table, key);
  if (typeof value !== 'string') throw new WireError('ERR_WIRE_JSON', `${key}: text expected, got ${show(value)}`);
  // No character takes fewer bytes than UTF-16 units make it long, so a long text is not encoded to be measured.
  if (value.length <= sizeBytesMax && new TextEncoder().encode(value).length <= sizeBytesMax) return value;
  throw new WireError('ERR_WIRE_RANGE', `${key} takes at most ${sizeBytesMax} bytes`);
}

function modeAt(table: Table): ClientMode {
  const mode = CLIENT_MODES.find((known) => known === own(table, 'mode'));
  if (mode !== undefined) return mode;
  throw new WireError('ERR_WIRE_RANGE', `mode is one of ${CLIENT_MODES.join(', ')}, got ${show(table['mode'])}`);
}

function backAt(table: Table): number {
  const max = Math.min(INPUT_WINDOW, Math.max(1, u32At(table, 'sequence'))) - 1;
  return integerAt(table, 'back', { min: 0, max });
}

function gatewaysAt(table: Table): string[] {
  const urls = own(table, 'gateways');
  if (!Array.isArray(urls) || urls.length > GATEWAYS_MAX) {
    throw new WireError('ERR_WIRE_JSON', `gateways: a list of at most ${GATEWAYS_MAX} expected, got ${show(urls)}`);
  }
  return urls.map((url) => textAt({ url }, 'url', URL_BYTES_MAX));
}

function versionAt(table: Table): number {
  const version = integerAt(table, 'protocolVersion', { min: 0, max: 0xffff });
  if (version === PROTOCOL_VERSION) return version;
  throw new WireError('ERR_WIRE_VERSION', `protocol version ${PROTOCOL_VERSION} expected, got ${version}`);
}

function own(table: Table, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 64));
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
