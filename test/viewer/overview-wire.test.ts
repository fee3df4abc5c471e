import test from 'ava';
import * as fc from 'fast-check';
import { WireError } from '../../src/base/errors.ts';
import { decodeText } from '../../viewer/overview-text.wire.ts';
import { decodeFrame, kindOf, nodeOf, peerKindOf, slotOf } from '../../viewer/overview.wire.ts';

const fromHex = (hex: string): ArrayBuffer => {
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return bytes.buffer;
};

test('golden bytes of an entities frame', (t) => {
  const frame = decodeFrame(
    fromHex('01000000 2a000000 02000000 07000000 0000803f 000020c1 00000040 0000c03f 05000001 ffffff02'),
  );
  t.is(frame.type, 'entities');
  if (frame.type !== 'entities') return;
  t.deepEqual([frame.tick, frame.count, frame.total], [42, 2, 7]);
  t.deepEqual([...frame.x, ...frame.z], [1, -10, 2, 1.5]);
  t.deepEqual([...frame.slotAndKind].map(slotOf), [5, 0xffffff]);
  t.deepEqual([...frame.slotAndKind].map(kindOf), [1, 2]);
});

test('golden bytes of a handovers frame', (t) => {
  const frame = decodeFrame(fromHex('02000000 2a000000 01000000 00000000 0000803f 00000040 03000000 04000000'));
  t.is(frame.type, 'handovers');
  if (frame.type !== 'handovers') return;
  t.deepEqual([frame.x[0], frame.z[0], frame.sourceCell[0], frame.targetCell[0]], [1, 2, 3, 4]);
});

test('golden bytes of a frame of handovers between nodes', (t) => {
  const frame = decodeFrame(fromHex('03000000 2a000000 01000000 00000000 0000803f 00000040 013f0000 e8030000'));
  t.is(frame.type, 'peerHandovers');
  if (frame.type !== 'peerHandovers') return;
  t.deepEqual([frame.x[0], frame.z[0], frame.ageMs[0]], [1, 2, 1000]);
  t.deepEqual([peerKindOf(frame.kindAndNode[0]!), nodeOf(frame.kindAndNode[0]!)], [1, 63]);
});

test('frames that are short, long, of another type, too large or not finite are refused', (t) => {
  const refused: [string, string][] = [
    ['01000000', 'ERR_WIRE_TRUNCATED'],
    ['01000000 2a000000 02000000 07000000 0000803f', 'ERR_WIRE_TRUNCATED'],
    ['01000000 2a000000 00000000 07000000 0000803f', 'ERR_WIRE_TRAILING'],
    ['04000000 2a000000 00000000 00000000', 'ERR_WIRE_TYPE'],
    ['00000000 2a000000 00000000 00000000', 'ERR_WIRE_TYPE'],
    ['03000000 2a000000 01000000 00000000 00000000 00000000 01020000', 'ERR_WIRE_TRUNCATED'],
    ['01000000 2a000000 ffffffff 00000000', 'ERR_WIRE_RANGE'],
    ['01000000 2a000000 01000000 01000000 0000c07f 00000000 00000000', 'ERR_WIRE_RANGE'],
    ['01000000 2a000000 01000000 01000000 00000000 0000807f 00000000', 'ERR_WIRE_RANGE'],
  ];
  for (const [hex, code] of refused) {
    t.is(t.throws(() => decodeFrame(fromHex(hex)), { instanceOf: WireError }).code as string, code, hex);
  }
});

