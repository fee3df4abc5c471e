/** Lines of history: whose they are, and that none goes missing without a word. */
import test from 'ava';
import type { EntityId } from '../../src/base/brand.ts';
import { HandoverHistory } from '../../src/peer/handover-history.ts';
import type { Stage } from '../../src/peer/handover-history.ts';
import type { EntityRow, OutboxRow } from '../../src/peer/protocol.ts';

const A = 'aa'.repeat(16);
const B = 'bb'.repeat(16);
const PLAYER = 7 as EntityId;
const SESSION = 2 ** 32 + 5;

function entity(seq: number, { session = SESSION, atRest = false } = {}): EntityRow {
  const passenger = { lastInput: 0, gateway: session === 0 ? 0 : 1, session, account: 'ada', marks: [] };
  return { id: PLAYER, seq, record: new Uint8Array(), passenger, atRest };
}

function outgoing(seq: number, transferSeq: number): OutboxRow {
  const { id, record, passenger } = entity(seq);
  return { issuer: A, target: B, transferSeq, targetNode: 2, targetCell: 3, id, seq, record, passenger };
}

function stage(side: Stage['side'], name: Stage['stage'], transferSeq: number): Stage {
  const peer = side === 'source' ? B : A;
  return { kind: 'stage', side, stage: name, id: PLAYER, seq: 2, peer, transferSeq };
}

/** Stage and session of what is to be written. */
function told(history: HandoverHistory): string[] {
  return history.take().flatMap((write) => (write.kind === 'trace' ? [`${write.row.stage} ${write.row.session}`] : []));
}

function create(linesMax?: number): HandoverHistory {
  return new HandoverHistory({ utcMs: () => 1000, ...(linesMax === undefined ? {} : { linesMax }) });
}

test('all stages of a transfer carry the session of its player, on both sides', (t) => {
  const history = create();
  history.write({ kind: 'release', row: outgoing(2, 9) });
  for (const name of ['released', 'stable', 'sent', 'accepted', 'confirmed', 'done'] as const) {
    history.stage(stage('source', name, 9));
  }
  const stages = ['released', 'stable', 'sent', 'accepted', 'confirmed', 'done'];
  t.deepEqual(
    told(history),
    stages.map((name) => `source ${name} ${SESSION}`),
  );
  history.stage(stage('source', 'sent', 9));
  t.deepEqual(told(history), ['source sent 0'], 'what is over is forgotten');
  const from = { source: A, transferSeq: 4, id: PLAYER, seq: 3 };
  history.write({ kind: 'accept', row: entity(3), from });
  history.stage(stage('target', 'accepted', 4));
  history.stage(stage('target', 'confirmed', 4));
  t.deepEqual(told(history), [`target accepted ${SESSION}`, `target confirmed ${SESSION}`]);
});

test('a player who comes by a handover has not joined; one who leaves, comes back or ends is told once', (t) => {
  const history = create();
  history.write({ kind: 'entity', row: entity(1) });
  history.write({ kind: 'entity', row: entity(1) });
  t.deepEqual(told(history), [`joined ${SESSION}`]);
  history.write({ kind: 'entity', row: entity(1, { session: 0, atRest: true }) });
  t.deepEqual(told(history), [`left ${SESSION}`]);
  history.write({ kind: 'entity', row: entity(1, { session: SESSION + 1 }) });
  history.write({ kind: 'release', row: outgoing(2, 1) });
  const from = { source: B, transferSeq: 1, id: PLAYER, seq: 3 };
  history.write({ kind: 'accept', row: entity(3), from });
  history.write({ kind: 'entity', row: entity(3) });
  history.write({ kind: 'despawn', id: PLAYER });
  t.deepEqual(told(history), [
    `joined ${SESSION + 1}`,
    `source released ${SESSION}`,
    `target accepted ${SESSION}`,
    `despawn ${SESSION}`,
  ]);
  history.write({ kind: 'entity', row: entity(1, { session: 0 }) });
  t.deepEqual(told(history), [], 'what nobody controls tells nothing');
});

test('what a process finds in its journal keeps its sessions', (t) => {
  const history = create();
  history.start([outgoing(2, 9)]);
  history.recovered(entity(1));
  history.stage(stage('source', 'sent', 9));
  history.write({ kind: 'entity', row: entity(1) });
  t.deepEqual(told(history), [`recovery ${SESSION}`, `source sent ${SESSION}`]);
});

test('more lines than may be are dropped with one line that says so, and the next batch is whole again', (t) => {
  const history = create(2);
  for (let transferSeq = 1; transferSeq <= 5; transferSeq++) {
    history.write({ kind: 'release', row: outgoing(2, transferSeq) });
  }
  t.deepEqual(told(history), [`source released ${SESSION}`, `source released ${SESSION}`, 'dropped 0']);
  history.stage(stage('source', 'sent', 5));
  t.deepEqual(told(history), [`source sent ${SESSION}`]);
});
