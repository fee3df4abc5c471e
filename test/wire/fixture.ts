/** A world with a field of every type, and values of every message for the tests of the wire. */
import * as fc from 'fast-check';
import { entityIdFrom } from '../../src/base/brand.ts';
import {
  bool,
  bytes,
  component,
  entity,
  f32,
  f64,
  i16,
  i32,
  i8,
  list,
  text,
  u16,
  u32,
  u8,
} from '../../src/base/fields.ts';
import type { Values } from '../../src/base/pack.ts';
import { naturalRange } from '../../src/base/schema.ts';
import type { ComponentSchema, FieldSchema } from '../../src/base/schema.ts';
import { defineWorld } from '../../src/base/world.ts';
import { dequantize, quantize, quantizedSizeBytes, sentComponents } from '../../src/wire/component.wire.ts';
import { CLIENT_MODES, INPUT_WINDOW, PROTOCOL_ERRORS, PROTOCOL_VERSION } from '../../src/wire/messages.ts';
import type { ClientMessage, EnterEntry, ServerMessage, Snapshot } from '../../src/wire/messages.ts';

export const world = defineWorld({
  name: 'fixture',
  version: 3,
  size: 512,
  components: {
    look: { name: text(16), badge: bytes(8), flag: bool() },
    numbers: { a: i8(), b: u8(), c: i16(), d: u16(), e: i32(), f: u32(), g: f32(), h: f64(), i: entity() },
    health: {
      points: f32({ min: 0, max: 100, precision: 0.5 }),
      heading: f32({ min: -4, max: 4, precision: 0.001 }),
      wealth: f64({ min: 0, max: 1_000_000, precision: 0.01 }),
    },
    bag: component({ items: list({ item: u16(), count: u8() }, { max: 7 }) }, { visible: 'owner' }),
    secret: component({ plan: u32() }, { visible: 'none' }),
  },
  kinds: {
    player: { components: ['look', 'health', 'bag', 'secret'], speedMax: 6 },
    rock: { components: ['numbers'] },
    ghost: { components: [] },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }), jump: bool(), say: text(8) },
    apply(self, input) {
      self.vx = input.moveX;
      self.vz = input.moveZ;
    },
  },
  events: { hit: { by: entity(), force: f32({ min: 0, max: 10, precision: 0.1 }) }, cheer: {} },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});
export const schema = world.schema;

const u32Value = fc.integer({ min: 0, max: 0xffff_ffff });
const i32Value = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const alias = fc.integer({ min: 1, max: 255 });
const idValue = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 21 - 1 }), fc.integer({ min: 1, max: 0xffff_ffff }))
  .map(([incarnation, counter]) => entityIdFrom(incarnation, counter));
/** JSON has no negative zero. */
const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map((value) => value + 0 || 0);
const f32Value = finite.map(Math.fround).map((value) => value || 0);

export function textOf(bytesMax: number): fc.Arbitrary<string> {
  return fc
    .string({ unit: 'binary', maxLength: bytesMax })
    .map((value) => value.toWellFormed())
    .filter((value) => new TextEncoder().encode(value).length <= bytesMax);
}

/** Values as they come out of a decoder: quantized fields in whole steps, when `replicated`. */
export function valuesOf(
  fields: readonly FieldSchema[],
  { replicated }: { replicated: boolean },
): fc.Arbitrary<Values> {
  return fc
    .record(Object.fromEntries(fields.map((field) => [field.name, valueOf(field, replicated)])))
    .map((values) => ({ ...values }));
}

function valueOf(field: FieldSchema, replicated: boolean): fc.Arbitrary<unknown> {
  switch (field.type) {
    case 'bool':
      return fc.boolean();
    case 'text':
      return textOf(field.bytesMax ?? 0);
    case 'bytes':
      return fc.uint8Array({ maxLength: field.bytesMax ?? 0 });
    case 'list':
      return fc.array(valuesOf(field.item ?? [], { replicated: false }), { maxLength: field.countMax ?? 0 });
    case 'entity':
      return idValue;
    case 'f32':
    case 'f64': {
      const ranged = fc
        .double({ noNaN: true, min: field.min ?? -1e6, max: field.max ?? 1e6 })
        .map((value) => value || 0);
      if (replicated && quantizedSizeBytes(field) > 0)
        return ranged.map((value) => dequantize(field, quantize(field, value)));
      return field.type === 'f32' ? ranged.map((value) => Math.fround(value) || 0) : ranged;
    }
    default: {
      const { min, max } = naturalRange(field.type);
      return fc.integer({ min: field.min ?? min, max: field.max ?? max });
    }
  }
}

export const clientMessages: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    protocolVersion: fc.constant(PROTOCOL_VERSION),
    schemaHash: u32Value,
    name: textOf(32),
    token: textOf(64),
    resumeToken: textOf(128),
    mode: fc.constantFrom(...CLIENT_MODES),
    clientTimeMs: finite,
    lastKnownTick: u32Value,
  }),
  u32Value.chain((sequence) =>
    fc.record({
      type: fc.constant('input' as const),
      sequence: fc.constant(sequence),
      back: fc.integer({ min: 0, max: Math.min(INPUT_WINDOW, Math.max(1, sequence)) - 1 }),
      input: valuesOf(schema.input, { replicated: false }),
    }),
  ),
  fc.constant({ type: 'keyframe' as const }),
  fc.record({ type: fc.constant('ping' as const), nonce: u32Value }),
  fc.constant({ type: 'bye' as const }),
  fc.record({ type: fc.constant('handoverAck' as const), seq: u32Value }),
);

