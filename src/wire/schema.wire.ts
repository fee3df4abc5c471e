/**
 * The schema as JSON, for clients that were not built with the world module. What arrives is rebuilt field by field, so
 * that nothing unknown gets in, and must have the hash that it claims.
 */
import { WireError } from '../base/errors.ts';
import {
  BYTES_MAX,
  COMPONENTS_MAX,
  EVENTS_MAX,
  FIELDS_MAX,
  FIELD_TYPES,
  KINDS_MAX,
  LIST_COUNT_MAX,
  TEXT_BYTES_MAX,
  hashText,
  isScalar,
} from '../base/schema.ts';
import type {
  ComponentSchema,
  EventSchema,
  FieldSchema,
  FieldType,
  KindSchema,
  Schema,
  Visibility,
} from '../base/schema.ts';

type Table = Readonly<Record<string, unknown>>;

const NAME_PATTERN = /^[a-z][A-Za-z0-9]{0,31}$/;
const VERSION_MAX = 65_535;
const VISIBILITIES = ['all', 'owner', 'none'] as const;

/** @throws WireError ERR_WIRE_JSON when the text is not a schema, ERR_WIRE_RANGE when its hash is not its own. */
export function parseSchema(text: string): Schema {
  try {
    return schemaFromJson(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof WireError) throw cause;
    throw new WireError('ERR_WIRE_JSON', `the schema is not JSON: ${String(cause)}`);
  }
}

/** @throws WireError as parseSchema. */
export function schemaFromJson(value: unknown): Schema {
  const table = tableAt(value, 'schema');
  const name = nameAt(table['name'], 'name');
  const version = integerAt(table['version'], 'version', VERSION_MAX);
  const components = listAt(table['components'], 'components', COMPONENTS_MAX).map(componentFrom);
  const kinds = listAt(table['kinds'], 'kinds', KINDS_MAX).map((kind, index) =>
    kindFrom(kind, index, components.length),
  );
  const input = fieldsFrom(table['input'], 'input');
  const events = listAt(table['events'], 'events', EVENTS_MAX).map(eventFrom);
  // The order of keys is that of base/world-check.ts: the hash is over this text.
  const body = { name, version, components, kinds, input, events };
  const hash = hashText(JSON.stringify(body));
  if (table['hash'] !== hash) {
    throw new WireError('ERR_WIRE_RANGE', `the schema hashes to ${hash}, it says ${String(table['hash'])}`);
  }
  return { ...body, hash };
}

function componentFrom(value: unknown, index: number): ComponentSchema {
  const table = tableAt(value, `components[${index}]`);
  const name = nameAt(table['name'], `components[${index}].name`);
  const visible = VISIBILITIES.find((known) => known === table['visible']);
  if (visible === undefined) throw wrong(`components.${name}.visible`, VISIBILITIES.join(', '));
  return {
    name,
    index,
    visible: visible satisfies Visibility,
    shared: table['shared'] === true,
    fields: fieldsFrom(table['fields'], `components.${name}`),
  };
}

function kindFrom(value: unknown, index: number, componentCount: number): KindSchema {
  const table = tableAt(value, `kinds[${index}]`);
  const name = nameAt(table['name'], `kinds[${index}].name`);
  const components = listAt(table['components'], `kinds.${name}.components`, COMPONENTS_MAX).map((component) =>
    integerAt(component, `kinds.${name}.components`, componentCount - 1),
  );
  let componentMask = 0;
  for (const component of components) componentMask |= 1 << component;
  return {
    name,
    index,
    components,
    componentMask: componentMask >>> 0,
    speedMax: numberAt(table['speedMax'], `kinds.${name}.speedMax`),
    hidden: table['hidden'] === true,
    sheddable: table['sheddable'] === true,
  };
}

function eventFrom(value: unknown, index: number): EventSchema {
  const table = tableAt(value, `events[${index}]`);
  const name = nameAt(table['name'], `events[${index}].name`);
  return { name, index, fields: fieldsFrom(table['fields'], `events.${name}`) };
}

function fieldsFrom(value: unknown, path: string, nested = false): FieldSchema[] {
  return listAt(value, path, FIELDS_MAX).map((field) => fieldFrom(field, { path, nested }));
}

function fieldFrom(value: unknown, { path, nested }: { path: string; nested: boolean }): FieldSchema {
  const table = tableAt(value, path);
  const name = nameAt(table['name'], path);
  const at = `${path}.${name}`;
  const type = FIELD_TYPES.find((known) => known === table['type']);
  if (type === undefined) throw wrong(`${at} type`, FIELD_TYPES.join(', '));
  if (isScalar(type)) return { name, type, ...rangeFrom(table, type, at) };
  if (nested) throw wrong(at, 'a number, bool or entity');
  if (type === 'list') {
    const countMax = integerAt(table['countMax'], `${at} countMax`, LIST_COUNT_MAX);
    return { name, type, countMax, item: fieldsFrom(table['item'], at, true) };
  }
  return {
    name,
    type,
    bytesMax: integerAt(table['bytesMax'], `${at} bytesMax`, type === 'text' ? TEXT_BYTES_MAX : BYTES_MAX),
  };
}

function rangeFrom(table: Table, type: FieldType, at: string): Pick<FieldSchema, 'min' | 'max' | 'precision'> {
  const { min, max, precision } = table;
  if (precision !== undefined) {
    const steps = (numberAt(max, `${at} max`) - numberAt(min, `${at} min`)) / numberAt(precision, `${at} precision`);
    const quantized = (type === 'f32' || type === 'f64') && steps >= 0 && steps <= 0xffff_ffff;
    if (!quantized) throw wrong(`${at} precision`, 'a step that divides min to max into at most 32 bits');
  }
  return {
    ...(min === undefined ? {} : { min: numberAt(min, `${at} min`) }),
    ...(max === undefined ? {} : { max: numberAt(max, `${at} max`) }),
    ...(precision === undefined ? {} : { precision: numberAt(precision, `${at} precision`) }),
  };
}

function tableAt(value: unknown, path: string): Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object');
  return value as Table;
}

function listAt(value: unknown, path: string, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw wrong(path, `a list of at most ${countMax}`);
  return value;
}

function nameAt(value: unknown, path: string): string {
  if (typeof value !== 'string' || !NAME_PATTERN.test(value)) throw wrong(path, 'a name');
  return value;
}

function numberAt(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(path, 'a finite number');
  return value;
}

function integerAt(value: unknown, path: string, max: number): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max)
    throw wrong(path, `an integer, at most ${max}`);
  return value as number;
}

function wrong(path: string, expected: string): WireError {
  return new WireError('ERR_WIRE_JSON', `schema ${path}: ${expected} expected`);
}
