/** Random world declarations, mostly right with something wrong: for tests here and in test/long. */
import type { ExecutionContext } from 'ava';
import { ModuleError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import { FIELD_TYPES } from '../../src/base/schema.ts';
import type { Schema } from '../../src/base/schema.ts';
import { checkWorld } from '../../src/base/world-check.ts';

const ODD_VALUES: readonly unknown[] = [
  undefined,
  null,
  NaN,
  Infinity,
  -1,
  0,
  1.5,
  2 ** 40,
  '',
  'x',
  '__proto__',
  'constructor',
  'ünï',
  'a'.repeat(200),
  [],
  [1],
  {},
  () => 0,
  Symbol('odd'),
  10n,
  true,
  new Date(0),
  new Map(),
  Object.create(null),
];

class Generator {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Right with a chance of `rightness - 1` in `rightness`. */
  #or(rightness: number, right: () => unknown): unknown {
    return this.#random.below(rightness) > 0 ? right() : ODD_VALUES[this.#random.below(ODD_VALUES.length)];
  }

  #name(): string {
    const odd = ['id', 'x', 'toString', '__proto__', 'A', 'a b', ''];
    if (this.#random.below(40) === 0) return odd[this.#random.below(odd.length)]!;
    return 'abcdefgh'[this.#random.below(8)]! + this.#random.below(50);
  }

  #table(countMax: number, value: () => unknown): object {
    const table: Record<string, unknown> = {};
    for (let count = this.#random.below(countMax + 1); count > 0; count--) table[this.#name()] = value();
    return table;
  }

  #field(isItem: boolean): object {
    const random = this.#random;
    const types = isItem ? FIELD_TYPES.slice(0, 10) : FIELD_TYPES;
    const type = types[random.below(types.length)]!;
    const field: Record<string, unknown> = { type: this.#or(60, () => type) };
    if (type === 'text' || type === 'bytes') field['bytesMax'] = this.#or(40, () => 1 + random.below(255));
    if (type === 'list') {
      field['countMax'] = this.#or(40, () => 1 + random.below(4096));
      field['item'] = this.#or(40, () => this.#table(4, () => this.#field(true)));
    }
    if (random.below(6) === 0) field['min'] = this.#or(20, () => -random.below(100));
    if (random.below(6) === 0) field['max'] = this.#or(20, () => random.below(100));
    if (random.below(20) === 0) field['precision'] = this.#or(3, () => random.next());
    return field;
  }

  world(): unknown {
    const random = this.#random;
    const components = this.#table(random.below(60) === 0 ? 40 : 5, () =>
      this.#or(80, () => this.#table(random.below(60) === 0 ? 80 : 5, () => this.#field(false))),
    );
    const names = Object.keys(components);
    const some = (): string[] => names.filter(() => random.below(2) === 0);
    const kinds = this.#table(4, () =>
      this.#or(80, () => ({ components: this.#or(80, some), speedMax: this.#or(9, () => 5) })),
    );
    const systems = this.#table(3, () =>
      this.#or(80, () => ({ run: this.#or(80, () => () => 0), near: this.#or(20, () => 9) })),
    );
    const world: Record<string, unknown> = {
      name: this.#or(80, () => this.#name()),
      version: this.#or(80, () => 1 + random.below(9)),
      size: this.#or(80, () => 16 + random.below(9999)),
      components: this.#or(80, () => components),
      kinds: this.#or(80, () => (random.below(30) > 0 ? { ...kinds, one: { components: some() } } : kinds)),
      systems: this.#or(80, () => systems),
      join: this.#or(80, () => () => ({})),
    };
    if (random.below(4) === 0) world['edge'] = this.#or(20, () => 'stop');
    if (random.below(4) === 0) {
      world['input'] = this.#or(20, () => ({
        fields: this.#table(4, () => this.#field(false)),
        apply: this.#or(20, () => () => 0),
      }));
    }
    if (random.below(4) === 0)
      world['events'] = this.#or(20, () => this.#table(4, () => this.#table(4, () => this.#field(false))));
    if (random.below(8) === 0)
      world['params'] = this.#or(20, () => this.#table(4, () => this.#or(9, () => random.next())));
    if (random.below(8) === 0) world['on'] = this.#or(20, () => this.#table(2, () => () => 0));
    if (random.below(8) === 0)
      world['migrations'] = this.#or(20, () => ({ [1 + random.below(4)]: this.#or(9, () => () => ({})) }));
    if (random.below(80) === 0) world[this.#name()] = 1;
    return random.below(200) === 0 ? ODD_VALUES[random.below(ODD_VALUES.length)] : world;
  }
}

/** Calls `accept` with each schema; anything but a schema or a ModuleError fails the test. */
export function fuzzWorlds(
  t: ExecutionContext,
  { rounds, seed, accept }: { rounds: number; seed: number; accept: (schema: Schema) => void },
): { accepted: number; refused: number } {
  const counts = { accepted: 0, refused: 0 };
  const generator = new Generator(seed);
  for (let round = 0; round < rounds; round++) {
    const world = generator.world();
    let schema: Schema;
    try {
      schema = checkWorld(world);
    } catch (error) {
      counts.refused++;
      if (error instanceof ModuleError && error.field !== '' && error.message.startsWith(error.field)) continue;
      t.fail(`round ${round} of seed ${seed}: ${String((error as Error).stack)}`);
      return counts;
    }
    counts.accepted++;
    accept(schema);
  }
  return counts;
}
