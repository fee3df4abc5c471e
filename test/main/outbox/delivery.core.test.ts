import test from 'ava';
import type { EntityId } from '../../../src/base/brand.ts';
import { Random } from '../../../src/base/random.ts';
import { BATCH_ROWS_MAX, DeliveryQueue, TRIES_MAX } from '../../../src/main/outbox/delivery.core.ts';
import type { PublicationRow } from '../../../src/peer/protocol.ts';

function row(entity: number, number: number, body = '{}'): PublicationRow {
  return { entity: entity as EntityId, number, behind: '', name: 'sold', body, publishedMs: 1, isParked: false };
}

function queueOf(...rows: readonly PublicationRow[]): DeliveryQueue {
  const queue = new DeliveryQueue(new Random(7));
  queue.offer(rows);
  return queue;
}

/** As `entity:number`, or how long there is nothing. */
function nextOf(queue: DeliveryQueue, nowMs: number): readonly string[] | number | undefined {
  const next = queue.next(nowMs);
  return 'batch' in next ? next.batch.map(({ entity, number }) => `${entity}:${number}`) : next.waitMs;
}

test('batches are in the order of offering, bounded in rows and in bytes', (t) => {
  const rows = Array.from({ length: BATCH_ROWS_MAX + 7 }, (_, index) => row(1, index + 1));
  const queue = queueOf(...rows);
  t.is((nextOf(queue, 0) as string[]).length, BATCH_ROWS_MAX);
  t.is(queue.taken().length, BATCH_ROWS_MAX);
  t.deepEqual((nextOf(queue, 0) as string[]).at(-1), `1:${BATCH_ROWS_MAX + 7}`);
  queue.taken();
  t.is(nextOf(queue, 0), undefined);
  const large = queueOf(row(1, 1, 'x'.repeat(200_000)), row(2, 1, 'x'.repeat(200_000)));
  t.deepEqual(nextOf(large, 0), ['1:1']);
});

test('a sink that is down is tried again for ever, less and less often, with everything', (t) => {
  const queue = queueOf(row(1, 1), row(2, 1));
  let nowMs = 0;
  const waits: number[] = [];
  for (let attempt = 0; attempt < 12; attempt++) {
    t.deepEqual(nextOf(queue, nowMs), ['1:1', '2:1']);
    const retryMs = queue.down(nowMs);
    waits.push(retryMs);
    t.is(nextOf(queue, nowMs + retryMs - 1), 1);
    nowMs += retryMs;
  }
  t.true(waits[0]! >= 150 && waits[0]! <= 200);
  t.true(waits[3]! > 4 * waits[0]!);
  t.true(waits.every((wait) => wait <= 5_000) && waits.at(-1)! >= 3_750);
  t.true(queue.isDown);
  nextOf(queue, nowMs);
  t.is(queue.taken().length, 2);
  t.false(queue.isDown);
});

test('of a batch that is refused each is tried alone; the guilty one is parked after five tries, and what stands behind it waits so long', (t) => {
  const queue = queueOf(row(1, 1), row(1, 2), row(2, 1));
  let nowMs = 0;
  t.deepEqual(nextOf(queue, nowMs), ['1:1', '1:2', '2:1']);
  t.deepEqual(queue.refused(nowMs), []);
  for (let tries = 1; tries < TRIES_MAX; tries++) {
    t.deepEqual(nextOf(queue, nowMs), ['1:1']);
    t.deepEqual(queue.refused(nowMs), []);
    if (tries === 1) {
      // Another entity's need not wait.
      t.deepEqual(nextOf(queue, nowMs), ['2:1']);
      t.deepEqual(queue.taken(), [{ entity: 2 as EntityId, number: 1 }]);
    }
    const waitMs = nextOf(queue, nowMs) as number;
    t.true(waitMs > 0);
    nowMs += waitMs;
  }
  t.deepEqual(nextOf(queue, nowMs), ['1:1']);
  t.deepEqual(queue.refused(nowMs), [{ entity: 1 as EntityId, number: 1 }]);
  t.deepEqual(nextOf(queue, nowMs), ['1:2']);
  t.deepEqual(queue.taken(), [{ entity: 1 as EntityId, number: 2 }]);
  t.is(nextOf(queue, nowMs), undefined);
});
