import test from 'ava';
import { Ring } from '../../src/memory/ring.ts';
import {
  ENDED_REASONS,
  NODE_NAME_BYTES_MAX,
  readGatewayFrame,
  readPeerFrame,
  writeTunnelEnded,
  writeTunnelHandedOver,
  writeTunnelInput,
  writeTunnelLeave,
  writeTunnelLogin,
  writeTunnelRoute,
  writeTunnelSnapshot,
  writeTunnelState,
} from '../../src/memory/tunnel.ts';

const HEAD = { row: 7, generation: 2 ** 32 - 1, session: 5 * 2 ** 32 + 9 };

function makeRing(capacityBytes = 1024): Ring {
  return new Ring(new SharedArrayBuffer(Ring.sizeBytes(capacityBytes)), 0, capacityBytes);
}

function drainGateway(ring: Ring): unknown[] {
  const frames: unknown[] = [];
  ring.drain((at) =>
    readGatewayFrame(ring, at, {
      input: (head, { sequence, back, at: first, sizeBytes }) =>
        frames.push(['input', head, sequence, back, [...ring.bytes.subarray(first, first + sizeBytes)]]),
      state: (...frame) => frames.push(['state', ...frame]),
      leave: (...frame) => frames.push(['leave', ...frame]),
      login: (...frame) => frames.push(['login', ...frame]),
      handedOver: (...frame) => frames.push(['handedOver', ...frame]),
    }),
  );
  return frames;
}

function drainPeer(ring: Ring): unknown[] {
  const frames: unknown[] = [];
  ring.drain((at, sizeBytes) =>
    readPeerFrame(
      ring,
      { at, sizeBytes },
      {
        snapshot: (row, generation, snapshot) =>
          frames.push([
            'snapshot',
            row,
            generation,
            snapshot.node,
            [...ring.bytes.subarray(snapshot.at, snapshot.at + snapshot.sizeBytes)],
          ]),
        route: (...frame) => frames.push(['route', ...frame]),
        ended: (...frame) => frames.push(['ended', ...frame]),
      },
    ),
  );
  return frames;
}

test('frames of the gateway come out as they were written', (t) => {
  const ring = makeRing();
  t.true(writeTunnelInput(ring, { ...HEAD, sequence: 2 ** 32 - 2, back: 5, payload: Uint8Array.of(1, 2, 3) }));
  t.true(writeTunnelState(ring, { ...HEAD, state: 2, backlogBytes: 70_000, viewReset: true }));
  t.true(writeTunnelState(ring, { ...HEAD, state: 1, backlogBytes: 2 ** 40, viewReset: false }));
  t.true(writeTunnelLeave(ring, HEAD));
  t.true(writeTunnelLogin(ring, { ...HEAD, name: 'Žofie', account: '' }));
  t.true(writeTunnelHandedOver(ring, { ...HEAD, seq: 2 ** 32 - 1 }));
  t.deepEqual(drainGateway(ring), [
    ['input', HEAD, 2 ** 32 - 2, 5, [1, 2, 3]],
    ['state', HEAD, { state: 2, backlogBytes: 70_000, viewReset: true }],
    ['state', HEAD, { state: 1, backlogBytes: 2 ** 32 - 1, viewReset: false }],
    ['leave', HEAD],
    ['login', HEAD, { name: 'Žofie', account: '' }],
    ['handedOver', HEAD, 2 ** 32 - 1],
  ]);
});

test('frames of the peer thread come out as they were written, a long name cut at a character', (t) => {
  const ring = makeRing();
  const { row, generation } = HEAD;
  t.true(writeTunnelSnapshot(ring, { row, generation, node: 63, bytes: Uint8Array.of(17, 1, 0, 9) }));
  t.true(writeTunnelRoute(ring, { row, generation, node: 63, seq: 2 ** 32 - 1, name: 'node-b' }));
  t.true(writeTunnelRoute(ring, { row, generation, node: 0, seq: 1, name: 'é'.repeat(NODE_NAME_BYTES_MAX) }));
  for (const reason of ENDED_REASONS) t.true(writeTunnelEnded(ring, { row, generation, reason }));
  t.deepEqual(drainPeer(ring), [
    ['snapshot', row, generation, 63, [17, 1, 0, 9]],
    ['route', row, generation, { node: 63, seq: 2 ** 32 - 1, name: 'node-b' }],
    ['route', row, generation, { node: 0, seq: 1, name: 'é'.repeat(NODE_NAME_BYTES_MAX / 2) }],
    ...ENDED_REASONS.map((reason) => ['ended', row, generation, reason]),
  ]);
});

test('a full ring takes nothing, and says so', (t) => {
  const ring = makeRing(64);
  const { row, generation } = HEAD;
  t.true(writeTunnelLeave(ring, HEAD));
  t.true(writeTunnelLeave(ring, HEAD));
  t.false(writeTunnelLeave(ring, HEAD));
  t.false(writeTunnelInput(ring, { ...HEAD, sequence: 1, back: 5, payload: new Uint8Array(0) }));
  t.false(writeTunnelState(ring, { ...HEAD, state: 0, backlogBytes: 0, viewReset: false }));
  t.false(writeTunnelLogin(ring, { ...HEAD, name: '', account: '' }));
  t.false(writeTunnelHandedOver(ring, { ...HEAD, seq: 0 }));
  t.false(writeTunnelSnapshot(ring, { row, generation, node: 1, bytes: new Uint8Array(0) }));
  t.false(writeTunnelRoute(ring, { row, generation, node: 0, seq: 0, name: '' }));
  t.false(writeTunnelEnded(ring, { row, generation, reason: 'gone' }));
  t.deepEqual(drainGateway(ring), [
    ['leave', HEAD],
    ['leave', HEAD],
  ]);
});

test('the bytes of a frame stay', (t) => {
  const ring = makeRing();
  writeTunnelInput(ring, {
    row: 1,
    generation: 2,
    session: 3 * 2 ** 32 + 4,
    sequence: 5,
    back: 5,
    payload: Uint8Array.of(6),
  });
  const hex: string[] = [];
  ring.drain((at, sizeBytes) => hex.push(Buffer.from(ring.bytes.slice(at, at + sizeBytes)).toString('hex')));
  t.deepEqual(hex, ['01050100010000000200000004000000030000000500000006']);
});
