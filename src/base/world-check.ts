/**
 * Turns a world declaration into its schema, or says exactly what is wrong with it. Takes `unknown`: a module is a
 * user's file, and may have been written in JavaScript.
 */
import { ModuleError } from './errors.ts';
import { componentOptionsOf } from './fields.ts';
import {
  BYTES_MAX,
  COMPONENTS_MAX,
  EVENTS_MAX,
  EVENT_BYTES_MAX,
  FIELDS_MAX,
  FIELD_TYPES,
  INPUT_BYTES_MAX,
  KINDS_MAX,
  LIST_COUNT_MAX,
  TEXT_BYTES_MAX,
  fieldsSizeBytesMax,
  hashText,
  isScalar,
  naturalRange,
} from './schema.ts';
import type { ComponentSchema, EventSchema, FieldSchema, FieldType, KindSchema, Schema, Visibility } from './schema.ts';

type Table = { readonly [key: string]: unknown };

const NAME_PATTERN = /^[a-z][A-Za-z0-9]{0,31}$/;
const RESERVED_COMPONENTS = new Set([
  'id',
  'slot',
  'kind',
  'x',
  'z',
  'vx',
  'vz',
  'session',
  'constructor',
  'prototype',
]);
const SIZE_METRES_MAX = 131_072;
const VERSION_MAX = 65_535;
const DECLARATION_KEYS = new Set([
  'name',
  'version',
  'size',
  'edge',
  'overhang',
  'components',
  'kinds',
  'input',
  'events',
  'publications',
  'params',
  'systems',
  'on',
  'start',
  'join',
  'migrations',
]);

export function checkWorld(value: unknown): Schema {
  const world = tableAt(value, 'world');
  for (const key of Object.keys(world)) {
    if (!DECLARATION_KEYS.has(key)) {
      throw new ModuleError('ERR_MODULE_SHAPE', {
        field: key === '' ? '""' : key,
        message: `unknown; allowed are ${[...DECLARATION_KEYS].join(', ')}`,
      });
    }
  }
  const name = nameAt(world['name'], 'name');
  const version = integerAt(world['version'], 'version', { min: 1, max: VERSION_MAX });
  numberAt(world['size'], 'size', { min: 16, max: SIZE_METRES_MAX });
  oneOf(world['edge'] ?? 'bounce', 'edge', ['bounce', 'stop']);
  oneOf(world['overhang'] ?? 'turn', 'overhang', ['turn', 'stop']);
  const components = checkComponents(tableAt(world['components'], 'components'));
  const kinds = checkKinds(tableAt(world['kinds'], 'kinds'), components);
  const input = checkInput(world['input']);
  const events = checkEvents(world['events'], 'events');
  publicationsOf(world);
  checkParams(world['params']);
  checkSystems(tableAt(world['systems'], 'systems'), kinds);
  checkHandlers(world['on'], events);
  checkMigrations(world['migrations'], version);
  functionAt(world['join'], 'join');
  if (world['start'] !== undefined) functionAt(world['start'], 'start');
  const body = { name, version, components, kinds, input, events };
  return { ...body, hash: hashText(JSON.stringify(body)) };
}

/** What the world may publish. No part of its schema: clients and other nodes have no need of it. */
export function publicationsOf(declaration: { readonly publications?: unknown }): EventSchema[] {
  return checkEvents(declaration.publications, 'publications');
}

function checkComponents(table: Table): ComponentSchema[] {
  const names = Object.keys(table);
  countAt(names.length, 'components', COMPONENTS_MAX);
  return names.map((name, index) => {
    const path = `components.${name}`;
    nameAt(name, path);
    if (RESERVED_COMPONENTS.has(name)) {
      throw new ModuleError('ERR_MODULE_NAME', { field: path, message: `"${name}" is built in; choose another name` });
    }
    const declared = tableAt(table[name], path);
    const options = componentOptionsOf(declared);
    const visible = oneOf(options.visible ?? 'all', `${path} visible`, ['all', 'owner', 'none']) as Visibility;
    return { name, index, visible, shared: options.shared === true, fields: checkFields(declared, path) };
  });
}

function checkFields(table: Table, path: string, scalarsOnly = false): FieldSchema[] {
  const names = Object.keys(table);
  countAt(names.length, path, FIELDS_MAX);
  return names.map((name) => {
    nameAt(name, `${path}.${name}`);
    return checkField(name, tableAt(table[name], `${path}.${name}`), { path: `${path}.${name}`, scalarsOnly });
  });
}

