/**
 * One setting: its default, what it is, and the zod schema of the values it takes. Made from a few kinds; settings.ts lists them
 * all. What a value is checked by and what `--help` and the documentation say of it come from the same line.
 */
import type * as Zod from './zod-parts.ts';
import { loadZod } from './zod.ts';

/** What there is to know of a setting beside its values. */
export interface SettingMeta {
  readonly kind: 'integer' | 'number' | 'text' | 'boolean' | 'choice' | 'params' | 'list';
  readonly group: SettingGroup;
  readonly unit: string;
  readonly description: string;
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** Shown as the default where it depends on the machine or the module. */
  readonly defaultText?: string;
  readonly secret?: boolean;
  readonly powerOfTwo?: boolean;
  readonly multipleOf?: number;
  /** In words, what may stand there, where kind and range do not say it. */
  readonly shape?: string;
  readonly example?: string;
  /** What its flag is given, in a word. */
  readonly placeholder?: string;
}

export type SettingGroup =
  | 'Process'
  | 'World'
  | 'Ticks'
  | 'Capacity'
  | 'Interest'
  | 'Clients'
  | 'Protection'
  | 'Recording'
  | 'Cluster';

export interface Setting<Value> {
  readonly meta: SettingMeta;
  readonly defaultValue: () => Value;
  /** Made when it is first asked for; the same each time. */
  readonly schema: () => Zod.ZodMiniType<Value>;
}

type About = Omit<SettingMeta, 'kind' | 'unit' | 'description'> & { readonly unit?: string; readonly about: string };
type Range = { readonly min: number; readonly max: number };
type Shape = { readonly shape: string; readonly example: string; readonly accepts: (given: string) => boolean };

export function integer(value: number | (() => number), about: About & Range): Setting<number> {
  const { min, max, powerOfTwo = false, multipleOf = 1 } = about;
  return {
    meta: metaFrom('integer', about),
    defaultValue: typeof value === 'function' ? value : () => value,
    schema: once((z) => {
      const within = z.int().check(z.gte(min), z.lte(max), z.multipleOf(multipleOf));
      return powerOfTwo ? within.check(z.refine((count) => Number.isInteger(Math.log2(count)))) : within;
    }),
  };
}

export function bytes(value: number, about: Omit<About, 'unit'> & Range): Setting<number> {
  return integer(value, { ...about, unit: 'bytes' });
}

export function number(value: number, about: About & Range): Setting<number> {
  return { meta: metaFrom('number', about), defaultValue: () => value, schema: numberWithin(about) };
}

/** Where nothing is given, something else decides. */
export function optionalNumber(about: About & Range & { readonly defaultText: string }): Setting<number | undefined> {
  return { meta: metaFrom('number', about), defaultValue: () => undefined, schema: numberWithin(about) };
}

/** May be empty only if it is by default. */
export function text(value: string, about: About & { readonly max: number }): Setting<string> {
  const lengthMin = value === '' ? 0 : 1;
  return {
    meta: metaFrom('text', about),
    defaultValue: () => value,
    schema: once((z) => z.string().check(z.minLength(lengthMin), z.maxLength(about.max))),
  };
}

/** Text of a certain form; empty only if it is by default. */
export function shapedText(
  value: string,
  { accepts, ...about }: About & Shape & { readonly max: number },
): Setting<string> {
  const plain = text(value, about);
  return {
    ...plain,
    schema: once((z) =>
      z.string().check(
        z.maxLength(about.max, { abort: true }),
        z.refine((given) => given === value || accepts(given)),
      ),
    ),
  };
}

/** Several texts of a certain form. */
export function texts({
  countMax,
  accepts,
  ...about
}: About & Shape & { readonly countMax: number }): Setting<readonly string[]> {
  return {
    meta: metaFrom('list', { ...about, max: countMax }),
    defaultValue: () => [],
    schema: once((z) => z.array(z.string().check(z.refine(accepts))).check(z.maxLength(countMax))),
  };
}

export function boolean(value: boolean, about: About): Setting<boolean> {
  return { meta: metaFrom('boolean', about), defaultValue: () => value, schema: once((z) => z.boolean()) };
}

export function choice<const Choice extends string>(
  value: NoInfer<Choice>,
  choices: readonly Choice[],
  about: About,
): Setting<Choice> {
  return {
    meta: metaFrom('choice', { ...about, choices }),
    defaultValue: () => value,
    schema: once((z) => z.literal(choices)),
  };
}

/** Numbers by name. */
export function numbers(about: About & { readonly countMax: number }): Setting<Readonly<Record<string, number>>> {
  const { countMax, ...rest } = about;
  return {
    meta: metaFrom('params', rest),
    defaultValue: () => ({}),
    schema: once((z) =>
      z
        .record(z.string().check(z.regex(NAME)), z.number())
        .check(z.refine((given) => Object.keys(given).length <= countMax)),
    ),
  };
}

const NAME = /^[a-z][A-Za-z0-9]{0,31}$/;

function numberWithin({ min, max }: Range): () => Zod.ZodMiniType<number> {
  return once((z) => z.number().check(z.gte(min), z.lte(max)));
}

function once<Value>(make: (zod: typeof Zod) => Zod.ZodMiniType<Value>): () => Zod.ZodMiniType<Value> {
  let made: Zod.ZodMiniType<Value> | undefined;
  return () => (made ??= make(loadZod()));
}

function metaFrom(kind: SettingMeta['kind'], { about, unit = '', ...rest }: About): SettingMeta {
  return { ...rest, kind, unit, description: about };
}
