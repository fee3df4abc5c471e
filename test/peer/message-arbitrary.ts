/** Arbitrary messages between nodes, for round trips and fuzz. */
import * as fc from 'fast-check';
import type { EntityId } from '../../src/base/brand.ts';
import { RESUMED_VIEWS } from '../../src/memory/tunnel.ts';
import { REJECT_REASONS } from '../../src/peer/protocol.ts';
import type { WiredMessage } from '../../src/peer/peer-message.wire.ts';
import type { SessionMessage } from '../../src/peer/session-message.wire.ts';

const u8 = fc.integer({ min: 0, max: 255 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u53 = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) as fc.Arbitrary<EntityId>;
const nothing = fc.constant(0 as const);
const anyId = fc.oneof(id, nothing);
const node = fc.integer({ min: 0, max: 63 });
const hops = fc.integer({ min: 0, max: 5 });
const bytes = fc.uint8Array({ maxLength: 64 });
const numbers = fc.array(u53, { maxLength: 20 });
const account = fc.string({ maxLength: 16, unit: 'grapheme-ascii' });
const ledger = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((raw) => Buffer.from(raw).toString('hex'));
const marks = fc.array(fc.record({ sender: ledger, number: u53 }), { maxLength: 4 });
const passenger = fc.oneof(
  fc.record({ lastInput: u32, gateway: node, session: u53, account, marks }),
  fc.record({
    lastInput: u32,
    gateway: node,
    session: u53,
    account,
    marks,
    published: fc.record({ sender: ledger, number: u53 }),
  }),
);
const pendingInputs = fc.array(fc.record({ sequence: u32, payload: bytes }), { maxLength: 3 });
const item = fc.record({
  transferSeq: u53,
  id,
  seq: u32,
  targetCell: u32,
  passenger,
  pendingInputs,
  record: fc.uint8Array({ maxLength: 300 }),
});
const rejected = fc.record({ transferSeq: u53, reason: fc.constantFrom(...REJECT_REASONS), hint: node });
const row = fc.record({ issuer: ledger, number: u53, entity: id, event: u8, payload: bytes });
const kind = <Name extends string>(name: Name) => fc.constant(name);

export const anyPeerMessage: fc.Arbitrary<WiredMessage> = fc.oneof(
  fc.record({
    kind: kind('commit'),
    ledger,
    tick: u32,
    lowWatermark: u53,
    items: fc.array(item, { maxLength: 5 }),
  }),
  fc.record({
    kind: kind('ack'),
    ledger,
    accepted: numbers,
    confirmed: numbers,
    rejected: fc.array(rejected, { maxLength: 5 }),
    credits: u32,
  }),
  fc.record({ kind: kind('cancel'), ledger, transferSeqs: numbers }),
  fc.record({ kind: kind('collect'), ledger, lowWatermark: u53 }),
  fc.record({ kind: kind('resolve'), source: ledger, target: ledger, transferSeqs: numbers }),
  fc.record({ kind: kind('resolved'), source: ledger, target: ledger, accepted: numbers, notFound: numbers }),
  fc.record({ kind: kind('importNeeded'), ledger }),
  fc.record({ kind: kind('importUnneeded'), ledger, speaksFor: fc.array(ledger, { maxLength: 4 }) }),
  fc.record({
    kind: kind('publicationsAsked'),
    asked: fc.array(fc.record({ ledger, entity: id, number: u53 }), { maxLength: 5 }),
  }),
  fc.record({
    kind: kind('publicationsSettled'),
    settled: fc.array(fc.record({ entity: id, number: u53 }), { maxLength: 5 }),
  }),
  fc.record({ kind: kind('event'), row, hops }),
  fc.record({ kind: kind('eventDone'), issuer: ledger, numbers }),
  fc.record({ kind: kind('moved'), entity: id, seq: u32, hint: node }),
  fc.record({ kind: kind('locate'), entity: id }),
  fc.record({ kind: kind('found'), entity: id, node, seq: u32, incarnation: u32 }),
);

export const anySessionMessage: fc.Arbitrary<SessionMessage> = fc.oneof(
  fc.record({ kind: kind('ghosts'), bytes }),
  fc.record({
    kind: kind('subscribe'),
    cells: fc.array(u32, { maxLength: 30 }).map((cells) => Uint32Array.from(cells)),
  }),
  fc.record({ kind: kind('input'), session: id, sequence: u32, back: fc.nat(63), hops, payload: bytes }),
  fc.record({ kind: kind('state'), session: id, state: u8, viewReset: fc.boolean(), backlogBytes: u32 }),
  fc.record({ kind: kind('leave'), session: id, hops }),
  fc.record({ kind: kind('snapshot'), session: id, bytes }),
  fc.record({ kind: kind('route'), session: id, entity: id, node, seq: u32, incarnation: u32, lastInput: u32 }),
  fc.record({ kind: kind('routeDone'), session: id, seq: u32 }),
  fc.record({ kind: kind('ended'), session: id, reason: u8 }),
  fc.record({ kind: kind('login'), session: id, gateway: node, hops, name: account, account }),
  fc.record({ kind: kind('loginDone'), session: id, found: fc.boolean() }),
  fc
    .record({
      kind: kind('attach'),
      session: id,
      from: id,
      isRenamed: fc.boolean(),
      isRedirect: fc.boolean(),
      entity: anyId,
      lastKnownTick: u32,
      round: u8,
    })
    .filter(({ session, from }) => (session as number) !== (from as number)),
  fc.record({
    kind: kind('attachDone'),
    session: id,
    answer: fc.constantFrom('no', 'maybe', 'spent'),
    round: u8,
    successor: nothing,
    entity: nothing,
    seq: u32,
    incarnation: u32,
    view: fc.constantFrom(...RESUMED_VIEWS),
  }),
  fc.record({
    kind: kind('attachDone'),
    session: id,
    answer: kind('attached'),
    round: u8,
    successor: nothing,
    entity: id,
    seq: u32,
    incarnation: u32,
    view: fc.constantFrom(...RESUMED_VIEWS),
  }),
  fc.record({
    kind: kind('attachDone'),
    session: id,
    answer: kind('renamed'),
    round: u8,
    successor: id,
    entity: nothing,
    seq: u32,
    incarnation: u32,
    view: kind('reset'),
  }),
  fc.record({ kind: kind('heard'), session: id }),
);