function checkField(
  name: string,
  field: Table,
  { path, scalarsOnly }: { path: string; scalarsOnly: boolean },
): FieldSchema {
  const type = oneOf(field['type'], `${path} type`, FIELD_TYPES) as FieldType;
  if (isScalar(type)) {
    const natural = naturalRange(type);
    const min = optionalNumber(field['min'], `${path} min`, natural);
    const max = optionalNumber(field['max'], `${path} max`, natural);
    if ((min ?? natural.min) > (max ?? natural.max)) {
      throw new ModuleError('ERR_MODULE_FIELD', { field: path, message: `min ${min} is above max ${max}` });
    }
    const precision = checkPrecision(field['precision'], path, { type, min, max });
    return {
      name,
      type,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
      ...(precision === undefined ? {} : { precision }),
    };
  }
  if (scalarsOnly) {
    throw new ModuleError('ERR_MODULE_FIELD', {
      field: path,
      message: `${type} is not allowed here; use a number, bool or entity`,
    });
  }
  if (type === 'list') {
    const countMax = integerAt(field['countMax'], `${path} max`, { min: 1, max: LIST_COUNT_MAX });
    return { name, type, countMax, item: checkFields(tableAt(field['item'], `${path} item`), `${path}.item`, true) };
  }
  const limit = type === 'text' ? TEXT_BYTES_MAX : BYTES_MAX;
  return { name, type, bytesMax: integerAt(field['bytesMax'], `${path} size`, { min: 1, max: limit }) };
}

function checkPrecision(
  value: unknown,
  path: string,
  { type, min, max }: { type: FieldType; min: number | undefined; max: number | undefined },
): number | undefined {
  if (value === undefined) return undefined;
  if (type !== 'f32' && type !== 'f64') {
    throw new ModuleError('ERR_MODULE_FIELD', {
      field: `${path} precision`,
      message: 'only f32 and f64 take a precision',
    });
  }
  if (min === undefined || max === undefined) {
    throw new ModuleError('ERR_MODULE_FIELD', { field: `${path} precision`, message: 'needs min and max as well' });
  }
  const precision = numberAt(value, `${path} precision`, { min: Number.MIN_VALUE, max: Number.MAX_VALUE });
  if ((max - min) / precision > 0xffff_ffff) {
    throw new ModuleError('ERR_MODULE_FIELD', {
      field: `${path} precision`,
      message: `${precision} between ${min} and ${max} needs more than 32 bits; widen it`,
    });
  }
  return precision;
}

function checkKinds(table: Table, components: readonly ComponentSchema[]): KindSchema[] {
  const names = Object.keys(table);
  countAt(names.length, 'kinds', KINDS_MAX);
  if (names.length === 0)
    throw new ModuleError('ERR_MODULE_SHAPE', { field: 'kinds', message: 'declare at least one kind' });
  return names.map((name, index) => {
    const path = `kinds.${name}`;
    nameAt(name, path);
    const kind = tableAt(table[name], path);
    const listed = kind['components'];
    if (!Array.isArray(listed)) {
      throw new ModuleError('ERR_MODULE_SHAPE', {
        field: `${path}.components`,
        message: 'must be a list of component names',
      });
    }
    const indices = listed.map((component: unknown) => {
      const found = components.find((candidate) => candidate.name === component);
      if (found === undefined) {
        const allowed = components.map((candidate) => candidate.name).join(', ') || 'none declared';
        throw new ModuleError('ERR_MODULE_REFERENCE', {
          field: `${path}.components`,
          message: `"${show(component)}" is not a component; allowed are ${allowed}`,
        });
      }
      return found.index;
    });
    let componentMask = 0;
    for (const component of indices) componentMask |= 1 << component;
    return {
      name,
      index,
      components: [...new Set(indices)].sort((a, b) => a - b),
      componentMask: componentMask >>> 0,
      speedMax: numberAt(kind['speedMax'] ?? 0, `${path}.speedMax`, { min: 0, max: 1000 }),
      hidden: kind['hidden'] === true,
      sheddable: kind['sheddable'] === true,
    };
  });
}

function checkInput(value: unknown): FieldSchema[] {
  if (value === undefined) return [];
  const input = tableAt(value, 'input');
  functionAt(input['apply'], 'input.apply');
  const fields = checkFields(tableAt(input['fields'], 'input.fields'), 'input.fields');
  for (const field of fields) {
    if (field.type === 'list') {
      throw new ModuleError('ERR_MODULE_FIELD', {
        field: `input.fields.${field.name}`,
        message: 'an input cannot hold a list',
      });
    }
  }
  sizeAt(fields, 'input.fields', INPUT_BYTES_MAX);
  return fields;
}

function checkEvents(value: unknown, path: 'events' | 'publications'): EventSchema[] {
  if (value === undefined) return [];
  const table = tableAt(value, path);
  const names = Object.keys(table);
  countAt(names.length, path, EVENTS_MAX);
  return names.map((name, index) => {
    nameAt(name, `${path}.${name}`);
    const fields = checkFields(tableAt(table[name], `${path}.${name}`), `${path}.${name}`);
    for (const field of fields) {
      if (field.type === 'list') {
        throw new ModuleError('ERR_MODULE_FIELD', {
          field: `${path}.${name}.${field.name}`,
          message: path === 'events' ? 'an event cannot hold a list' : 'a publication cannot hold a list',
        });
      }
    }
    sizeAt(fields, `${path}.${name}`, EVENT_BYTES_MAX);
    return { name, index, fields };
  });
}

