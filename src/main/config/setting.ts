/** One setting: its default, what it is, and which values it takes. Made from a few kinds; settings.ts lists them all. */

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
  /** What a flag of a list is given, in a word. */
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
  readonly accepts: (value: unknown) => boolean;
}

type About = Omit<SettingMeta, 'kind' | 'unit' | 'description'> & { readonly unit?: string; readonly about: string };
type Range = { readonly min: number; readonly max: number };

export function integer(value: number | (() => number), about: About & Range): Setting<number> {
  const { min, max, powerOfTwo = false, multipleOf = 1 } = about;
  const accepts = (given: unknown): boolean => {
    if (!Number.isSafeInteger(given)) return false;
    const count = given as number;
    const fits = powerOfTwo ? Number.isInteger(Math.log2(count)) : count % multipleOf === 0;
    return fits && count >= min && count <= max;
  };
  const defaultValue = typeof value === 'function' ? value : () => value;
  return { meta: metaFrom('integer', about), defaultValue, accepts };
}

export function bytes(value: number, about: Omit<About, 'unit'> & Range): Setting<number> {
  return integer(value, { ...about, unit: 'bytes' });
}

export function number(value: number, about: About & Range): Setting<number> {
  return { meta: metaFrom('number', about), defaultValue: () => value, accepts: isNumberWithin(about) };
}

/** Where nothing is given, something else decides. */
export function optionalNumber(about: About & Range & { readonly defaultText: string }): Setting<number | undefined> {
  return { meta: metaFrom('number', about), defaultValue: () => undefined, accepts: isNumberWithin(about) };
}

/** May be empty only if it is by default. */
export function text(value: string, about: About & { readonly max: number }): Setting<string> {
  const lengthMin = value === '' ? 0 : 1;
  const accepts = (given: unknown): boolean =>
    typeof given === 'string' && given.length >= lengthMin && given.length <= about.max;
  return { meta: metaFrom('text', about), defaultValue: () => value, accepts };
}

/** Text of a certain form; empty only if it is by default. */
export function shapedText(
  value: string,
  {
    accepts,
    ...about
  }: About & {
    readonly max: number;
    readonly shape: string;
    readonly example: string;
    readonly accepts: (given: string) => boolean;
  },
): Setting<string> {
  const plain = text(value, about);
  return {
    ...plain,
    accepts: (given) => plain.accepts(given) && (given === value || accepts(given as string)),
  };
}

/** Several texts of a certain form. */
export function texts({
  countMax,
  accepts,
  ...about
}: About & {
  readonly countMax: number;
  readonly shape: string;
  readonly example: string;
  readonly accepts: (given: string) => boolean;
}): Setting<readonly string[]> {
  return {
    meta: metaFrom('list', { ...about, max: countMax }),
    defaultValue: () => [],
    accepts: (given) =>
      Array.isArray(given) &&
      given.length <= countMax &&
      given.every((item: unknown) => typeof item === 'string' && accepts(item)),
  };
}

export function boolean(value: boolean, about: About): Setting<boolean> {
  const accepts = (given: unknown): boolean => typeof given === 'boolean';
  return { meta: metaFrom('boolean', about), defaultValue: () => value, accepts };
}

export function choice<const Choice extends string>(
  value: NoInfer<Choice>,
  choices: readonly Choice[],
  about: About,
): Setting<Choice> {
  const accepts = (given: unknown): boolean => (choices as readonly unknown[]).includes(given);
  return { meta: metaFrom('choice', { ...about, choices }), defaultValue: () => value, accepts };
}

/** Numbers by name. */
export function numbers(about: About & { readonly countMax: number }): Setting<Readonly<Record<string, number>>> {
  const { countMax, ...rest } = about;
  const accepts = (given: unknown): boolean => {
    if (!isPlainObject(given)) return false;
    const entries = Object.entries(given);
    return entries.length <= countMax && entries.every(([name, value]) => NAME.test(name) && Number.isFinite(value));
  };
  return { meta: metaFrom('params', rest), defaultValue: () => ({}), accepts };
}

const NAME = /^[a-z][A-Za-z0-9]{0,31}$/;

function isNumberWithin({ min, max }: Range): (given: unknown) => boolean {
  return (given) => typeof given === 'number' && given >= min && given <= max;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function metaFrom(kind: SettingMeta['kind'], { about, unit = '', ...rest }: About): SettingMeta {
  return { ...rest, kind, unit, description: about };
}
