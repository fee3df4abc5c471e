/** What Node imports as `worldmesh/testing`; see index.js. */
import { existsSync } from 'node:fs';

const source = new URL('../src/testing/index.ts', import.meta.url);
const own = await import(existsSync(source) ? source.href : new URL('../dist/node/testing.js', import.meta.url).href);

export const { TestPlayer, TestWorld, runWorld } = own;
