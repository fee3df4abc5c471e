/** The parts of zod that settings are made of, by name: a build leaves out the rest, which is nine tenths of it. */
export {
  array,
  boolean,
  gte,
  int,
  literal,
  lte,
  maxLength,
  minLength,
  multipleOf,
  number,
  optional,
  record,
  refine,
  regex,
  registry,
  strictObject,
  string,
  toJSONSchema,
} from 'zod/mini';
export type { ZodMiniType } from 'zod/mini';
