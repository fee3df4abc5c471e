/** The own entity of a client that does not predict. */
import test from 'ava';
import { entityIdFrom } from '../../src/base/brand.ts';
import { View } from '../../src/client/view.core.ts';
import type { Snapshot } from '../../src/wire/messages.ts';
import { EMPTY_SNAPSHOT } from '../net/fixture.ts';
import { schema } from '../wire/fixture.ts';

const TICKS_BETWEEN = 2;

test('without prediction the own entity is drawn on its way, also while snapshots do not tell of it', (t) => {
  const view = new View(schema, { tickHz: 20 });
  const apply = (change: Partial<Snapshot>) => view.apply({ ...EMPTY_SNAPSHOT, keyframe: false, ...change });
  const enter = { alias: 3, id: entityIdFrom(1, 7), kind: 0, xCm: 0, zCm: 0, components: new Map() };
  apply({ keyframe: true, tick: 1, self: { alias: 3, x: 0, z: 0, vx: 6, vz: 0 }, enters: [enter] });
  for (let tick = 1 + TICKS_BETWEEN; tick <= 21; tick += TICKS_BETWEEN) apply({ tick });
  const self = view.self!;
  t.true(Math.abs(self.x - 6) < 1e-3, `${self.x}`);
  view.draw({ tick: 20, latestTick: 21, extrapolationTicksMax: 5 }, false);
  t.true(Math.abs(self.renderX - (6 * 19) / 20) < 1e-3, `${self.renderX}`);
});
