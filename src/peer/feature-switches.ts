/** The switches of the directory that the simulation has to know, put where it reads them (memory/peer-table.ts). */
import type { PeerTable } from '../memory/peer-table.ts';
import { DIRECTORY_SETTINGS } from './directory.ts';
import type { SettingEntry } from './directory.ts';
import { blockOfCell } from './placement.core.ts';
import type { BlockGrid } from './placement.core.ts';

const PERCENT_MAX = 100;

export interface SwitchTargets {
  readonly peerTable: PeerTable;
  readonly grid: BlockGrid;
  /** Nothing may be handed over, whatever the directory says: the journal has failed. */
  readonly isClosed: boolean;
}

/** A value that somebody wrote wrongly changes nothing. */
export function applySwitches(settings: readonly SettingEntry[], { peerTable, grid, isClosed }: SwitchTargets): void {
  const value = (key: string) => settings.find((entry) => entry.key === key)?.value;
  const percent = Number(value(DIRECTORY_SETTINGS.handoverPercent) ?? PERCENT_MAX);
  const isPercent = Number.isInteger(percent) && percent >= 0 && percent <= PERCENT_MAX;
  if (isClosed) peerTable.setHandoverPercent(0);
  else if (isPercent) peerTable.setHandoverPercent(percent);
  const closed = blocksIn(value(DIRECTORY_SETTINGS.closedBlocks));
  if (closed === undefined) return;
  for (let cell = 0; cell < grid.width * grid.depth; cell++) {
    peerTable.setCellClosed(cell, closed.has(blockOfCell(grid, cell)));
  }
  peerTable.raiseClosedVersion();
}

function blocksIn(text = '[]'): ReadonlySet<unknown> | undefined {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? new Set<unknown>(list) : undefined;
  } catch {
    return undefined;
  }
}
