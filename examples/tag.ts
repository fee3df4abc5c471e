/**
 * Tag: players chase each other. Shows inputs, events between entities, and a component that changes rarely.
 *
 * Exactly one player is "it", however many join, leave or collide. Whoever is it tags another player by coming close:
 * the chaser gives the role up in that tick, and the event that carries it to the other arrives in the next. So there
 * are never two, and for one tick there is none.
 *
 * There is also none in an empty arena, and when the one who is it leaves (or is tagged while leaving). No player
 * needs to be told: each cell looks at the whole arena, and when nobody has been it for a second, the player who has
 * been in the game the longest becomes it. All cells look at the same state, so all of them choose the same player.
 */
import { component, defineWorld, entity, f32, text, u32 } from 'worldmesh';

const SPEED = 6;
const REACH = 1;
/** The arena is small enough to be seen from its middle: half its diagonal, and a metre for those at the wall. */
const ARENA_SIZE = 160;
const ARENA_RADIUS = ARENA_SIZE * Math.SQRT1_2 + 1;
/** Longer than the one tick that the role is under way. */
const VACANT_SECONDS_MAX = 1;
/** After being tagged: time for the others to run. */
const HEAD_START_SECONDS = 2;

export default defineWorld({
  name: 'tag',
  version: 1,
  size: ARENA_SIZE,
  edge: 'stop',
  components: {
    look: { name: text(32) },
    // Shared: cells read it of players in other cells, as it was when the tick began.
    tag: component({ it: u32({ max: 1 }), tagTick: u32() }, { shared: true }),
    score: { tags: u32() },
    watch: component({ vacantTicks: u32() }, { visible: 'none' }),
  },
  kinds: {
    player: { components: ['look', 'tag', 'score', 'watch'], speedMax: SPEED },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, { moveX, moveZ }) {
      const scale = SPEED / Math.max(1, Math.hypot(moveX, moveZ));
      self.vx = moveX * scale;
      self.vz = moveZ * scale;
    },
  },
  events: {
    tagged: { by: entity() },
    scored: {},
  },
  systems: {
    chase: {
      kinds: ['player'],
      near: REACH,
      run(cell) {
        const { it, tagTick } = cell.columns.tag;
        for (let index = cell.first; index < cell.end; index++) {
          const chaser = cell.slots[index]!;
          if (it[chaser] === 0 || cell.tick < tagTick[chaser]!) continue;
          const count = cell.near(cell.x[chaser]!, cell.z[chaser]!, REACH);
          const other = cell.found.subarray(0, count).find((found) => found !== chaser);
          if (other === undefined) continue;
          it[chaser] = 0;
          cell.emit(cell.idOf(other), 'tagged', { by: cell.idOf(chaser) });
        }
      },
    },
    appoint: {
      kinds: ['player'],
      near: ARENA_RADIUS,
      run(cell) {
        const { longest, itCount } = lookAround(cell);
        const { vacantTicks } = cell.columns.watch;
        const vacantTicksMax = VACANT_SECONDS_MAX * cell.ticksPerSecond;
        for (let index = cell.first; index < cell.end; index++) {
          const player = cell.slots[index]!;
          if (itCount > 0) vacantTicks[player] = 0;
          else if (vacantTicks[player]! < vacantTicksMax) vacantTicks[player]!++;
          else if (player === longest) cell.columns.tag.it[player] = 1;
        }
      },
    },
  },
  on: {
    tagged(self, { by }, cell) {
      self.tag.it = 1;
      self.tag.tagTick = cell.tick + HEAD_START_SECONDS * cell.ticksPerSecond;
      cell.announce(self.slot, 'tagged', { by });
      cell.emit(by, 'scored', {});
    },
    scored(self) {
      self.score.tags += 1;
    },
  },
  join({ name, random }) {
    const spread = ARENA_SIZE / 4;
    return { kind: 'player', x: (random() - 0.5) * spread, z: (random() - 0.5) * spread, look: { name } };
  },
});

interface Arena {
  near(x: number, z: number, radius: number): number;
  idOf(slot: number): number;
  readonly found: Uint32Array;
  readonly seen: { readonly tag: { readonly it: Uint32Array } };
}

/** All players as they were when the tick began: how many are it, and who has been here the longest (the least id). */
function lookAround(cell: Arena): { longest: number; itCount: number } {
  let longest = -1;
  let itCount = 0;
  const count = cell.near(0, 0, ARENA_RADIUS);
  for (const player of cell.found.subarray(0, count)) {
    itCount += cell.seen.tag.it[player]!;
    if (longest < 0 || cell.idOf(player) < cell.idOf(longest)) longest = player;
  }
  return { longest, itCount };
}