const rate = fc.double({ min: 0.5, max: 1000, noNaN: true });
export const plainServerMessages: fc.Arbitrary<Exclude<ServerMessage, Snapshot>> = fc.oneof(
  fc.record({
    type: fc.constant('welcome' as const),
    protocolVersion: fc.constant(PROTOCOL_VERSION),
    session: u32Value,
    resumed: fc.boolean(),
    tick: u32Value,
    serverTimeMs: finite,
    tickHz: rate,
    snapshotHz: rate,
    aoiRadius: finite,
    cellSize: finite,
    minX: finite,
    minZ: finite,
    maxX: finite,
    maxZ: finite,
    edge: fc.constantFrom('bounce' as const, 'stop' as const),
    resumeGraceMs: u32Value,
    resumeToken: textOf(128),
    mode: fc.constantFrom(...CLIENT_MODES),
    gateways: fc.array(textOf(64), { maxLength: 8 }),
    schemaHash: u32Value,
    schema: fc.constantFrom(undefined, schema),
  }),
  fc.record({ type: fc.constant('pong' as const), nonce: u32Value, serverTimeMs: finite, tick: u32Value }),
  fc.record({ type: fc.constant('error' as const), code: fc.constantFrom(...PROTOCOL_ERRORS), message: textOf(255) }),
  fc.record({ type: fc.constant('handover' as const), seq: u32Value, node: textOf(64) }),
  fc.record({
    type: fc.constant('handoverStart' as const),
    seq: u32Value,
    url: textOf(255),
    token: textOf(255),
    validMs: u32Value,
  }),
);

export const snapshots: fc.Arbitrary<Snapshot> = fc
  .option(
    fc.record({ alias: fc.integer({ min: 0, max: 255 }), x: f32Value, z: f32Value, vx: f32Value, vz: f32Value }),
    {
      nil: undefined,
    },
  )
  .chain((self) => fc.tuple(fc.constant(self), fc.constantFrom('delta', 'keyframe', 'resync')))
  .chain(([self, sort]) =>
    fc.record({
      type: fc.constant('snapshot' as const),
      keyframe: fc.constant(sort === 'keyframe'),
      resync: fc.constant(sort === 'resync'),
      tick: u32Value,
      inputSequence: u32Value,
      durableLag: fc.integer({ min: 0, max: 255 }),
      self: fc.constant(self),
      leaves: fc.array(alias, { maxLength: 5 }),
      enters: fc.array(enterOf(self?.alias ?? 0), { maxLength: 4 }),
      moves: fc.array(
        fc.record({ alias, dxCm: fc.integer({ min: -128, max: 127 }), dzCm: fc.integer({ min: -128, max: 127 }) }),
        {
          maxLength: 6,
        },
      ),
      jumps: fc.array(fc.record({ alias, xCm: i32Value, zCm: i32Value }), { maxLength: 4 }),
      turns: fc.array(
        fc.record({
          alias,
          dxCm: fc.integer({ min: -128, max: 127 }),
          dzCm: fc.integer({ min: -128, max: 127 }),
          vx: fc.integer({ min: -0x8000, max: 0x7fff }),
          vz: fc.integer({ min: -0x8000, max: 0x7fff }),
        }),
        { maxLength: 4 },
      ),
      changes: fc.array(fc.constantFrom(...schema.components).chain(changeOf), { maxLength: 4 }),
      events: fc.array(
        fc
          .constantFrom(...schema.events)
          .chain((of) =>
            fc.record({ alias, event: fc.constant(of.index), values: valuesOf(of.fields, { replicated: false }) }),
          ),
        { maxLength: 3 },
      ),
    }),
  );

/** All fields, or only some of them. */
function changeOf(of: ComponentSchema): fc.Arbitrary<Snapshot['changes'][number]> {
  return fc.subarray([...of.fields], { minLength: 1 }).chain((fields) =>
    fc.record({
      alias,
      component: fc.constant(of.index),
      values: valuesOf(fields, { replicated: true }),
    }),
  );
}

function enterOf(ownAlias: number): fc.Arbitrary<EnterEntry> {
  return fc.tuple(alias, fc.constantFrom(...schema.kinds)).chain(([of, kind]) => {
    const sent = sentComponents(schema, kind, { own: of === ownAlias });
    return fc.record({
      alias: fc.constant(of),
      id: idValue,
      kind: fc.constant(kind.index),
      xCm: i32Value,
      zCm: i32Value,
      components: fc
        .tuple(...sent.map((entry) => valuesOf(entry.fields, { replicated: true })))
        .map((values) => new Map(values.map((value, index) => [sent[index]!.index, value]))),
    });
  });
}
