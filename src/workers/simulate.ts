/**
 * The simulate phase for one cell: what waits in its inbox (events, then inputs), then the world's systems in the order
 * of their declaration. Writes only the cell's own rows, and commands.
 *
 * When world code throws, the entity is looked for by running the system on one entity at a time; the cell is not
 * simulated any more after that, so what the search changes in its rows does no harm.
 */
import type { CellIndex, SessionIndex } from '../base/brand.ts';
import { CapacityError, ModuleError, SystemError } from '../base/errors.ts';
import { unpackFields } from '../base/pack.ts';
import type { Schema } from '../base/schema.ts';
import type { World } from '../base/world.ts';
import type { CommandSet, CommandWriter } from '../memory/commands.ts';
import { COMMAND, COMMAND_HEAD_BYTES } from '../memory/commands.ts';
import type { InboxVisitor } from '../memory/inbox.ts';
import type { Store } from '../memory/store.ts';
import type { CellContext } from './cell-context.ts';
import { createSelf } from './self.ts';
import type { SelfCursor } from './self.ts';

const TARGET_BYTES = 8;

interface BoundSystem {
  readonly name: string;
  /** Kind indices, or undefined for once per cell. */
  readonly kinds: readonly number[] | undefined;
  readonly near: number;
  readonly run: (cell: CellContext) => void;
}

export class CellSimulator implements InboxVisitor {
  readonly #world: World;
  readonly #store: Store;
  readonly #writer: CommandWriter;
  readonly #context: CellContext;
  readonly #worker: number;
  readonly #systems: readonly BoundSystem[];
  readonly #onCapacity: (error: CapacityError) => void;
  readonly #cursor: SelfCursor;
  readonly #arrivedView: DataView<SharedArrayBuffer>;
  #lastEvents: CommandSet;
  /** What is running now, for a failure report. */
  #running = '';
  #entity = 0;

  constructor(options: {
    world: World;
    store: Store;
    writer: CommandWriter;
    context: CellContext;
    worker: number;
    /** A capacity ran out while world code ran. */
    onCapacity: (error: CapacityError) => void;
  }) {
    this.#onCapacity = options.onCapacity;
    this.#world = options.world;
    this.#store = options.store;
    this.#writer = options.writer;
    this.#context = options.context;
    this.#worker = options.worker;
    this.#systems = bindSystems(options.world, options.store.grid.cellSize / 2);
    this.#cursor = createSelf(options.world.schema, options.store.columns);
    this.#lastEvents = options.store.commands.setOf(1);
    const { arrivedEvents } = options.store;
    this.#arrivedView = new DataView(arrivedEvents.buffer, arrivedEvents.byteOffset, arrivedEvents.length);
  }

  startTick(tick: number): void {
    this.#writer.startTick(tick);
    this.#lastEvents = this.#store.commands.setOf(tick + 1);
  }

  /** The cell asks for nothing in this tick. */
  skip(cell: CellIndex): void {
    this.#writer.startCell();
    this.#writer.endCell(cell);
  }

