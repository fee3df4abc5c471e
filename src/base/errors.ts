/**
 * Expected failures. One class per layer; `code` is stable and documented (docs/PROTOCOL.md, docs/WORLD-MODULES.md),
 * the message names what was expected, what was found, and what to do.
 */
export abstract class WorldmeshError extends Error {
  abstract readonly code: string;
}

/** A fixed capacity ran out. `setting` names what to raise; the world goes on without what did not fit. */
export class CapacityError extends WorldmeshError {
  override readonly name = 'CapacityError';
  readonly code: CapacityErrorCode;
  readonly setting: string;

  constructor(code: CapacityErrorCode, options: { setting: string; message: string }) {
    super(`${options.message}; raise the setting "${options.setting}"`);
    this.code = code;
    this.setting = options.setting;
  }
}

export type CapacityErrorCode =
  | 'ERR_CAPACITY_ENTITIES'
  | 'ERR_CAPACITY_SESSIONS'
  | 'ERR_CAPACITY_HEAP'
  | 'ERR_CAPACITY_COMMANDS'
  | 'ERR_CAPACITY_RING'
  | 'ERR_CAPACITY_PUBLICATIONS'
  | 'ERR_CAPACITY_MEMORY';

/** The world module is not usable. `field` is the path inside the module, such as `components.look.name`. */
export class ModuleError extends WorldmeshError {
  override readonly name = 'ModuleError';
  readonly code: ModuleErrorCode;
  readonly field: string;

  constructor(code: ModuleErrorCode, options: { field: string; message: string; cause?: unknown }) {
    super(`${options.field}: ${options.message}`, { cause: options.cause });
    this.code = code;
    this.field = options.field;
  }
}

export type ModuleErrorCode =
  | 'ERR_MODULE_LOAD'
  | 'ERR_MODULE_SHAPE'
  | 'ERR_MODULE_NAME'
  | 'ERR_MODULE_FIELD'
  | 'ERR_MODULE_LIMIT'
  | 'ERR_MODULE_REFERENCE'
  | 'ERR_MODULE_VALUE';

/** Bytes from a client, or for a client, do not follow docs/PROTOCOL.md. */
export class WireError extends WorldmeshError {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type WireErrorCode =
  | 'ERR_WIRE_TRUNCATED'
  | 'ERR_WIRE_TRAILING'
  | 'ERR_WIRE_TYPE'
  | 'ERR_WIRE_VERSION'
  | 'ERR_WIRE_RANGE'
  | 'ERR_WIRE_TEXT'
  | 'ERR_WIRE_JSON';

/** A record (the serialization of one entity) cannot be read. */
export class RecordError extends WorldmeshError {
  override readonly name = 'RecordError';
  readonly code: RecordErrorCode;

  constructor(code: RecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type RecordErrorCode =
  | 'ERR_RECORD_TRUNCATED'
  | 'ERR_RECORD_MAGIC'
  | 'ERR_RECORD_VERSION'
  | 'ERR_RECORD_SCHEMA'
  | 'ERR_RECORD_CHECKSUM'
  | 'ERR_RECORD_RANGE'
  | 'ERR_RECORD_SIZE'
  | 'ERR_RECORD_COMPRESSION';

/** World code threw during a tick, or left a value that cannot be simulated. Names where. */
export class SystemError extends WorldmeshError {
  override readonly name = 'SystemError';
  readonly code: 'ERR_SYSTEM_THREW' | 'ERR_SYSTEM_NOT_FINITE';
  readonly system: string;
  readonly cell: number;
  /** The entity in work, or 0 when it is not known. */
  readonly entity: number;

  constructor(options: {
    code: 'ERR_SYSTEM_THREW' | 'ERR_SYSTEM_NOT_FINITE';
    system: string;
    cell: number;
    entity: number;
    cause: unknown;
  }) {
    const cause = options.cause instanceof Error ? options.cause.message : String(options.cause);
    const entity = options.entity === 0 ? 'entity unknown' : `entity ${options.entity}`;
    super(`system "${options.system}" in cell ${options.cell}, ${entity}: ${cause}`, { cause: options.cause });
    this.code = options.code;
    this.system = options.system;
    this.cell = options.cell;
    this.entity = options.entity;
  }
}
