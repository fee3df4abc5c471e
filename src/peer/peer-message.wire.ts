/**
 * The bytes of the handover protocol's messages (protocol.ts), little-endian. The link's frame carries the type beside
 * them (link-frame.wire.ts), so a payload starts with its first field. docs/HANDOVER.md draws each.
 *
 *   u53: low u32, high u32 · ledger: 16 bytes · blob: length u32, bytes · list: count u16, items
 *
 *   commit     ledger · tick u32 · lowWatermark u53 · list of: transferSeq u53 · entity u53 · seq u32 · targetCell u32
 *              · passenger · pending inputs · record blob
 *   ack        ledger · credits u32 · list accepted u53 · list confirmed u53 · list of: rejected u53 · reason u8 · hint u8
 *   cancel     ledger · list of u53             collect   ledger · lowWatermark u53
 *   resolve    source · target · list of u53    resolved  source · target · list accepted u53 · list notFound u53
 *   importNeeded  ledger                        importUnneeded  ledger · list of ledgers
 *   event      issuer · number u53 · entity u53 · event u8 · hops u8 · payload blob
 *   eventDone  issuer · list of u53
 *   moved      entity u53 · seq u32 · hint u8   locate    entity u53
 *   publicationsAsked    list of: ledger · entity u53 · number u53
 *   publicationsSettled  list of: entity u53 · number u53
 *   found      entity u53 · node u8 · seq u32 · incarnation u32
 *
 * The stream to a buddy has no bytes: nodes of one host take over by the journal's file, and are never protected.
 */
import { WireError } from '../base/errors.ts';
import { readerOver } from '../base/pack.ts';
import type { Reader } from '../base/pack.ts';
import { EVENT_BYTES_MAX } from '../base/schema.ts';
import { readEnd, readU32, readU8 } from '../wire/cursor.wire.ts';
import type { MessageBuffer } from './message-buffer.ts';
import {
  readBlob,
  readCount,
  readEntity,
  readLedger,
  readNode,
  readPassenger,
  readPendingInputs,
  readRecord,
  readU53,
  writePassenger,
  writePendingInputs,
  writeRecord,
} from './message-fields.wire.ts';
import { COMMIT_ITEMS_MAX, HOPS_MAX, LEDGER_BYTES, REJECT_REASONS } from './protocol.ts';
import type { CommitItem, PeerMessage, PublicationId } from './protocol.ts';

/** Messages that go over a link. */
export type WiredMessage = Exclude<PeerMessage, { kind: 'stream' | 'streamed' | 'streamReset' }>;

/** Types of link frames, 1 … 31. */
export const PEER_MESSAGE_TYPE = {
  commit: 1,
  ack: 2,
  cancel: 3,
  collect: 4,
  resolve: 5,
  resolved: 6,
  event: 7,
  eventDone: 8,
  moved: 9,
  locate: 10,
  found: 11,
  importNeeded: 12,
  importUnneeded: 13,
  publicationsAsked: 14,
  publicationsSettled: 15,
} as const satisfies Record<WiredMessage['kind'], number>;
export const PEER_MESSAGE_TYPE_MAX = 31;

/** Numbers in one list: more goes in further messages. */
export const NUMBERS_MAX = 8192;
const COMMIT_ITEM_BYTES_MIN = 8 + 8 + 4 + 4 + 14 + 1 + 4;
const REJECTED_BYTES = 10;
const U53_BYTES = 8;

