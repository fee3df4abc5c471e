/** What a game's author tests with: a world without a server. */
import test from 'ava';
import { component, defineWorld, f32, list, text, u16, u32 } from '../../src/index.ts';
import { SystemError } from '../../src/base/errors.ts';
import { runWorld } from '../../src/testing/index.ts';

const world = defineWorld({
  name: 'ferry',
  version: 1,
  size: 700,
  edge: 'stop',
  components: {
    look: { name: text(16) },
    bag: component({ coins: u32(), items: list({ item: u16() }, { max: 4 }) }, { visible: 'owner' }),
  },
  kinds: { player: { components: ['look', 'bag'], speedMax: 20 }, buoy: { components: [] } },
  input: {
    fields: { vx: f32({ min: -10, max: 10 }) },
    apply: (self, { vx }) => {
      self.vx = vx;
    },
  },
  events: { fare: { coins: u32() } },
  params: { buoys: 1, faultTick: 0 },
  systems: {
    fault: {
      run(cell) {
        if (cell.tick === cell.params.faultTick) throw new RangeError(`tick ${cell.tick}`);
      },
    },
    pay: {
      kinds: ['player'],
      run(cell) {
        for (const slot of cell.slots.subarray(cell.first, cell.end)) {
          if (cell.tick % 10 === 0) cell.announce(slot, 'fare', { coins: ++cell.columns.bag.coins[slot]! });
        }
      },
    },
  },
  start(cell) {
    for (let count = 0; count < cell.params.buoys; count++) {
      cell.spawn('buoy', { x: cell.minX + cell.random() * (cell.maxX - cell.minX), z: cell.minZ + 1 });
    }
  },
  join: ({ name, account }) => {
    if (name === 'nobody') throw new Error('not this one');
    return { kind: 'player', x: 0, z: 0, look: { name: account === '' ? name : account } };
  },
});

test('a player comes in with the next tick, and its entity reads and writes', (t) => {
  const game = runWorld(world);
  const ada = game.join('Ada');
  t.is(ada.entity, undefined);
  game.run();
  const entity = ada.entity!;
  t.is(entity.kind, 'player');
  t.is(entity.look.name, 'Ada');
  entity.x = 200;
  entity.bag.items = [{ item: 7 }];
  game.run();
  t.is(game.entity(entity.id)?.x, 200);
  t.deepEqual(ada.entity!.bag.items, [{ item: 7 }]);
  t.deepEqual(
    game.entities('player').map(({ id }) => id),
    [entity.id],
  );
  t.is(game.join('Bob', { account: 'bob-7' }).name, 'Bob');
  game.run();
  t.deepEqual(
    game.entities('player').map(({ look }) => look.name),
    ['Ada', 'bob-7'],
  );
});

test('inputs act in the next tick, and those out of range are refused', (t) => {
  const game = runWorld(world);
  const ada = game.join();
  game.run();
  t.throws(() => ada.input({ vx: 500 }), { code: 'ERR_WIRE_RANGE' });
  ada.input({ vx: 10 });
  game.run(21);
  t.is(ada.entity!.vx, 10);
  t.true(Math.abs(ada.entity!.x - 10) < 0.6, `${ada.entity!.x}`);
});

test('a player hears what is announced in its view, and no more after it has left', (t) => {
  const game = runWorld(world);
  const [ada, bob] = [game.join('Ada'), game.join('Bob')];
  game.run(2);
  bob.entity!.x = 340;
  game.run(30);
  const own = ada.heard.filter(({ id }) => id === ada.entity!.id);
  t.true(own.length >= 3);
  t.is(own.at(-1)?.payload.coins, ada.entity!.bag.coins);
  t.false(ada.inView.includes(bob.entity!.id));
  const entity = ada.entity!;
  ada.leave();
  ada.leave();
  const heard = ada.heard.length;
  game.run(20);
  t.true(entity.isGone);
  t.is(ada.entity, undefined);
  t.is(ada.heard.length, heard);
  t.throws(() => ada.input({ vx: 1 }), { message: /has left/ });
  // Its row is free for another, who is not taken for the first.
  const carl = game.join('Carl');
  game.run(12);
  t.is(carl.entity!.look.name, 'Carl');
  t.is(ada.entity, undefined);
});

test('what world code throws, the test is told of', (t) => {
  const game = runWorld(world, { params: { faultTick: 5 } });
  game.run(4);
  const error = t.throws(() => game.run(), { instanceOf: SystemError });
  t.regex(error!.message, /fault/);
  const other = runWorld(world);
  other.join('nobody');
  t.throws(() => other.run(), { message: /not this one/ });
  t.throws(() => runWorld(world, { params: { buoys: 100 }, entitiesMax: 64 }), { code: 'ERR_CAPACITY_ENTITIES' });
});

test('runUntil counts the ticks, and gives up', (t) => {
  const game = runWorld(world);
  const ada = game.join();
  game.run();
  ada.input({ vx: 10 });
  const ticks = game.runUntil(() => ada.entity!.x > 5);
  t.true(ticks > 9 && ticks < 13, `${ticks}`);
  t.throws(() => game.runUntil(() => ada.entity!.x < 0, { ticksMax: 3 }), { message: /within 3 ticks/ });
});

test('one seed is one world; options are those of a server', (t) => {
  const hashOf = (seed: number): number => {
    const game = runWorld(world, { seed, params: { buoys: 20 } });
    game.run(10);
    return game.hash;
  };
  t.is(hashOf(4), hashOf(4));
  t.not(hashOf(4), hashOf(5));
  t.is(runWorld(world, { populate: false }).entities().length, 0);
  t.true(runWorld(world, { cellSize: 64 }).entities('buoy').length > runWorld(world).entities('buoy').length);
});