test('any bytes give a frame of the length they say, or a WireError', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isTyped) => {
      const copy = Uint8Array.from(bytes);
      if (isTyped && copy.length > 12) copy.set([1 + (copy[0]! % 3), 0, 0, 0], 0);
      if (isTyped && copy.length > 12) copy.set([copy[8]! % 16, 0, 0, 0], 8);
      try {
        const frame = decodeFrame(copy.buffer);
        return frame.x.length === frame.count && frame.z.every(Number.isFinite);
      } catch (error) {
        return error instanceof WireError;
      }
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

const WORLD = {
  type: 'world',
  name: 'meadow',
  schema: { kinds: [{ name: 'player' }, { name: 'bot', sheddable: true }], input: [{ name: 'moveX' }] },
  grid: {
    cellSize: 256,
    minX: -512,
    minZ: -256,
    maxX: 512,
    maxZ: 256,
    firstCellX: -2,
    firstCellZ: -1,
    width: 4,
    depth: 2,
  },
  tickHz: 20,
  snapshotHz: 10,
  aoiRadius: 128,
};

test('a world message', (t) => {
  const world = decodeText(JSON.stringify(WORLD));
  t.is(world?.type, 'world');
  if (world?.type !== 'world') return;
  t.deepEqual(world.kinds, [
    { name: 'player', sheddable: false },
    { name: 'bot', sheddable: true },
  ]);
  t.deepEqual(world.inputFields, ['moveX']);
  t.is(world.grid.depth, 2);
});

test('a world that cannot be drawn is refused', (t) => {
  for (const change of [
    { tickHz: 0 },
    { aoiRadius: 'far' },
    { grid: { ...WORLD.grid, width: 0.5 } },
    { grid: { ...WORLD.grid, width: 1e9 } },
    { grid: { ...WORLD.grid, maxX: -512 } },
    { schema: null },
    { schema: { kinds: {} } },
  ]) {
    t.throws(
      () => decodeText(JSON.stringify({ ...WORLD, ...change })),
      { instanceOf: WireError },
      JSON.stringify(change),
    );
  }
});

test('statistics: missing numbers are zero, unknown messages are undefined', (t) => {
  const stats = decodeText(JSON.stringify({ type: 'stats', tick: 5, ticks: [{ tick: 5, totalMs: 2, moveMs: 0.5 }] }));
  t.is(stats?.type, 'stats');
  if (stats?.type !== 'stats') return;
  t.deepEqual(stats.ticks[0], {
    tick: 5,
    totalMs: 2,
    latenessMs: 0,
    localHandovers: 0,
    phasesMs: [0, 0, 0.5, 0, 0, 0],
  });
  t.deepEqual(stats.cells, []);
  t.is(decodeText('{"type":"later"}'), undefined);
  t.throws(() => decodeText('{'), { instanceOf: WireError });
  t.throws(() => decodeText('[]'), { instanceOf: WireError });
});

test('any JSON gives a message or a WireError', (t) => {
  fc.assert(
    fc.property(fc.constantFrom('world', 'stats'), fc.dictionary(fc.string(), fc.jsonValue()), (type, value) => {
      try {
        decodeText(JSON.stringify({ ...value, type }));
        return true;
      } catch (error) {
        return error instanceof WireError;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('who is in the cluster, and who owns which cell', (t) => {
  const self = { node: 2, name: 'b' };
  const nodes = [{ node: 1, name: 'a', clientUrl: 'ws://a/connect', state: 'active' }];
  t.deepEqual(decodeText(JSON.stringify({ type: 'nodes', self, nodes })), {
    type: 'nodes',
    self,
    nodes,
    decisions: [],
  });
  t.deepEqual(decodeText('{"type":"nodes","self":{}}'), {
    type: 'nodes',
    self: { node: 0, name: '' },
    nodes: [],
    decisions: [],
  });
  for (const text of [
    '{"type":"nodes"}',
    '{"type":"nodes","self":{},"nodes":[1]}',
    '{"type":"nodes","self":{},"nodes":{}}',
  ]) {
    t.throws(() => decodeText(text), { instanceOf: WireError }, text);
  }
  const many = Array.from({ length: 65 }, () => nodes[0]);
  t.throws(() => decodeText(JSON.stringify({ type: 'nodes', self, nodes: many })), { instanceOf: WireError });
  const stats = decodeText('{"type":"stats","tick":1,"owners":[0,2,255]}');
  t.deepEqual(stats?.type === 'stats' ? stats.owners : undefined, [0, 2, 255]);
});
