/**
 * What Node imports as `worldmesh`: in a clone the sources, in a package, which has none, what was built of them. Bundlers take the build
 * (package.json); threads that run world code take whatever is running (src/workers/own-package.ts).
 */
import { existsSync } from 'node:fs';

const source = new URL('../src/index.ts', import.meta.url);
const own = await import(existsSync(source) ? source.href : new URL('../dist/node/index.js', import.meta.url).href);

export const { bool, bytes, component, entity, f32, f64, i16, i32, i8, list, text, u16, u32, u8 } = own;
export const { defineWorld, CapacityError, ModuleError, SystemError } = own;
