/** Between a running simulation and its recording. */
import type { StateHashes } from '../workers/state-hasher.ts';
import type { TickInput } from '../workers/simulation.worker.ts';
import type { Settings } from './config/settings.ts';
import { mergeParams } from './node-settings.ts';
import type { RecordedTick, RecordingHeader } from './recording.wire.ts';
import type { WorldModule } from './world-module.ts';

export function recordingHeader({
  world,
  settings,
  incarnation,
}: {
  world: WorldModule;
  settings: Settings;
  incarnation: number;
}): RecordingHeader {
  return {
    module: world.url,
    world: world.schema.name,
    schemaHash: world.schema.hash,
    incarnation,
    workers: settings.workers,
    kernel: settings.kernel,
    startedAt: new Date().toISOString(),
    settings: {
      seed: settings.seed,
      tickHz: settings.tickHz,
      snapshotHz: settings.snapshotHz,
      worldSize: settings.worldSize ?? world.size,
      cellSize: settings.cellSize,
      hysteresis: settings.hysteresis,
      entitiesMax: settings.entitiesMax,
      sessionsMax: settings.sessionsMax,
      heapBytes: settings.heapBytes,
      commandBytes: settings.commandBytes,
      params: mergeParams(world, settings.params),
    },
  };
}

export function recordedTick(
  { input, hashes }: { readonly input: TickInput; readonly hashes: StateHashes },
  { entitiesMax }: { entitiesMax: number },
): RecordedTick {
  const { totalHash, cellHashes, columnHashes, entityHashes } = hashes;
  return {
    ...input,
    totalHash,
    cellHashes,
    columnHashes,
    entityHashes: entityHashes.length <= entitiesMax ? entityHashes : new Uint32Array(),
  };
}
