/** What the ground's tint shows: what a cell costs, or, as long as no node says that, how many entities it has. */
export interface CellValues {
  readonly values: readonly number[];
  /** A cell has the full tint when it has at least so much. */
  readonly fullMin: number;
}

const FULL_ENTITIES_MIN = 60;
/** Microseconds: a fiftieth of a tick at 20 Hz. */
const FULL_COST_MIN = 1000;

export const NO_LOAD: CellValues = { values: [], fullMin: FULL_ENTITIES_MIN };

/** @param costs microseconds of a tick, by cell; empty or all 0 when nobody says. */
export function groundLoad(cells: readonly number[], costs: readonly number[]): CellValues {
  const isTold = costs.some((cost) => cost > 0);
  return isTold ? { values: costs, fullMin: FULL_COST_MIN } : { values: cells, fullMin: FULL_ENTITIES_MIN };
}
