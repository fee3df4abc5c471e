/** Simulates a recorded run again and compares the state hashes tick by tick. */
import type { EntityId } from '../base/brand.ts';
import { columnNames } from '../memory/state-hash.ts';
import { Store } from '../memory/store.ts';
import type { StateHashes } from '../workers/state-hasher.ts';
import type { SimulationEvent } from '../workers/simulation.worker.ts';
import { defaultSettings } from './config/settings.ts';
import type { Settings } from './config/settings.ts';
import { phaseOptions, storeOptions } from './node-settings.ts';
import { RecordingError } from './recording.wire.ts';
import type { RecordedTick } from './recording.wire.ts';
import type { RecordingReader } from './recording.ts';
import { Simulation } from './simulation.ts';
import type { WorldModule } from './world-module.ts';

export interface ReplayOptions {
  readonly reader: RecordingReader;
  /** The module that was recorded; its schema must not have changed. */
  readonly world: WorldModule;
  readonly workers: number;
  readonly kernel: Settings['kernel'];
  readonly onTick?: (tick: number) => void;
}

/** The first difference between a recording and its replay. */
export interface Mismatch {
  readonly tick: number;
  /** Index of the first cell that differs, or -1 when only the total does. */
  readonly cell: number;
  /** Id of the first entity that differs in the replay; 0 when it is free there or entities were not recorded. */
  readonly entity: EntityId | 0;
  readonly slot: number;
  /** `component.field` or a built-in column, the first that differs; empty when none does. */
  readonly column: string;
  readonly recordedHash: number;
  readonly replayedHash: number;
}

export interface ReplayResult {
  readonly ticks: number;
  readonly mismatch: Mismatch | undefined;
  /** Entities at the end. */
  readonly entities: number;
  readonly seconds: number;
  readonly isTruncated: boolean;
}

/** @throws RecordingError when the recording is damaged or not of this module, or world code throws in the replay. */
export async function replay({ reader, world, workers, kernel, onTick }: ReplayOptions): Promise<ReplayResult> {
  const { header } = reader;
  if (header.schemaHash !== world.schema.hash) {
    throw new RecordingError(
      'ERR_RECORDING_MISMATCH',
      `${reader.path} was recorded with another schema of "${header.world}" than ${world.url} has now; check out the module as it was, or name it with --module`,
    );
  }
  const settings: Settings = { ...defaultSettings(), ...header.settings, workers, kernel };
  const store = Store.create(storeOptions(settings, world), { incarnation: header.incarnation });
  let failure: SimulationEvent | undefined;
  const simulation = await Simulation.start(
    {
      store,
      moduleUrl: world.url,
      phases: phaseOptions(settings, { world, pauseOnFailure: false }),
      snapshotHz: settings.snapshotHz,
      catchUpTicksMax: 0,
      record: false,
      onEvent: (event) => {
        if (event.type === 'failed') failure ??= event;
      },
    },
    { populate: true },
  );
  const startMs = performance.now();
  let ticks = 0;
  let mismatch: Mismatch | undefined;
  try {
    for await (const recorded of reader.ticks()) {
      const [hashes] = await simulation.replay([recorded]);
      if (failure?.type === 'failed') throw threwInReplay(failure, recorded.tick);
      ticks++;
      onTick?.(recorded.tick);
      mismatch = hashes && compare(recorded, hashes, store);
      if (mismatch) break;
    }
  } finally {
    await simulation.stop();
  }
  const seconds = (performance.now() - startMs) / 1000;
  return { ticks, mismatch, entities: store.entityCount, seconds, isTruncated: reader.isTruncated };
}

function compare(recorded: RecordedTick, replayed: StateHashes, store: Store): Mismatch | undefined {
  const isEqual =
    recorded.totalHash === replayed.totalHash && firstDifference(recorded.columnHashes, replayed.columnHashes) < 0;
  if (isEqual) return undefined;
  const cell = firstDifference(recorded.cellHashes, replayed.cellHashes);
  const column = firstDifference(recorded.columnHashes, replayed.columnHashes);
  const slot = recorded.entityHashes.length === 0 ? -1 : firstDifference(recorded.entityHashes, replayed.entityHashes);
  return {
    tick: recorded.tick,
    cell,
    entity: slot < 0 ? 0 : ((store.columns.id[slot] ?? 0) as EntityId | 0),
    slot,
    column: column < 0 ? '' : (columnNames(store.schema)[column] ?? ''),
    recordedHash: recorded.totalHash,
    replayedHash: replayed.totalHash,
  };
}

/** The first index at which two lists differ, their lengths included; -1 for none. */
function firstDifference(first: Uint32Array, second: Uint32Array): number {
  const length = Math.max(first.length, second.length);
  for (let index = 0; index < length; index++) if (first[index] !== second[index]) return index;
  return -1;
}

function threwInReplay(failure: Extract<SimulationEvent, { type: 'failed' }>, tick: number): RecordingError {
  return new RecordingError(
    'ERR_RECORDING_MISMATCH',
    `world code threw in the replay of tick ${tick}: ${failure.message}\n${failure.stack}`,
  );
}
