import test from 'ava';
import * as fc from 'fast-check';
import { entityIdFrom } from '../../src/base/brand.ts';
import { isTraced } from '../../src/base/handover-span.ts';

test('a share of the handovers is traced, whoever makes the ids', (t) => {
  for (const share of [0.001, 0.01, 0.25, 0.9]) {
    for (const incarnation of [1, 2, 77]) {
      let traced = 0;
      const count = 200_000;
      for (let counter = 1; counter <= count; counter++) {
        if (isTraced(entityIdFrom(incarnation, 1 + (counter >>> 3)), 1 + (counter & 7), share)) traced++;
      }
      const wanted = count * share;
      t.true(Math.abs(traced - wanted) < 6 * Math.sqrt(wanted), `${traced} of ${wanted}`);
    }
  }
});

test('none of share 0, all of share 1, and a larger share has all of a smaller', (t) => {
  const seqs = fc.integer({ min: 1, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(fc.maxSafeNat(), seqs, fc.double({ min: 0, max: 1, noNaN: true }), (entity, seq, share) => {
      t.false(isTraced(entity, seq, 0));
      t.true(isTraced(entity, seq, 1));
      if (isTraced(entity, seq, share / 2)) t.true(isTraced(entity, seq, share));
    }),
  );
});
