/**
 * Magpies: pick up what glitters and carry it to the nest in the middle, where it is yours for good. What you carry makes you slower, and
 * whoever carries less may take half of it by touching you.
 *
 * Nothing is ever doubled or lost: who gives takes away first, and tells the other by an event that arrives once.
 */
import { component, defineWorld, entity, f32, text, u16, u32 } from 'worldmesh';

export const ARENA_SIZE = 128;
export const NEST_RADIUS = 5;
const SPEED = 9;
const SPEED_LADEN = 5;
/** Each piece that is carried takes away so much, m/s. */
const SPEED_PER_PIECE = 0.2;
const REACH = 1.5;
const PIECES_PER_CELL = 12;
/** After a robbery neither of the two can be robbed: time to run. */
const SAFE_SECONDS = 3;
const COLOURS = [0xe4572e, 0x17bebb, 0xffc914, 0x76b041, 0x9b5de5, 0xf15bb5, 0x00bbf9, 0xfb8500];

export default defineWorld({
  name: 'magpies',
  version: 1,
  size: ARENA_SIZE,
  edge: 'stop',
  components: {
    look: { name: text(32), colour: u32({ max: 0xffffff }) },
    // Shared: cells read it of players in other cells, as it was when the tick began.
    beak: component({ carried: u16(), safeTick: u32() }, { shared: true }),
    nest: { score: u32() },
  },
  kinds: {
    magpie: { components: ['look', 'beak', 'nest'], speedMax: SPEED },
    glitter: { components: [] },
  },
  input: {
    fields: { moveX: f32({ min: -1, max: 1 }), moveZ: f32({ min: -1, max: 1 }) },
    apply(self, { moveX, moveZ }) {
      const speed = Math.max(SPEED_LADEN, SPEED - self.beak.carried * SPEED_PER_PIECE);
      // Diagonally no faster than straight ahead.
      const scale = speed / Math.max(1, Math.hypot(moveX, moveZ));
      self.vx = moveX * scale;
      self.vz = moveZ * scale;
    },
  },
  events: {
    found: {},
    robbed: { by: entity() },
    loot: { pieces: u16() },
    brought: { pieces: u16() },
  },
  systems: {
    glitter: {
      kinds: ['glitter'],
      near: REACH,
      run(cell) {
        for (const piece of cell.slots.subarray(cell.first, cell.end)) {
          const found = cell.found.subarray(0, cell.near(cell.x[piece]!, cell.z[piece]!, REACH));
          const finder = found.find((slot) => cell.session[slot]! > 0);
          if (finder === undefined) continue;
          cell.emit(cell.idOf(finder), 'found', {});
          cell.despawn(piece);
        }
      },
    },
    grow: {
      run(cell) {
        if (cell.count('glitter') < PIECES_PER_CELL && cell.random() < cell.dt) cell.spawn('glitter', somewhere(cell));
      },
    },
    rob: {
      kinds: ['magpie'],
      near: REACH,
      run(cell) {
        const { carried, safeTick } = cell.seen.beak;
        for (const thief of cell.slots.subarray(cell.first, cell.end)) {
          const found = cell.found.subarray(0, cell.near(cell.x[thief]!, cell.z[thief]!, REACH));
          const victim = found.find((slot) => cell.session[slot]! > 0 && carried[slot]! > carried[thief]!);
          if (victim === undefined || cell.tick < safeTick[victim]!) continue;
          cell.emit(cell.idOf(victim), 'robbed', { by: cell.idOf(thief) });
        }
      },
    },
    bring: {
      kinds: ['magpie'],
      run(cell) {
        const { carried } = cell.columns.beak;
        for (const magpie of cell.slots.subarray(cell.first, cell.end)) {
          const pieces = carried[magpie]!;
          if (pieces === 0 || Math.hypot(cell.x[magpie]!, cell.z[magpie]!) > NEST_RADIUS) continue;
          carried[magpie] = 0;
          cell.columns.nest.score[magpie]! += pieces;
          cell.announce(magpie, 'brought', { pieces });
        }
      },
    },
  },
  on: {
    found: (self) => void self.beak.carried++,
    robbed(self, { by }, cell) {
      const pieces = Math.ceil(self.beak.carried / 2);
      if (pieces === 0 || cell.tick < self.beak.safeTick) return;
      self.beak.carried -= pieces;
      self.beak.safeTick = cell.tick + SAFE_SECONDS * cell.ticksPerSecond;
      cell.emit(by, 'loot', { pieces });
      // On disk together: a crash brings back neither half alone.
      cell.durable(self.slot);
      cell.announce(self.slot, 'robbed', { by });
    },
    loot(self, { pieces }, cell) {
      self.beak.carried += pieces;
      self.beak.safeTick = cell.tick + SAFE_SECONDS * cell.ticksPerSecond;
    },
  },
  start(cell) {
    for (let piece = 0; piece < PIECES_PER_CELL; piece++) cell.spawn('glitter', somewhere(cell));
  },
  join({ name, random }) {
    const angle = random() * 2 * Math.PI;
    const colour = COLOURS[Math.floor(random() * COLOURS.length)]!;
    return { kind: 'magpie', x: Math.cos(angle) * 20, z: Math.sin(angle) * 20, look: { name, colour } };
  },
});

interface Area {
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  random(): number;
}

function somewhere({ minX, minZ, maxX, maxZ, random }: Area): { x: number; z: number } {
  return { x: minX + random() * (maxX - minX), z: minZ + random() * (maxZ - minZ) };
}
