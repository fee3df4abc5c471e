import test from 'ava';
import { TestCluster } from './handover-cluster.ts';

test('a normal handover, effect by effect', (t) => {
  const cluster = new TestCluster(2);
  const [a, b] = [cluster.at(1), cluster.at(2)];
  cluster.birth(a, [11]);
  cluster.fsync(a);
  cluster.transcript = [];
  cluster.release(a, b, [11]);
  cluster.fsync(a);
  cluster.deliver();
  cluster.deliver();
  cluster.fsync(b);
  cluster.deliver();
  cluster.fsync(a);
  cluster.advance(150);
  cluster.deliver();
  cluster.fsync(b);
  t.snapshot(cluster.transcript);
  t.deepEqual(cluster.ownersOf(11), [2]);
  t.deepEqual(cluster.leftovers(), []);
});
