/** What the compiler knows of a client that is typed by a world module. Run by `tsc`; here only the promise of it. */
import test from 'ava';
import { bool, component, f32, list, text, u16, u32 } from '../../src/base/fields.ts';
import { defineWorld } from '../../src/base/world.ts';
import type { ClientEvent, ClientInput, ComponentName, EntityOf } from '../../src/client/entity.ts';
import type { Client } from '../../src/client/client.ts';
import type { World } from '../../src/base/world.ts';
import type tag from '../../examples/tag.ts';

type Tag = typeof tag;

const twoKinds = defineWorld({
  name: 'types',
  version: 1,
  size: 64,
  components: {
    look: { name: text(8), tall: bool() },
    bag: component({ items: list({ item: u16() }, { max: 4 }) }, { visible: 'owner' }),
    plan: component({ step: u32() }, { visible: 'none' }),
    size: component({ metres: f32() }, { shared: true }),
  },
  kinds: { player: { components: ['look', 'bag', 'plan'] }, rock: { components: ['size'] } },
  systems: {},
  join: () => ({ kind: 'player', x: 0, z: 0 }),
});
type Two = typeof twoKinds;

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<Claim extends true>(): Claim | undefined {
  return undefined;
}

test('entities, inputs and events are typed by the module', (t) => {
  holds<Equal<EntityOf<Tag>['kind'], 'player'>>();
  holds<Equal<EntityOf<Tag>['components']['look']['name'], string>>();
  holds<Equal<EntityOf<Tag>['components']['tag']['it'], number>>();
  holds<Equal<ClientInput<Tag>['moveX'], number>>();
  holds<Equal<'tagged' extends ClientEvent<Tag>['name'] ? true : false, true>>();
  holds<Equal<Extract<ComponentName<Tag>, 'look' | 'nothing'>, 'look'>>();

  type Player = Extract<EntityOf<Two>, { kind: 'player' }>;
  type Rock = Extract<EntityOf<Two>, { kind: 'rock' }>;
  holds<Equal<keyof Player['components'], 'look' | 'bag'>>();
  holds<Equal<Player['components']['look']['tall'], boolean>>();
  holds<Equal<undefined extends Player['components']['bag'] ? true : false, true>>();
  holds<Equal<NonNullable<Player['components']['bag']>['items'], { item: number }[]>>();
  holds<Equal<keyof Rock['components'], 'size'>>();
  holds<Equal<Rock['components']['size']['metres'], number>>();

  holds<Equal<EntityOf<World>['kind'], string>>();
  holds<Equal<ClientInput<World>, Record<string, unknown>>>();
  t.pass();
});

/** Never called: only compiled. */
export function useOf(client: Client<Tag>, two: Client<Two>, untyped: Client): void {
  client.input({ moveX: 1, moveZ: 0 });
  // @ts-expect-error there is no such input
  client.input({ jump: true });
  // @ts-expect-error a number, not text
  client.input({ moveX: 'left' });
  for (const entity of client.entities.values()) {
    entity.components.score.tags satisfies number;
    // @ts-expect-error what the server sent is not the client's to change
    entity.components.score.tags = 1;
    // @ts-expect-error no such component
    entity.components.health satisfies unknown;
  }
  client.onEvent((event) => {
    if (event.name === 'tagged') event.payload.by satisfies number;
  });
  for (const entity of two.entities.values()) {
    if (entity.kind === 'rock') entity.components.size.metres satisfies number;
    // @ts-expect-error a player has none
    else entity.components.size satisfies unknown;
  }
  untyped.self?.components['anything']?.['field'] satisfies unknown;
  untyped.input({ anything: 1 });
}
