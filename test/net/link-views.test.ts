/** What a gateway tells people of links and of handovers that are stuck. */
import test from 'ava';
import { entityIdFrom } from '../../src/base/brand.ts';
import type { Slot } from '../../src/base/brand.ts';
import { PEER_STATE } from '../../src/memory/peer-table.ts';
import { Store } from '../../src/memory/store.ts';
import { linkViews } from '../../src/net/link-views.ts';
import { PeerHandovers } from '../../src/net/overview-peers.ts';
import { STORE_OPTIONS } from './fixture.ts';

function clusterStore(): Store {
  return Store.create({ ...STORE_OPTIONS, cluster: { peerRingBytes: 65_536 } }, { incarnation: 1 });
}

test('each node that is known has a link, with what is measured of it', (t) => {
  const { peerTable } = clusterStore();
  peerTable.setState(2, PEER_STATE.up);
  peerTable.setLink(2, { roundTripMicros: 420, queueBytes: 17 });
  peerTable.addCredits(2, 9);
  peerTable.setState(3, PEER_STATE.down);
  peerTable.setBreaker(3, 'open');
  const store = { peerTable } as Store;
  const nodes = [{ node: 2, name: 'b', clientUrl: '', state: 'active', incarnation: 5 }];
  t.deepEqual(linkViews(store, nodes), [
    { node: 2, name: 'b', state: 'up', credits: 9, rttMs: 0.42, queueBytes: 17, breaker: 'closed' },
    { node: 3, name: '', state: 'down', credits: 0, rttMs: null, queueBytes: 0, breaker: 'open' },
  ]);
});

test('a handover is stuck after five seconds, until it ends', (t) => {
  const store = clusterStore();
  const peers = new PeerHandovers(store, 0);
  const { peerLog, peerStats, columns, idMap } = store;
  for (const [slot, id] of [11, 12].entries()) {
    columns.id[slot] = id;
    idMap.set(entityIdFrom(0, id), slot as Slot);
  }
  peerStats.setGauge('handoversInDoubt', 2);
  peerLog.write('released', 11, 2);
  peers.read(1000);
  peerLog.write('released', 12, 3);
  peers.read(3000);
  t.deepEqual(peers.stuck(5999), []);
  t.deepEqual(peers.stuck(6000), [{ entity: 11, node: 2, seconds: 5 }]);
  t.deepEqual(peers.stuck(9000), [
    { entity: 11, node: 2, seconds: 8 },
    { entity: 12, node: 3, seconds: 6 },
  ]);
  peerLog.write('handedOver', 11, 2);
  peers.read(9100);
  t.deepEqual(peers.stuck(9100), [{ entity: 12, node: 3, seconds: 6 }]);
});
