/** The server API: what a world module imports. */
export { bool, bytes, component, entity, f32, f64, i16, i32, i8, list, text, u16, u32, u8 } from './base/fields.ts';
export { defineWorld } from './base/world.ts';
export type {
  Cell,
  ComponentsOf,
  EventsOf,
  Init,
  InputOf,
  JoinContext,
  KindNamesOf,
  Self,
  System,
  World,
} from './base/world.ts';
export type { CellIndex, EntityId, Slot } from './base/brand.ts';
export { CapacityError, ModuleError, SystemError } from './base/errors.ts';
