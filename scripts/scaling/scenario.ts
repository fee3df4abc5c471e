/** One scenario of the scaling suite: what it does, what it may cost, and what came of it. */
import type { Row } from '../cluster/players-verdict.ts';

export interface ScenarioContext {
  /** Shortest possible: shows that the scenario works; its targets are told and not judged. */
  readonly isQuick: boolean;
  readonly seed: number;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  run(context: ScenarioContext): Promise<Outcome>;
}

export interface Outcome {
  /** What was done, in sentences. */
  readonly done: string;
  readonly rows: readonly Row[];
  readonly rules: readonly Rule[];
  readonly pictures: readonly Picture[];
  /** Further tables and text in Markdown. */
  readonly text?: string;
}

/** What has to hold. */
export interface Rule {
  readonly text: string;
  readonly measured: number;
  readonly max: number;
  /** Behind both figures. */
  readonly unit: string;
  /** `promise`: holds always. `target`: a figure for a machine that has nothing else to do. */
  readonly kind: 'promise' | 'target';
}

export interface Picture {
  readonly name: string;
  readonly svg: string;
}

/** A figure that is not there keeps nothing. */
export function isKept({ measured, max }: Rule): boolean {
  return measured <= max;
}

export function promise(
  text: string,
  measured: number,
  { max = 0, unit = '' }: { max?: number; unit?: string } = {},
): Rule {
  return { text, measured, max, unit, kind: 'promise' };
}

export function target(text: string, measured: number, { max, unit }: { max: number; unit: string }): Rule {
  return { text, measured, max, unit, kind: 'target' };
}

export type ScenarioVerdict = 'kept' | 'target missed' | 'broken' | 'failed';

export interface Finished {
  readonly scenario: Pick<Scenario, 'name' | 'title'>;
  readonly seconds: number;
  /** Processes that wanted a core, on the average of the last minute: before it began, and at its end, its own among them. */
  readonly machineLoad: { readonly before: number; readonly after: number };
  readonly outcome: Outcome | undefined;
  /** Why there is no outcome. */
  readonly failure: string | undefined;
  readonly verdict: ScenarioVerdict;
}

export function verdictOf(outcome: Outcome | undefined, { isQuick }: { isQuick: boolean }): ScenarioVerdict {
  if (outcome === undefined) return 'failed';
  const unkept = outcome.rules.filter((rule) => !isKept(rule));
  if (unkept.some(({ kind }) => kind === 'promise')) return 'broken';
  return unkept.length > 0 && !isQuick ? 'target missed' : 'kept';
}
