/** A store with a plain kind of entity, for the suites. */
import { defineWorld, entity, f32, list, text, u16, u32 } from '../src/index.ts';
import { Random } from '../src/base/random.ts';
import { spawn } from '../src/memory/entities.ts';
import { packRow, rowBytesMax } from '../src/memory/row.ts';
import { Store } from '../src/memory/store.ts';

/** A player of about 300 bytes: what moves between processes, and is encoded. */
export const benchWorld = defineWorld({
  name: 'bench',
  version: 1,
  size: 4096,
  components: {
    look: { name: text(32), colour: u32() },
    body: { health: f32(), stamina: f32(), heading: f32(), target: entity() },
    bag: { items: list({ what: u16(), count: u16() }, { max: 64 }) },
  },
  kinds: { player: { components: ['look', 'body', 'bag'] } },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});

export function openStore(count: number, { size }: { size: number }): Store {
  const store = Store.create(
    {
      schema: benchWorld.schema,
      grid: { cellSize: 256, minX: -size / 2, minZ: -size / 2, maxX: size / 2, maxZ: size / 2 },
      entitiesMax: count,
      sessionsMax: 1,
      workers: 1,
      hysteresis: 2,
      heapBytes: Math.max(65_536, count * 512),
      commandBytes: 65_536,
      inputRingBytes: 65_536,
      outboundRingBytes: 65_536,
    },
    { incarnation: 1 },
  );
  const random = new Random(3);
  const kind = benchWorld.schema.kinds[0]!;
  const packed = new Uint8Array(rowBytesMax(benchWorld.schema, kind));
  for (let index = 0; index < count; index++) {
    const init = {
      x: random.between(-size / 2, size / 2),
      z: random.between(-size / 2, size / 2),
      look: { name: `player ${index}` },
      bag: { items: Array.from({ length: 40 }, (_, what) => ({ what, count: random.below(9) })) },
    };
    spawn(store, 0, packed.subarray(0, packRow({ schema: benchWorld.schema, kind, init }, packed)));
  }
  return store;
}
