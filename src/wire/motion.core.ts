/**
 * Where an entity is when nobody says anything: both ends of the wire reckon it alike, to the last bit, so that the server
 * need only tell of what comes otherwise.
 *
 * Of others, from a place in whole centimetres and a velocity in whole units of 1/64 cm a tick:
 *
 *   cm(t) = cm(0) + floor((velocity · t + 32) / 64)         t in ticks
 *
 * Of the own entity, exactly as the server moves it, once for each tick: x = fround(x + fround(vx · dt)), dt = fround(1 / tickHz).
 */
export const CENTIMETRES_PER_METRE = 100;
/** Units of velocity in 1 cm a tick: half a unit off is 1 cm after 128 ticks. */
export const VELOCITY_UNITS = 64;
/** i16; at 20 ticks a second 102 m/s. Who is faster is told of more often. */
export const VELOCITY_MAX = 0x7fff;
/** Ticks for which the own entity's way is reckoned; then it is given again at the latest. */
export const OWN_TICKS_MAX = 64;

export function reckonCm(cm: number, velocity: number, ticks: number): number {
  return cm + Math.floor((velocity * ticks + VELOCITY_UNITS / 2) / VELOCITY_UNITS);
}

/** Units of velocity in 1 m/s. */
export function velocityUnitsPerMetre(tickHz: number): number {
  return (CENTIMETRES_PER_METRE * VELOCITY_UNITS) / tickHz;
}

/** Not a number counts as no velocity. */
export function velocityUnits(metresPerSecond: number, unitsPerMetre: number): number {
  const units = Math.round(metresPerSecond * unitsPerMetre);
  if (units > VELOCITY_MAX) return VELOCITY_MAX;
  if (units < -VELOCITY_MAX) return -VELOCITY_MAX;
  // -0 becomes 0 as well.
  return Number.isNaN(units) ? 0 : units + 0;
}

/** One coordinate of the own entity after so many ticks; all numbers are f32, as `dt` is. */
export function reckonOwn(metres: number, velocity: number, { ticks, dt }: { ticks: number; dt: number }): number {
  const step = Math.fround(velocity * dt);
  let at = metres;
  for (let tick = 0; tick < ticks; tick++) at = Math.fround(at + step);
  return at;
}
