/** The world, played without a server: no time passes but by `run`, and every run is the same. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { runWorld } from 'worldmesh/testing';
import world, { FIELD_SIZE, SPEED } from '../world.ts';

test('coins lie on the field', () => {
  const coins = runWorld(world).entities('coin');
  assert.ok(coins.length > 0);
  for (const { x, z } of coins) assert.ok(Math.max(Math.abs(x), Math.abs(z)) <= FIELD_SIZE / 2, `${x}, ${z}`);
});

test('whoever walks onto a coin has one more, and is told so', () => {
  const game = runWorld(world, { params: { coinsPerCell: 1 } });
  const ada = game.join('Ada');
  game.run();
  const [coin] = game.entities('coin');
  ada.entity!.x = coin!.x;
  ada.entity!.z = coin!.z;
  game.runUntil(() => ada.entity!.purse.coins === 1, { ticksMax: 10 });
  assert.ok(coin!.isGone);
  game.run();
  assert.deepEqual(
    ada.heard.map(({ name, payload }) => [name, payload]),
    [['picked', { coins: 1 }]],
  );
});

test('nobody is faster diagonally', () => {
  const game = runWorld(world);
  const ada = game.join('Ada');
  game.run();
  ada.input({ moveX: 1, moveZ: 1 });
  game.run();
  const { vx, vz } = ada.entity!;
  assert.ok(Math.abs(Math.hypot(vx, vz) - SPEED) < 0.01, `${vx}, ${vz}`);
});

test('the same seed and inputs give the same world', () => {
  const play = (seed: number): number => {
    const game = runWorld(world, { seed });
    const ada = game.join('Ada');
    for (let step = 0; step < 10; step++) {
      ada.input({ moveX: step % 2, moveZ: 1 });
      game.run(10);
    }
    return game.hash;
  };
  assert.equal(play(1), play(1));
  assert.notEqual(play(1), play(2));
});
