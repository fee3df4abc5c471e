import test from 'ava';
import { Ring } from '../../src/memory/ring.ts';
import {
  ENDED_REASONS,
  NODE_NAME_BYTES_MAX,
  RESUMED_VIEWS,
  readGatewayFrame,
  readPeerFrame,
  writeTunnelEnded,
  writeTunnelHeard,
  writeTunnelInput,
  writeTunnelLeave,
  writeTunnelLogin,
  writeTunnelResume,
  writeTunnelResumed,
  writeTunnelRoute,
  writeTunnelSnapshot,
  writeTunnelState,
} from '../../src/memory/tunnel.ts';

const HEAD = { row: 7, generation: 2 ** 32 - 1, session: 5 * 2 ** 32 + 9 };

const RESUME = { from: 2 ** 53 - 1, entity: 2 ** 32 + 1, isRedirect: true, lastKnownTick: 2 ** 32 - 1 };
const RESUMED = { outcome: 'found' as const, node: 63, seq: 2 ** 32 - 1, entity: 2 ** 53 - 1, name: 'node-b' };
const NOT_RESUMED = { outcome: 'over', view: 'reset', node: 0, seq: 0, entity: 0, name: '' } as const;

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
      heard: (...frame) => frames.push(['heard', ...frame]),
      resume: (...frame) => frames.push(['resume', ...frame]),
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
        resumed: (...frame) => frames.push(['resumed', ...frame]),
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
  t.true(writeTunnelHeard(ring, HEAD));
  t.true(writeTunnelResume(ring, { ...HEAD, ...RESUME }));
  t.true(writeTunnelResume(ring, { ...HEAD, ...RESUME, isRedirect: false, entity: 0, lastKnownTick: 0 }));
  t.deepEqual(drainGateway(ring), [
    ['input', HEAD, 2 ** 32 - 2, 5, [1, 2, 3]],
    ['state', HEAD, { state: 2, backlogBytes: 70_000, viewReset: true }],
    ['state', HEAD, { state: 1, backlogBytes: 2 ** 32 - 1, viewReset: false }],
    ['leave', HEAD],
    ['login', HEAD, { name: 'Žofie', account: '' }],
    ['heard', HEAD],
    ['resume', HEAD, RESUME],
    ['resume', HEAD, { ...RESUME, isRedirect: false, entity: 0, lastKnownTick: 0 }],
  ]);
});

test('frames of the peer thread come out as they were written, a long name cut at a character', (t) => {
  const ring = makeRing();
  const { row, generation } = HEAD;
  t.true(writeTunnelSnapshot(ring, { row, generation, node: 63, bytes: Uint8Array.of(17, 1, 0, 9) }));
  t.true(writeTunnelRoute(ring, { row, generation, node: 63, seq: 2 ** 32 - 1, entity: 2 ** 53 - 1, name: 'node-b' }));
  t.true(
    writeTunnelRoute(ring, { row, generation, node: 0, seq: 1, entity: 1, name: 'é'.repeat(NODE_NAME_BYTES_MAX) }),
  );
  for (const view of RESUMED_VIEWS) t.true(writeTunnelResumed(ring, { row, generation, ...RESUMED, view }));
  t.true(writeTunnelResumed(ring, { row, generation, ...NOT_RESUMED }));
  for (const reason of ENDED_REASONS) t.true(writeTunnelEnded(ring, { row, generation, reason }));
  t.deepEqual(drainPeer(ring), [
    ['snapshot', row, generation, 63, [17, 1, 0, 9]],
    ['route', row, generation, { node: 63, seq: 2 ** 32 - 1, entity: 2 ** 53 - 1, name: 'node-b' }],
    ['route', row, generation, { node: 0, seq: 1, entity: 1, name: 'é'.repeat(NODE_NAME_BYTES_MAX / 2) }],
    ...RESUMED_VIEWS.map((view) => ['resumed', row, generation, { ...RESUMED, view }]),
    ['resumed', row, generation, NOT_RESUMED],
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
  t.false(writeTunnelHeard(ring, HEAD));
  t.false(writeTunnelResume(ring, { ...HEAD, ...RESUME }));
  t.false(writeTunnelResumed(ring, { row, generation, ...NOT_RESUMED }));
  t.false(writeTunnelSnapshot(ring, { row, generation, node: 1, bytes: new Uint8Array(0) }));
  t.false(writeTunnelRoute(ring, { row, generation, node: 0, seq: 0, entity: 0, name: '' }));
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
