/** The pause of handovers as a backup takes it (src/peer/handover-pause.core.ts): a setting of the directory, by compare-and-swap. */
import { setTimeout as wait } from 'node:timers/promises';
import { DirectoryError } from '../../peer/directory-error.ts';
import { DIRECTORY_SETTINGS } from '../../peer/directory.ts';
import type { Directory } from '../../peer/directory.ts';
import { PAUSE_MS_MAX, pauseFrom, pauseText } from '../../peer/handover-pause.core.ts';
import { BackupError } from './backup-error.ts';

const LOOK_MS = 25;

export interface PauseRequest {
  /** For people: who it is. */
  readonly owner: string;
  /** After so long every node goes on by itself. */
  readonly durationMs: number;
  /** How long the pause of somebody else is waited for. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export class Pause {
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  readonly #directory: Directory;
  readonly #version: number;

  private constructor(directory: Directory, version: number) {
    this.#directory = directory;
    this.#version = version;
    this.sinceMs = performance.now();
  }

  /** @throws BackupError ERR_BACKUP_PAUSED, ERR_BACKUP_STOPPED. */
  static async begin(directory: Directory, { owner, durationMs, waitMs, signal }: PauseRequest): Promise<Pause> {
    const deadlineMs = performance.now() + waitMs;
    let seen = { version: -1, sinceMs: 0 };
    for (;;) {
      if (signal.aborted) throw new BackupError('ERR_BACKUP_STOPPED', 'the backup was stopped');
      const before = await settingOf(directory);
      const other = pauseFrom(before.value);
      const nowMs = performance.now();
      if (before.version !== seen.version) seen = { version: before.version, sinceMs: nowMs };
      // No pause lasts longer: nobody is left who would have removed it.
      const isFree = other === undefined || nowMs - seen.sinceMs > PAUSE_MS_MAX + LOOK_MS;
      const written = isFree ? await write(directory, pauseText({ owner, durationMs }), before.version) : undefined;
      if (written !== undefined) return new Pause(directory, written.version);
      if (nowMs >= deadlineMs) {
        const who = other?.owner ?? 'others';
        throw new BackupError(
          'ERR_BACKUP_PAUSED',
          `handovers are paused by ${who}: one backup at a time; try again later`,
        );
      }
      await wait(LOOK_MS);
    }
  }

  /** Handovers go on. Whoever has written meanwhile, because the time was over, is left alone. */
  async end(): Promise<void> {
    try {
      await write(this.#directory, '', this.#version);
    } catch (error) {
      // Every node ends it by itself when its time is over: no reason to give up a backup.
      if (!(error instanceof DirectoryError)) throw error;
    }
  }
}

async function write(
  directory: Directory,
  value: string,
  expectedVersion: number,
): Promise<{ readonly version: number } | undefined> {
  return await directory.putSetting(DIRECTORY_SETTINGS.handoverPause, value, { expectedVersion });
}

async function settingOf(directory: Directory): Promise<{ readonly value: string; readonly version: number }> {
  const settings = await directory.settings();
  return settings.find(({ key }) => key === DIRECTORY_SETTINGS.handoverPause) ?? { value: '', version: 0 };
}
