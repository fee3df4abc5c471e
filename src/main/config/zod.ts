/**
 * zod, when the first value is to be checked. Loading it costs a node some 30 ms from sources and 5 ms from what is built of them;
 * a node that was given nothing has nothing to check, because defaults are right by a test.
 */
import { createRequire } from 'node:module';
import type * as Zod from './zod-parts.ts';

export function loadZod(): typeof Zod {
  return createRequire(import.meta.url)('./zod-parts.ts') as typeof Zod;
}
