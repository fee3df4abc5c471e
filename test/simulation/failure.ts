/** A checker of FAULTS.md found something. */
export type Checker =
  | 'C1'
  | 'C2'
  | 'C3'
  | 'C4'
  | 'C5'
  | 'C6'
  | 'C7'
  | 'C8'
  | 'C9'
  | 'C10'
  | 'C11'
  | 'C12'
  | 'C13'
  | 'assert';

export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
  readonly checker: Checker;
  /** 0 when it is about no single one. */
  readonly entity: number;

  constructor(checker: Checker, message: string, entity = 0) {
    super(`${checker}: ${message}`);
    this.checker = checker;
    this.entity = entity;
  }
}