function checkParams(value: unknown): void {
  if (value === undefined) return;
  const table = tableAt(value, 'params');
  for (const name of Object.keys(table)) {
    nameAt(name, `params.${name}`);
    numberAt(table[name], `params.${name}`, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE });
  }
}

function checkSystems(table: Table, kinds: readonly KindSchema[]): void {
  for (const name of Object.keys(table)) {
    const path = `systems.${name}`;
    nameAt(name, path);
    const system = tableAt(table[name], path);
    functionAt(system['run'], `${path}.run`);
    if (system['near'] !== undefined) numberAt(system['near'], `${path}.near`, { min: 0, max: 4096 });
    if (system['kinds'] === undefined) continue;
    if (!Array.isArray(system['kinds'])) {
      throw new ModuleError('ERR_MODULE_SHAPE', { field: `${path}.kinds`, message: 'must be a list of kind names' });
    }
    for (const kind of system['kinds'] as unknown[]) {
      if (!kinds.some((candidate) => candidate.name === kind)) {
        throw new ModuleError('ERR_MODULE_REFERENCE', {
          field: `${path}.kinds`,
          message: `"${show(kind)}" is not a kind; allowed are ${kinds.map((candidate) => candidate.name).join(', ')}`,
        });
      }
    }
  }
}

function checkHandlers(value: unknown, events: readonly EventSchema[]): void {
  if (value === undefined) return;
  const table = tableAt(value, 'on');
  for (const name of Object.keys(table)) {
    if (!events.some((event) => event.name === name)) {
      const allowed = events.map((event) => event.name).join(', ') || 'none declared';
      throw new ModuleError('ERR_MODULE_REFERENCE', {
        field: `on.${name}`,
        message: `not an event; allowed are ${allowed}`,
      });
    }
    functionAt(table[name], `on.${name}`);
  }
}

function checkMigrations(value: unknown, version: number): void {
  if (value === undefined) return;
  const table = tableAt(value, 'migrations');
  for (const from of Object.keys(table)) {
    integerAt(Number(from), `migrations.${from}`, { min: 1, max: version - 1 });
    functionAt(table[from], `migrations.${from}`);
  }
}

function tableAt(value: unknown, field: string): Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ModuleError('ERR_MODULE_SHAPE', { field, message: `must be an object, found ${show(value)}` });
  }
  return value as Table;
}

function functionAt(value: unknown, field: string): void {
  if (typeof value !== 'function') {
    throw new ModuleError('ERR_MODULE_SHAPE', { field, message: `must be a function, found ${show(value)}` });
  }
}

function nameAt(value: unknown, field: string): string {
  if (typeof value !== 'string' || !NAME_PATTERN.test(value)) {
    throw new ModuleError('ERR_MODULE_NAME', {
      field,
      message: `a name starts with a lower-case letter and has at most 32 letters and digits, found ${show(value)}`,
    });
  }
  return value;
}

function numberAt(value: unknown, field: string, { min, max }: { min: number; max: number }): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw new ModuleError('ERR_MODULE_VALUE', {
      field,
      message: `must be a number from ${min} to ${max}, found ${show(value)}`,
    });
  }
  return value;
}

function integerAt(value: unknown, field: string, range: { min: number; max: number }): number {
  const number = numberAt(value, field, range);
  if (!Number.isInteger(number)) {
    throw new ModuleError('ERR_MODULE_VALUE', { field, message: `must be a whole number, found ${show(value)}` });
  }
  return number;
}

function optionalNumber(value: unknown, field: string, range: { min: number; max: number }): number | undefined {
  return value === undefined ? undefined : numberAt(value, field, range);
}

function oneOf(value: unknown, field: string, allowed: readonly string[]): string {
  if (typeof value !== 'string' || !allowed.includes(value)) {
    throw new ModuleError('ERR_MODULE_VALUE', {
      field,
      message: `must be one of ${allowed.join(', ')}, found ${show(value)}`,
    });
  }
  return value;
}

function countAt(count: number, field: string, max: number): void {
  if (count > max)
    throw new ModuleError('ERR_MODULE_LIMIT', { field, message: `at most ${max} are allowed, found ${count}` });
}

function sizeAt(fields: readonly FieldSchema[], field: string, bytesMax: number): void {
  const sizeBytes = fieldsSizeBytesMax(fields);
  if (sizeBytes > bytesMax) {
    throw new ModuleError('ERR_MODULE_LIMIT', {
      field,
      message: `may take ${bytesMax} bytes, its fields take ${sizeBytes}`,
    });
  }
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 64));
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null)
    return String(value);
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