/** Writes the payload of a message into the buffer. */
export function encodePeerMessage(message: WiredMessage, buffer: MessageBuffer): void {
  switch (message.kind) {
    case 'commit':
      buffer.ledger(message.ledger);
      buffer.u32(message.tick);
      buffer.u53(message.lowWatermark);
      buffer.u16(message.items.length);
      for (const item of message.items) writeItem(buffer, item);
      return;
    case 'ack':
      buffer.ledger(message.ledger);
      buffer.u32(message.credits);
      writeNumbers(buffer, message.accepted);
      writeNumbers(buffer, message.confirmed);
      buffer.u16(message.rejected.length);
      for (const { transferSeq, reason, hint } of message.rejected) {
        buffer.u53(transferSeq);
        buffer.u8(REJECT_REASONS.indexOf(reason));
        buffer.u8(hint);
      }
      return;
    case 'cancel':
      buffer.ledger(message.ledger);
      return writeNumbers(buffer, message.transferSeqs);
    case 'collect':
      buffer.ledger(message.ledger);
      return buffer.u53(message.lowWatermark);
    case 'resolve':
      buffer.ledger(message.source);
      buffer.ledger(message.target);
      return writeNumbers(buffer, message.transferSeqs);
    case 'resolved':
      buffer.ledger(message.source);
      buffer.ledger(message.target);
      writeNumbers(buffer, message.accepted);
      return writeNumbers(buffer, message.notFound);
    case 'importNeeded':
      return buffer.ledger(message.ledger);
    case 'importUnneeded':
      buffer.ledger(message.ledger);
      buffer.u16(message.speaksFor.length);
      for (const ledger of message.speaksFor) buffer.ledger(ledger);
      return;
    case 'event':
      buffer.ledger(message.row.issuer);
      buffer.u53(message.row.number);
      buffer.u53(message.row.entity);
      buffer.u8(message.row.event);
      buffer.u8(message.hops);
      return buffer.blob(message.row.payload);
    case 'eventDone':
      buffer.ledger(message.issuer);
      return writeNumbers(buffer, message.numbers);
    case 'moved':
      buffer.u53(message.entity);
      buffer.u32(message.seq);
      return buffer.u8(message.hint);
    case 'locate':
      return buffer.u53(message.entity);
    case 'publicationsAsked':
      return writeAsked(buffer, message.asked);
    case 'publicationsSettled':
      return writeSettled(buffer, message.settled);
    case 'found':
      buffer.u53(message.entity);
      buffer.u8(message.node);
      buffer.u32(message.seq);
      return buffer.u32(message.incarnation);
  }
}

/**
 * Reads the payload of a frame of this type.
 * @throws WireError; no other error.
 */
export function decodePeerMessage(type: number, payload: Uint8Array): WiredMessage {
  const reader = readerOver(payload);
  const message = readMessage(type, reader);
  readEnd(reader);
  return message;
}

function readMessage(type: number, reader: Reader): WiredMessage {
  switch (type) {
    case PEER_MESSAGE_TYPE.commit:
      return readCommit(reader);
    case PEER_MESSAGE_TYPE.ack:
      return readAck(reader);
    case PEER_MESSAGE_TYPE.cancel:
      return { kind: 'cancel', ledger: readLedger(reader), transferSeqs: readNumbers(reader) };
    case PEER_MESSAGE_TYPE.collect:
      return { kind: 'collect', ledger: readLedger(reader), lowWatermark: readU53(reader) };
    case PEER_MESSAGE_TYPE.resolve: {
      const source = readLedger(reader);
      const target = readLedger(reader);
      return { kind: 'resolve', source, target, transferSeqs: readNumbers(reader) };
    }
    case PEER_MESSAGE_TYPE.resolved: {
      const source = readLedger(reader);
      const target = readLedger(reader);
      const accepted = readNumbers(reader);
      return { kind: 'resolved', source, target, accepted, notFound: readNumbers(reader) };
    }
    case PEER_MESSAGE_TYPE.event:
      return readEvent(reader);
    case PEER_MESSAGE_TYPE.eventDone:
      return { kind: 'eventDone', issuer: readLedger(reader), numbers: readNumbers(reader) };
    case PEER_MESSAGE_TYPE.moved: {
      const entity = readEntity(reader);
      const seq = readU32(reader);
      return { kind: 'moved', entity, seq, hint: readNode(reader) };
    }
    case PEER_MESSAGE_TYPE.locate:
      return { kind: 'locate', entity: readEntity(reader) };
    case PEER_MESSAGE_TYPE.found: {
      const entity = readEntity(reader);
      const node = readNode(reader);
      const seq = readU32(reader);
      return { kind: 'found', entity, node, seq, incarnation: readU32(reader) };
    }
    case PEER_MESSAGE_TYPE.importNeeded:
      return { kind: 'importNeeded', ledger: readLedger(reader) };
    case PEER_MESSAGE_TYPE.importUnneeded: {
      const ledger = readLedger(reader);
      const count = readCount(reader, { countMax: NUMBERS_MAX, itemBytesMin: LEDGER_BYTES });
      return { kind: 'importUnneeded', ledger, speaksFor: Array.from({ length: count }, () => readLedger(reader)) };
    }
    case PEER_MESSAGE_TYPE.publicationsAsked: {
      const count = readCount(reader, { countMax: NUMBERS_MAX, itemBytesMin: LEDGER_BYTES + 2 * U53_BYTES });
      const asked = Array.from({ length: count }, () => ({ ledger: readLedger(reader), ...readPublication(reader) }));
      return { kind: 'publicationsAsked', asked };
    }
    case PEER_MESSAGE_TYPE.publicationsSettled: {
      const count = readCount(reader, { countMax: NUMBERS_MAX, itemBytesMin: 2 * U53_BYTES });
      return { kind: 'publicationsSettled', settled: Array.from({ length: count }, () => readPublication(reader)) };
    }
    default:
      throw new WireError('ERR_WIRE_TYPE', `no message has type ${type}`);
  }
}