  /** @throws SystemError; the cell has then asked for nothing. */
  run(cell: CellIndex, tick: number): void {
    const { cellOwner, lists, inbox } = this.#store;
    const isForeign = cellOwner[cell] !== 0;
    if (isForeign && inbox.isEmpty(cell) && lists.cellCountOf(cell) === 0) return this.skip(cell);
    this.#writer.startCell();
    try {
      this.#context.enter(cell, tick);
      if (!this.#store.inbox.isEmpty(cell)) this.#store.inbox.take(cell, this);
      for (let index = 0; index < this.#systems.length; index++) {
        try {
          const system = this.#systems[index]!;
          // In another node's cell we have nothing but entities that overhang.
          if (!isForeign || system.kinds !== undefined) this.#runSystem(system, cell);
        } catch (error) {
          // A full buffer or heap ends this system for this cell and tick; the world goes on.
          if (!(error instanceof CapacityError)) throw error;
          this.#onCapacity(error);
        }
      }
    } catch (cause) {
      this.#writer.dropCell();
      throw this.#failure(cell, cause);
    } finally {
      this.#writer.endCell(cell);
    }
  }

  /** Runs the world's `start` for one cell. @throws SystemError */
  start(cell: CellIndex): void {
    this.#writer.startCell();
    try {
      this.#context.enter(cell, 0);
      this.#running = 'start';
      this.#entity = 0;
      this.#world.declaration.start?.(this.#context);
    } catch (cause) {
      this.#writer.dropCell();
      throw this.#failure(cell, cause);
    } finally {
      this.#writer.endCell(cell);
    }
  }

  // InboxVisitor

  event(slot: number, worker: number, at: number): void {
    const hasArrived = worker === this.#store.options.workers;
    const bytes = hasArrived ? this.#store.arrivedEvents : this.#lastEvents.bytes[worker]!;
    const view = hasArrived ? this.#arrivedView : this.#lastEvents.views[worker]!;
    const event = this.#store.schema.events[bytes[at + 1]!]!;
    const handler = this.#world.declaration.on?.[event.name];
    if (handler === undefined) return;
    // Intake may have emptied the row, or given it to somebody else.
    const id =
      view.getUint32(at + COMMAND_HEAD_BYTES, true) + view.getUint32(at + COMMAND_HEAD_BYTES + 4, true) * 2 ** 32;
    if (bytes[at] === COMMAND.emit && this.#store.columns.id[slot] !== id) {
      this.#store.stats.add(this.#worker, 'eventsLost', 1);
      return;
    }
    const first = at + COMMAND_HEAD_BYTES + TARGET_BYTES;
    const end = at + COMMAND_HEAD_BYTES + view.getUint16(at + 2, true);
    this.#running = `on.${event.name}`;
    this.#entity = this.#store.columns.id[slot]!;
    this.#cursor.moveTo(slot);
    this.#context.nearMax = 0;
    handler(this.#cursor.self, unpackFields(event.fields, bytes.slice(first, end)), this.#context);
    this.#store.stats.add(this.#worker, 'eventsDelivered', 1);
  }

  input(slot: number, session: number): void {
    const { sessions, schema, columns, stats } = this.#store;
    const apply = this.#world.declaration.input?.apply;
    const row = session as SessionIndex;
    const first = sessions.pendingFirst(row);
    const count = sessions.pendingCount(row);
    this.#running = 'input.apply';
    this.#entity = columns.id[slot]!;
    this.#cursor.moveTo(slot);
    for (let sequence = first; sequence < first + count; sequence++) {
      apply?.(this.#cursor.self, unpackFields(schema.input, sessions.inputPayload(row, sequence)));
      this.#limitSpeed(slot);
      sessions.setInputSequence(row, sequence);
    }
    sessions.setPending(row, 0, 0);
    stats.add(this.#worker, 'inputsApplied', count);
  }

  #limitSpeed(slot: number): void {
    const { columns, schema, stats } = this.#store;
    const { speedMax } = schema.kinds[columns.kind[slot]!]!;
    if (speedMax === 0) return;
    const vx = columns.vx[slot]!;
    const vz = columns.vz[slot]!;
    const speedSquared = vx * vx + vz * vz;
    if (speedSquared <= speedMax * speedMax * SPEED_TOLERANCE) return;
    const scale = Number.isFinite(speedSquared) ? speedMax / Math.sqrt(speedSquared) : 0;
    columns.vx[slot] = scale === 0 ? 0 : vx * scale;
    columns.vz[slot] = scale === 0 ? 0 : vz * scale;
    stats.add(this.#worker, 'speedsClamped', 1);
  }

  #runSystem(system: BoundSystem, cell: CellIndex): void {
    const context = this.#context;
    const { lists } = this.#store;
    this.#running = system.name;
    this.#entity = 0;
    context.nearMax = system.near;
    if (system.kinds === undefined) {
      context.select(0, 0);
      system.run(context);
      return;
    }
    for (let index = 0; index < system.kinds.length; index++) {
      const group = lists.groupOf(cell, system.kinds[index]!);
      const count = lists.count[group]!;
      if (count === 0) continue;
      const first = lists.first[group]!;
      context.select(first, first + count);
      system.run(context);
    }
  }

  #failure(cell: CellIndex, cause: unknown): SystemError {
    const entity = this.#entity === 0 ? this.#findCulprit(this.#running, cause) : this.#entity;
    return new SystemError({ code: 'ERR_SYSTEM_THREW', system: this.#running, cell, entity, cause });
  }

  /** Runs the failed system on one entity at a time until one throws the same; 0 when none does. */
  #findCulprit(name: string, cause: unknown): number {
    const context = this.#context;
    const system = this.#systems.find((candidate) => candidate.name === name);
    if (system?.kinds === undefined) return 0;
    const { first, end, slots } = context;
    for (let index = first; index < end; index++) {
      context.select(index, index + 1);
      try {
        system.run(context);
      } catch (error) {
        if (messageOf(error) === messageOf(cause)) return this.#store.columns.id[slots[index]!]!;
      } finally {
        this.#writer.dropCell();
      }
    }
    return 0;
  }
}

/** An input that sets exactly `speedMax` along a diagonal exceeds it by rounding; that is no offence. */
const SPEED_TOLERANCE = 1.000_01;

export function systemsUseIndex(world: World): boolean {
  return Object.values(world.declaration.systems).some((system) => (system.near ?? 0) > 0);
}

export function hasShared(schema: Schema): boolean {
  return schema.components.some((component) => component.shared);
}

/** @throws ModuleError when a system wants to see further than half a cell. */
function bindSystems(world: World, nearMax: number): BoundSystem[] {
  const kindIndex = (name: unknown) => world.schema.kinds.findIndex((kind) => kind.name === name);
  for (const [name, { near = 0 }] of Object.entries(world.declaration.systems)) {
    if (near <= nearMax) continue;
    throw new ModuleError('ERR_MODULE_VALUE', {
      field: `systems.${name}.near`,
      message: `${near} m is more than half a cell (${nearMax} m); lower it, or raise the setting "cellSize"`,
    });
  }
  return Object.entries(world.declaration.systems).map(([name, system]) => ({
    name,
    kinds: system.kinds?.map(kindIndex),
    near: system.near ?? 0,
    run: (cell) => system.run(cell),
  }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
