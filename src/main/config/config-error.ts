/** The configuration cannot be used. Lists every problem found, each with its setting, value, source and remedy. */
import { WorldmeshError } from '../../base/errors.ts';

export type ConfigErrorCode =
  | 'ERR_CONFIG_UNKNOWN'
  | 'ERR_CONFIG_VALUE'
  | 'ERR_CONFIG_CONFLICT'
  | 'ERR_CONFIG_FILE'
  /** Found by looking further than at the values: `worldmesh config check`. */
  | 'ERR_CONFIG_CLUSTER'
  | 'ERR_CONFIG_KEYS'
  | 'ERR_CONFIG_PLACE'
  | 'ERR_CONFIG_WORLD';

export interface ConfigProblem {
  readonly code: ConfigErrorCode;
  /** The setting's name, or the file's path. */
  readonly setting: string;
  /** What was found, fit for printing: a secret is never in it. */
  readonly found: string;
  /** Where it came from: `flag --tick-hz`, `environment WORLDMESH_TICK_HZ`, `file worldmesh.yaml`, `default`. */
  readonly source: string;
  readonly allowed: string;
  readonly remedy: string;
}

export class ConfigError extends WorldmeshError {
  override readonly name = 'ConfigError';
  readonly code: ConfigErrorCode;
  readonly problems: readonly [ConfigProblem, ...ConfigProblem[]];

  constructor(problems: readonly [ConfigProblem, ...ConfigProblem[]]) {
    super(problems.map(problemText).join('\n'));
    this.code = problems[0].code;
    this.problems = problems;
  }
}

/** As every command says it. */
export function problemText({ setting, found, source, allowed, remedy }: Omit<ConfigProblem, 'code'>): string {
  const value = found === '' ? '' : ` is ${found}`;
  const expected = allowed === '' ? '' : `\n  allowed: ${allowed}`;
  return `${setting}${value} (${source})${expected}\n  remedy:  ${remedy}`;
}