function writeAsked(buffer: MessageBuffer, asked: Extract<PeerMessage, { kind: 'publicationsAsked' }>['asked']): void {
  buffer.u16(asked.length);
  for (const { ledger, entity, number } of asked) {
    buffer.ledger(ledger);
    buffer.u53(entity);
    buffer.u53(number);
  }
}

function writeSettled(buffer: MessageBuffer, settled: readonly PublicationId[]): void {
  buffer.u16(settled.length);
  for (const { entity, number } of settled) {
    buffer.u53(entity);
    buffer.u53(number);
  }
}

function readPublication(reader: Reader): PublicationId {
  const entity = readEntity(reader);
  return { entity, number: readU53(reader) };
}

function writeItem(buffer: MessageBuffer, item: CommitItem): void {
  buffer.u53(item.transferSeq);
  buffer.u53(item.id);
  buffer.u32(item.seq);
  buffer.u32(item.targetCell);
  writePassenger(buffer, item.passenger);
  writePendingInputs(buffer, item.pendingInputs);
  writeRecord(buffer, item.record);
}

function readCommit(reader: Reader): WiredMessage {
  const ledger = readLedger(reader);
  const tick = readU32(reader);
  const lowWatermark = readU53(reader);
  const count = readCount(reader, { countMax: COMMIT_ITEMS_MAX, itemBytesMin: COMMIT_ITEM_BYTES_MIN });
  const items: CommitItem[] = [];
  for (let index = 0; index < count; index++) {
    const transferSeq = readU53(reader);
    const id = readEntity(reader);
    const seq = readU32(reader);
    const targetCell = readU32(reader);
    const passenger = readPassenger(reader);
    const pendingInputs = readPendingInputs(reader);
    items.push({ transferSeq, id, seq, targetCell, passenger, pendingInputs, record: readRecord(reader) });
  }
  return { kind: 'commit', ledger, tick, lowWatermark, items };
}

function readAck(reader: Reader): WiredMessage {
  const ledger = readLedger(reader);
  const credits = readU32(reader);
  const accepted = readNumbers(reader);
  const confirmed = readNumbers(reader);
  const count = readCount(reader, { countMax: NUMBERS_MAX, itemBytesMin: REJECTED_BYTES });
  const rejected = [];
  for (let index = 0; index < count; index++) {
    const transferSeq = readU53(reader);
    const reason = REJECT_REASONS[readU8(reader)];
    if (reason === undefined) throw new WireError('ERR_WIRE_RANGE', 'a reason of a rejection that does not exist');
    rejected.push({ transferSeq, reason, hint: readNode(reader) });
  }
  return { kind: 'ack', ledger, accepted, confirmed, rejected, credits };
}

function readEvent(reader: Reader): WiredMessage {
  const issuer = readLedger(reader);
  const number = readU53(reader);
  const entity = readEntity(reader);
  const event = readU8(reader);
  const hops = readU8(reader);
  if (hops > HOPS_MAX + 1) throw new WireError('ERR_WIRE_RANGE', `${hops} hops`);
  return { kind: 'event', row: { issuer, number, entity, event, payload: readBlob(reader, EVENT_BYTES_MAX) }, hops };
}

function writeNumbers(buffer: MessageBuffer, numbers: readonly number[]): void {
  buffer.u16(numbers.length);
  for (const number of numbers) buffer.u53(number);
}

function readNumbers(reader: Reader): number[] {
  const count = readCount(reader, { countMax: NUMBERS_MAX, itemBytesMin: U53_BYTES });
  const numbers: number[] = [];
  for (let index = 0; index < count; index++) numbers.push(readU53(reader));
  return numbers;
}
