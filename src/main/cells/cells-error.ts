/** A command about cells cannot be carried out; docs/BALANCING.md has a row for each code. */
import { WorldmeshError } from '../../base/errors.ts';

export type CellsErrorCode = 'ERR_CELLS_BLOCK' | 'ERR_CELLS_NODE' | 'ERR_CELLS_OWNER' | 'ERR_CELLS_CHANGED';

export class CellsError extends WorldmeshError {
  override readonly name = 'CellsError';
  readonly code: CellsErrorCode;

  constructor(code: CellsErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
