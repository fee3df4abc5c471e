/** A world of two halves, west and east of x = 0, that walkers cross: what happens at borders can be told from outside. */
import { component, defineWorld, entity, f32, list, text, u32 } from '../../src/index.ts';

export const CELLS_WIDE = 6;

/** Cells of 256 m, six by six: the western half is node 1's, the eastern node 2's. */
export const halves = (cell: number): number => (cell % CELLS_WIDE < CELLS_WIDE / 2 ? 1 : 2);

export const borderWorld = defineWorld({
  name: 'border',
  version: 1,
  size: 6 * 256,
  overhang: 'turn',
  components: {
    state: component({ hits: u32(), steps: u32(), saved: u32(), friend: entity() }, { shared: true }),
    look: { name: text(12) },
    bag: { items: list({ n: u32() }, { max: 8 }) },
  },
  kinds: {
    walker: { components: ['state', 'look', 'bag'], speedMax: 400 },
    stone: { components: ['state'] },
  },
  input: {
    fields: { vx: f32({ min: -400, max: 400 }), vz: f32({ min: -400, max: 400 }) },
    apply(self, input) {
      self.vx = input.vx;
      self.vz = input.vz;
      self.state.hits += 1000;
    },
  },
  events: { hit: { amount: u32() }, save: { amount: u32() }, spawnAt: { x: f32(), vx: f32() } },
  systems: {
    age: {
      kinds: ['walker'],
      run(cell) {
        for (let at = cell.first; at < cell.end; at++) {
          const slot = cell.slots[at]!;
          cell.columns.state.steps[slot]! += 1;
          const friend = cell.columns.state.friend[slot]!;
          if (friend === 0) continue;
          cell.emit(friend as never, 'hit', { amount: 1 });
          cell.columns.state.friend[slot] = 0;
        }
      },
    },
    perCell: {
      run(cell) {
        if (cell.params.counts === 1) cell.spawn('stone', { x: cell.minX + 128, z: cell.minZ + 128 });
      },
    },
  },
  on: {
    hit(self, event) {
      self.state.hits += event.amount;
    },
    save(self, event, cell) {
      if (self.state.saved === 0) cell.durable(self.slot, 'save', { amount: event.amount });
      self.state.saved += event.amount;
    },
  },
  params: { counts: 0, startX: -20, startZ: 5, startVx: 0, startVz: 0 },
  start(cell) {
    cell.spawn('stone', { x: cell.minX + 1, z: cell.minZ + 1 });
  },
  join: ({ name, params }) => ({
    kind: 'walker',
    x: name === 'east' ? -params.startX : params.startX,
    z: params.startZ,
    vx: params.startVx,
    vz: params.startVz,
    look: { name },
    bag: { items: [{ n: 7 }] },
  }),
});
