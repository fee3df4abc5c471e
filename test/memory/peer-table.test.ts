import test from 'ava';
import { PEER_NODES, PEER_STATE, PeerTable } from '../../src/memory/peer-table.ts';

function make(cells = 35): PeerTable {
  return new PeerTable(new SharedArrayBuffer(PeerTable.sizeBytes(cells)), 0, cells);
}

test('states and credits of nodes do not touch each other, nor the switches', (t) => {
  const table = make();
  t.deepEqual([table.self, table.handoverPercent, table.closedVersion], [0, 100, 0]);
  for (let node = 0; node < PEER_NODES; node++) {
    t.is(table.state(node), PEER_STATE.unknown);
    table.setState(node, (node % 5) as never);
    t.deepEqual([table.roundTripMicros(node), table.queueBytes(node), table.breaker(node)], [undefined, 0, 'closed']);
    table.setCredits(node, node * 10);
    table.setLink(node, { roundTripMicros: node === 0 ? undefined : node * 100 - 100, queueBytes: node * 7 });
    table.setBreaker(node, node % 2 === 0 ? 'closed' : 'open');
  }
  table.setSelf(63);
  table.setHandoverPercent(0);
  for (let cell = 0; cell < 35; cell++) table.setCellClosed(cell, cell % 3 === 0);
  table.raiseClosedVersion();
  for (let node = 0; node < PEER_NODES; node++) {
    t.is(table.state(node) as number, node % 5);
    t.is(table.credits(node), node * 10);
    t.is(table.roundTripMicros(node), node === 0 ? undefined : node * 100 - 100);
    t.is(table.queueBytes(node), node * 7);
    t.is(table.breaker(node), node % 2 === 0 ? 'closed' : 'open');
  }
  t.deepEqual([table.self, table.handoverPercent, table.closedVersion], [63, 0, 1]);
  t.deepEqual([table.isCellClosed(0), table.isCellClosed(1), table.isCellClosed(33)], [true, false, true]);
  table.setHandoverPercent(37);
  t.is(table.handoverPercent, 37);
});

test('a credit is taken once; taking back never goes below zero', (t) => {
  const table = make();
  t.false(table.takeCredit(4));
  table.addCredits(4, 2);
  t.true(table.takeCredit(4));
  t.true(table.takeCredit(4));
  t.false(table.takeCredit(4));
  table.addCredits(4, 5);
  table.addCredits(4, -9);
  t.is(table.credits(4), 0);
  t.is(table.credits(3), 0);
});
