/** The owner of an entity that another node's player watches is killed: the player sees it stop and go on. */
import test from 'ava';
import { connect } from '../../../src/client/index.ts';
import type { Client } from '../../../src/client/index.ts';
import type { EntityId } from '../../../src/base/brand.ts';
import type world from '../../fixtures/tally-world.ts';
import { SessionCluster, until } from './session-cluster.ts';

const TIMEOUT_MS = 180_000;
const SPEED = 4;
const STEER_MS = 50;
/** The dead node's place is taken later than a node that is there may be silent about a ghost (3 s). */
const TAKEOVER_AFTER_MS = 3300;
/** A second of checkpoints, the quarter of a second that a ghost walks on, and what a busy machine adds to both. */
const SET_BACK_SECONDS_MAX = 2.5;

interface Watch {
  enters: number;
  leaves: number;
  jumpMetres: number;
}

test('kill -9 of the owner of a watched entity: it neither leaves the view nor enters it again', async (t) => {
  t.timeout(TIMEOUT_MS);
  await using cluster = await SessionCluster.start(['--takeover-after-ms', `${TAKEOVER_AFTER_MS}`]);
  const walker = connect<typeof world>(cluster.url('east'), { name: 'west 1' });
  const watcher = connect<typeof world>(cluster.url('east'), { name: 'east 1' });
  let direction = 1;
  const steering = setInterval(() => {
    const x = walker.self?.x ?? 0;
    if (x > -15) direction = -1;
    else if (x < -40) direction = 1;
    if (walker.self !== undefined) walker.input({ vx: direction * SPEED, amount: 1 });
  }, STEER_MS);
  try {
    await until('both are in the world', () => walker.self !== undefined && watcher.self !== undefined);
    const id = walker.self!.id;
    await until('west owns the walker', async () => (await cluster.status('west')).entities === 1);
    await until('the watcher sees it', () => watcher.entities.has(id));
    const seen = watch(watcher, id);
    await until('it walks', () => watcher.entities.get(id)!.x !== -20);

    const killedMs = performance.now();
    await cluster.kill('west');
    await until('east owns both', async () => (await cluster.status('east')).entities === 2);
    const ownedMs = performance.now() - killedMs;
    const x = watcher.entities.get(id)?.x;
    await until('it walks on', () => watcher.entities.get(id)?.x !== x);
    t.log(`taken over after ${Math.round(ownedMs)} ms, set back ${seen.jumpMetres.toFixed(2)} m`);
    t.true(ownedMs > 3000, 'longer than any ghost of a node that is there may be silent');
    t.is(walker.self?.id, id);
    t.is(seen.leaves, 0);
    t.is(seen.enters, 0);
    t.true(seen.jumpMetres <= SPEED * SET_BACK_SECONDS_MAX, `${seen.jumpMetres} m`);
  } finally {
    clearInterval(steering);
    walker.close();
    watcher.close();
  }
});

/** What comes and goes of one entity, and how far it moved at once beyond what it walked. */
function watch(client: Client<typeof world>, watched: EntityId): Watch {
  const seen: Watch = { enters: 0, leaves: 0, jumpMetres: 0 };
  client.onEnter(({ id }) => {
    if (id === watched) seen.enters++;
  });
  client.onLeave(({ id }) => {
    if (id === watched) seen.leaves++;
  });
  let lastX = client.entities.get(watched)!.x;
  let lastMs = performance.now();
  client.onSnapshot(() => {
    const x = client.entities.get(watched)?.x;
    if (x === undefined) return;
    const nowMs = performance.now();
    seen.jumpMetres = Math.max(seen.jumpMetres, Math.abs(x - lastX) - (SPEED * (nowMs - lastMs)) / 1000);
    lastX = x;
    lastMs = nowMs;
  });
  return seen;
}
