/** For tests of world modules: a world in the test's own thread, tick by tick, without a server. */
export { TestWorld, runWorld } from './test-world.ts';
export type { TestEntity, TestWorldOptions } from './test-world.ts';
export { TestPlayer } from './test-player.ts';
export type { HeardEvent } from './test-player.ts';
export type { EntityId } from '../base/brand.ts';
