/**
 * What systems ask for during simulate (spawn, despawn, emit, announce, durable, publish) and the conductor carries out in settle.
 *
 * Each worker writes to a buffer of its own, and per cell is noted which buffer holds its commands and where. The
 * conductor goes through the cells in order, so the result does not depend on which worker ran which cell. There
 * are two sets, used in turn by tick: events stay where they were written until their handlers have run in the next tick.
 *
 *   per set and cell:   worker u32 · first u32 · end u32   (byte offsets in that worker's buffer)
 *   per set and worker: bytes u8 × commandBytes / 2
 *
 *   command: u8 op · u8 kind or event · u16 payloadBytes · then, padded to 4 bytes:
 *     spawn     x f32 · z f32 · vx f32 · vz f32 · packed fields of the kind's components
 *     despawn   slot u32 · 0 u32
 *     emit      target id low u32 · high u32 · packed fields of the event
 *     announce  slot u32 · 0 u32 · packed fields of the event
 *     durable   slot u32 · 0 u32 · packed fields of the event; event NO_EVENT: none
 *     publish   slot u32 · 0 u32 · packed fields of the publication
 *
 * When a buffer is full: the system gets a CapacityError naming `commandBytes`.
 */
import { CapacityError } from '../base/errors.ts';

export const COMMAND = { spawn: 1, despawn: 2, emit: 3, announce: 4, durable: 5, publish: 6 } as const;
/** In place of the event of a `durable` without one. */
export const NO_EVENT = 255;
export const COMMAND_HEAD_BYTES = 4;
const CELL_WORDS = 3;

export interface CommandsOptions {
  readonly cellCount: number;
  readonly workers: number;
  readonly commandBytes: number;
}

/** One of the two sets. */
export class CommandSet {
  readonly #cells: Uint32Array<SharedArrayBuffer>;
  readonly bytes: readonly Uint8Array<SharedArrayBuffer>[];
  readonly views: readonly DataView<SharedArrayBuffer>[];

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, { cellCount, workers, commandBytes }: CommandsOptions) {
    this.#cells = new Uint32Array(buffer, offsetBytes, cellCount * CELL_WORDS);
    const bufferBytes = commandBytes / 2;
    const first = offsetBytes + this.#cells.byteLength;
    const offsets = Array.from({ length: workers }, (_, worker) => first + worker * bufferBytes);
    this.bytes = offsets.map((offset) => new Uint8Array(buffer, offset, bufferBytes));
    this.views = offsets.map((offset) => new DataView(buffer, offset, bufferBytes));
  }

  noteCell(cell: number, { worker, first, end }: { worker: number; first: number; end: number }): void {
    this.#cells[cell * CELL_WORDS] = worker;
    this.#cells[cell * CELL_WORDS + 1] = first;
    this.#cells[cell * CELL_WORDS + 2] = end;
  }

  workerOf(cell: number): number {
    return this.#cells[cell * CELL_WORDS]!;
  }

  firstOf(cell: number): number {
    return this.#cells[cell * CELL_WORDS + 1]!;
  }

  endOf(cell: number): number {
    return this.#cells[cell * CELL_WORDS + 2]!;
  }
}

export class Commands {
  readonly sets: readonly [CommandSet, CommandSet];

  static sizeBytes({ cellCount, workers, commandBytes }: CommandsOptions): number {
    return 2 * (cellCount * CELL_WORDS * 4 + workers * (commandBytes / 2));
  }

  constructor(buffer: SharedArrayBuffer, offsetBytes: number, options: CommandsOptions) {
    const setBytes = Commands.sizeBytes(options) / 2;
    this.sets = [new CommandSet(buffer, offsetBytes, options), new CommandSet(buffer, offsetBytes + setBytes, options)];
  }

  setOf(tick: number): CommandSet {
    return this.sets[(tick & 1) as 0 | 1];
  }
}

/** A worker's side: appends commands to its buffer of the current set. */
export class CommandWriter {
  readonly #commands: Commands;
  readonly #worker: number;
  #set: CommandSet;
  bytes: Uint8Array<SharedArrayBuffer>;
  view: DataView<SharedArrayBuffer>;
  #end = 0;
  #cellFirst = 0;

  constructor(commands: Commands, worker: number) {
    this.#commands = commands;
    this.#worker = worker;
    this.#set = commands.setOf(0);
    this.bytes = this.#set.bytes[worker]!;
    this.view = this.#set.views[worker]!;
  }

  startTick(tick: number): void {
    this.#set = this.#commands.setOf(tick);
    this.bytes = this.#set.bytes[this.#worker]!;
    this.view = this.#set.views[this.#worker]!;
    this.#end = 0;
  }

  startCell(): void {
    this.#cellFirst = this.#end;
  }

  endCell(cell: number): void {
    this.#set.noteCell(cell, { worker: this.#worker, first: this.#cellFirst, end: this.#end });
  }

  /** Forgets what the current cell has asked for. */
  dropCell(): void {
    this.#end = this.#cellFirst;
  }

  /** Room for a command with a payload of at most `payloadBytesMax`; returns where its payload starts. @throws CapacityError */
  begin(payloadBytesMax: number): number {
    if (this.#end + COMMAND_HEAD_BYTES + payloadBytesMax + 4 > this.bytes.length) {
      throw new CapacityError('ERR_CAPACITY_COMMANDS', {
        setting: 'commandBytes',
        message: `the systems of one worker asked for more than ${this.bytes.length} bytes of commands in one tick`,
      });
    }
    return this.#end + COMMAND_HEAD_BYTES;
  }

  finish({ op, subject, payloadBytes }: { op: number; subject: number; payloadBytes: number }): void {
    this.bytes[this.#end] = op;
    this.bytes[this.#end + 1] = subject;
    this.view.setUint16(this.#end + 2, payloadBytes, true);
    this.#end += COMMAND_HEAD_BYTES + ((payloadBytes + 3) & ~3);
  }
}
