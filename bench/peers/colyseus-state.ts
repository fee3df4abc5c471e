/** The room state as Colyseus' documentation recommends it: `schema()` with `t.*`, quantized positions, the map behind a view. */
import { schema, t } from '@colyseus/schema';

export const COLYSEUS_ROOM = 'peers';
/** Type of the message that holds an input. */
export const COLYSEUS_INPUT = 0;

/** Positions are 16-bit fractions of the world: 2 cm at 1,000 people. The server's and the clients' definition. */
export function defineState(worldSize: number) {
  const half = worldSize / 2;
  const Person = schema(
    {
      x: t.quantized({ min: -half, max: half, bits: 16 }),
      z: t.quantized({ min: -half, max: half, bits: 16 }),
      stamp: t.uint16().default(0),
      person: t.uint16(),
    },
    'Person',
  );
  const PeersState = schema({ people: t.map(Person).view() }, 'PeersState');
  return { Person, PeersState };
}
