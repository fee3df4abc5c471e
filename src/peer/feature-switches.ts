/**
 * The switches of the directory that the simulation has to know, put where it reads them (memory/peer-table.ts). All but the
 * pause of handovers stay as they are until somebody changes them; a pause ends by time as well (handover-pause.core.ts).
 */
import type { PeerTable } from '../memory/peer-table.ts';
import { DIRECTORY_SETTINGS } from './directory.ts';
import type { Directory, SettingEntry } from './directory.ts';
import { seePause } from './handover-pause.core.ts';
import type { SeenPause } from './handover-pause.core.ts';
import { blockOfCell } from './placement.core.ts';
import type { BlockGrid } from './placement.core.ts';

const PERCENT_MAX = 100;

export interface FeatureSwitchesOptions {
  readonly peerTable: PeerTable;
  readonly grid: BlockGrid;
  readonly directory: Pick<Directory, 'putSetting'>;
  readonly onError: (error: unknown) => void;
}

export class FeatureSwitches {
  readonly #options: FeatureSwitchesOptions;
  #settings: readonly SettingEntry[] = [];
  #pause: SeenPause | undefined;
  #isOver = false;
  #isClosed = false;
  /** The last that was written rightly. */
  #percent = PERCENT_MAX;

  constructor(options: FeatureSwitchesOptions) {
    this.#options = options;
  }

  see(settings: readonly SettingEntry[], nowMs: number): void {
    this.#settings = settings;
    const setting = settings.find(({ key }) => key === DIRECTORY_SETTINGS.handoverPause);
    const pause = seePause(this.#pause, setting, nowMs);
    if (pause !== this.#pause) this.#isOver = false;
    this.#pause = pause;
    const percent = Number(this.#value(DIRECTORY_SETTINGS.handoverPercent) ?? PERCENT_MAX);
    // A value that somebody wrote wrongly changes nothing.
    if (Number.isInteger(percent) && percent >= 0 && percent <= PERCENT_MAX) this.#percent = percent;
    this.#applyPercent();
    this.#applyBlocks();
  }

  /** Nothing may be handed over from here on, whatever the directory says: the journal has failed. */
  close(): void {
    this.#isClosed = true;
    this.#applyPercent();
  }

  /** To be called every few milliseconds. */
  time(nowMs: number): void {
    const pause = this.#pause;
    if (pause === undefined || this.#isOver || nowMs < pause.untilMs) return;
    this.#isOver = true;
    this.#applyPercent();
    const { directory, onError } = this.#options;
    // Whoever starts later would see it as new. If its owner, or another node, was faster, the version has changed.
    directory.putSetting(DIRECTORY_SETTINGS.handoverPause, '', { expectedVersion: pause.version }).catch(onError);
  }

  #applyPercent(): void {
    const isPaused = this.#pause !== undefined && !this.#isOver;
    this.#options.peerTable.setHandoverPercent(this.#isClosed || isPaused ? 0 : this.#percent);
  }

  #applyBlocks(): void {
    const { peerTable, grid } = this.#options;
    const closed = blocksIn(this.#value(DIRECTORY_SETTINGS.closedBlocks));
    if (closed === undefined) return;
    for (let cell = 0; cell < grid.width * grid.depth; cell++) {
      peerTable.setCellClosed(cell, closed.has(blockOfCell(grid, cell)));
    }
    peerTable.raiseClosedVersion();
  }

  #value(key: string): string | undefined {
    return this.#settings.find((entry) => entry.key === key)?.value;
  }
}

function blocksIn(text = '[]'): ReadonlySet<unknown> | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? new Set<unknown>(list) : undefined;
  } catch {
    return undefined;
  }
}
