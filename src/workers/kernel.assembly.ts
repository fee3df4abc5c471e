/**
 * The movement-and-border kernel in WebAssembly SIMD, written in AssemblyScript: four slots at once, in place in the
 * store's shared memory. It does exactly what kernel.ts documents, bit for bit. Build it with `npm run build:kernels`.
 *
 * Four slots that all stay inside the world and near their homes, as almost all do, take one branch. If any of the four does not,
 * nothing has been stored yet and the four go one by one through the second loop, which also does the last few.
 *
 * All column arguments are byte offsets of slot 0. Holds no state, checks no address, and touches no other memory.
 */

/** Lanes in [min, inside]; false for NaN. */
// @ts-ignore: decorator of AssemblyScript
@inline
function isInside(position: v128, min: v128, inside: v128): v128 {
  return v128.and(f32x4.ge(position, min), f32x4.le(position, inside));
}

/** Lanes within reach of home; false for NaN. */
// @ts-ignore: decorator of AssemblyScript
@inline
function isNear(position: v128, home: v128, reach: v128): v128 {
  return f32x4.le(f32x4.abs(f32x4.sub(position, home)), reach);
}

/**
 * Advances slots first … end - 1 and writes those that left their cell to `leavers` from index `first` on.
 * `keepBits` and `flipBits` make the velocity after a border: (bits & keep) ^ flip.
 * Returns how many left.
 */
export function move(
  xColumn: u32,
  zColumn: u32,
  vxColumn: u32,
  vzColumn: u32,
  homeXColumn: u32,
  homeZColumn: u32,
  leaversColumn: u32,
  first: u32,
  end: u32,
  dt: f32,
  minX: f32,
  insideX: f32,
  minZ: f32,
  insideZ: f32,
  reach: f32,
  keepBits: i32,
  flipBits: i32,
): u32 {
  const dt4 = f32x4.splat(dt);
  const minX4 = f32x4.splat(minX);
  const insideX4 = f32x4.splat(insideX);
  const minZ4 = f32x4.splat(minZ);
  const insideZ4 = f32x4.splat(insideZ);
  const reach4 = f32x4.splat(reach);
  const leaversFirst = leaversColumn + (first << 2);
  const wholeEnd = first + ((end - first) & ~3);
  let leaversAt = leaversFirst;
  let slot = first;
  while (slot < end) {
    for (; slot < wholeEnd; slot += 4) {
      const at = slot << 2;
      const x = f32x4.add(v128.load(xColumn + at), f32x4.mul(v128.load(vxColumn + at), dt4));
      const z = f32x4.add(v128.load(zColumn + at), f32x4.mul(v128.load(vzColumn + at), dt4));
      const inside = v128.and(isInside(x, minX4, insideX4), isInside(z, minZ4, insideZ4));
      const nearX = isNear(x, v128.load(homeXColumn + at), reach4);
      const nearZ = isNear(z, v128.load(homeZColumn + at), reach4);
      if (!i32x4.all_true(v128.and(inside, v128.and(nearX, nearZ)))) break;
      v128.store(xColumn + at, x);
      v128.store(zColumn + at, z);
    }
    const singlesEnd = slot < wholeEnd ? slot + 4 : end;
    for (; slot < singlesEnd; slot++) {
      const at = slot << 2;
      const vx = load<f32>(vxColumn + at);
      const vz = load<f32>(vzColumn + at);
      let x = load<f32>(xColumn + at) + vx * dt;
      let z = load<f32>(zColumn + at) + vz * dt;
      if (x < minX || x > insideX) {
        x = x < minX ? minX : insideX;
        store<i32>(vxColumn + at, (reinterpret<i32>(vx) & keepBits) ^ flipBits);
      }
      if (z < minZ || z > insideZ) {
        z = z < minZ ? minZ : insideZ;
        store<i32>(vzColumn + at, (reinterpret<i32>(vz) & keepBits) ^ flipBits);
      }
      store<f32>(xColumn + at, x);
      store<f32>(zColumn + at, z);
      const stays = abs(x - load<f32>(homeXColumn + at)) <= reach && abs(z - load<f32>(homeZColumn + at)) <= reach;
      if (!stays) {
        store<u32>(leaversAt, slot);
        leaversAt += 4;
      }
    }
  }
  return (leaversAt - leaversFirst) >> 2;
}
