/** `worldmesh replay`. */
import type { Command } from 'commander';
import type { Mismatch, ReplayResult } from '../replay.ts';
import { EXIT_CODE, Progress, examples, note, print, printJson, styled } from './output.ts';
import { addSettingFlags } from './setting-flags.ts';

export function addReplayCommand(program: Command): void {
  const command = program
    .command('replay')
    .description('Simulate a recorded run again and compare the state after each tick')
    .argument('<file>', 'what "worldmesh serve --record" wrote')
    .option('--module <file>', 'the world module, where it is not where it was')
    .option('--json', 'print the result as JSON');
  const flags = addSettingFlags(command, ['workers', 'kernel']);
  command.addHelpText(
    'after',
    examples(['worldmesh replay run.wmr', 'worldmesh replay run.wmr --workers 8 --kernel typescript --json']),
  );
  command.action(async (file: string, options: { module?: string; json?: boolean }) => {
    const { settings, origins } = flags.read();
    const [{ RecordingReader }, { replay }, { loadWorldModule, moduleUrl }] = await Promise.all([
      import('../recording.ts'),
      import('../replay.ts'),
      import('../world-module.ts'),
    ]);
    await using reader = await RecordingReader.open(file);
    const { header } = reader;
    const world = await loadWorldModule(moduleUrl(options.module ?? header.module, { folder: process.cwd() }));
    // A replay runs as the recording did, unless told otherwise.
    const workers = origins.has('workers') ? settings.workers : header.workers;
    const kernel = origins.has('kernel') ? settings.kernel : header.kernel;
    let result: ReplayResult;
    {
      using progress = new Progress();
      const onTick = (tick: number): void => {
        const share = Math.floor((100 * reader.atBytes) / reader.sizeBytes);
        progress.show(`replaying: tick ${tick}, ${share} % of the file`);
      };
      result = await replay({ reader, world, workers, kernel, onTick });
    }
    if (result.isTruncated) {
      note(`worldmesh: the recording ends in the middle of a chunk (its process died); all ticks before it were read`);
    }
    if (options.json) printJson({ ...result, mismatch: result.mismatch ?? null, workers, kernel });
    else print(resultText(result, { workers, kernel }));
    process.exitCode = result.mismatch === undefined ? EXIT_CODE.ok : EXIT_CODE.failure;
  });
}

function resultText(
  { ticks, mismatch, entities, seconds }: ReplayResult,
  { workers, kernel }: { workers: number; kernel: string },
): string {
  const how = `${workers} ${workers === 1 ? 'worker' : 'workers'}, kernel ${kernel}`;
  const speed = `${ticks} ticks in ${seconds.toFixed(2)} s, ${Math.round(ticks / Math.max(seconds, 1e-9))} ticks/s, ${how}`;
  if (mismatch === undefined) {
    return `${styled('green', 'The replay matches the recording.')} ${speed}; ${entities} entities at the end`;
  }
  return `${styled(['bold', 'red'], 'The replay differs from the recording')} (${speed})\n${mismatchText(mismatch)}`;
}

function mismatchText({ tick, cell, entity, slot, column, recordedHash, replayedHash }: Mismatch): string {
  const hex = (hash: number): string => hash.toString(16).padStart(8, '0');
  const slotText = slot < 0 ? 'not recorded (too many entities: --record-entities-max)' : `free slot ${slot}`;
  return `  tick:   ${tick}
  cell:   ${cell < 0 ? 'none alone' : cell}
  entity: ${entity === 0 ? slotText : `${entity} (slot ${slot})`}
  column: ${column === '' ? 'none alone' : column}
  hashes: recorded ${hex(recordedHash)}, replayed ${hex(replayedHash)}`;
}
