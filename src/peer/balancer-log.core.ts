/**
 * The balancer's last decisions, kept in the directory (setting `balancerLog`), so that whoever balances next keeps to the bound of moves a
 * minute, and people see why. A JSON list, newest last; what cannot be read is left out.
 */
import type { MoveKind } from './balancer.core.ts';
import { SETTING_VALUE_MAX } from './directory.ts';

export const DECISION_KINDS = ['drain', 'spread', 'join', 'gather', 'overload', 'idle'] as const;
export type DecisionKind = (typeof DECISION_KINDS)[number];
/** What became of it: done; refused, because something had changed; only said, in a dry run; or there was nothing to do but to say it. */
export const OUTCOMES = ['done', 'refused', 'dry-run', 'said'] as const;

export interface Decision {
  /** UTC milliseconds by the clock of the node that balanced. */
  readonly atMs: number;
  readonly by: string;
  readonly kind: DecisionKind;
  readonly outcome: (typeof OUTCOMES)[number];
  /** Names of nodes; '' where it is about none. */
  readonly from: string;
  readonly to: string;
  /** The first of them. */
  readonly blocks: readonly number[];
  readonly blockCount: number;
  readonly text: string;
}

export const DECISIONS_MAX = 40;
export const DECISION_BLOCKS_MAX = 32;
const TEXT_MAX = 600;
const NAME_MAX = 64;
const MOVE_KINDS: readonly string[] = ['spread', 'join', 'gather'] satisfies MoveKind[];

/** @returns the setting's value: the newest that fit. */
export function decisionsText(decisions: readonly Decision[]): string {
  const kept = decisions.slice(-DECISIONS_MAX).map((decision) => ({
    ...decision,
    blocks: decision.blocks.slice(0, DECISION_BLOCKS_MAX),
    text: decision.text.slice(0, TEXT_MAX),
  }));
  for (let first = 0; first < kept.length; first++) {
    const text = JSON.stringify(kept.slice(first));
    if (text.length <= SETTING_VALUE_MAX) return text;
  }
  return '[]';
}

export function readDecisions(value: string | undefined): Decision[] {
  if (value === undefined || value.length > SETTING_VALUE_MAX) return [];
  let given: unknown;
  try {
    given = JSON.parse(value);
  } catch {
    // Not written by a balancer: nothing is known of the past.
    return [];
  }
  if (!Array.isArray(given)) return [];
  return (given as unknown[]).slice(-DECISIONS_MAX).filter((decision) => isDecision(decision));
}

/** How many moves that count against the bound began after that moment. */
export function boundedMovesSince(decisions: readonly Decision[], sinceMs: number): number[] {
  return decisions
    .filter(({ kind, outcome, atMs }) => MOVE_KINDS.includes(kind) && outcome === 'done' && atMs > sinceMs)
    .map(({ atMs }) => atMs);
}

function isDecision(given: unknown): given is Decision {
  if (typeof given !== 'object' || given === null) return false;
  const { atMs, by, kind, outcome, from, to, blocks, blockCount, text } = given as Record<string, unknown>;
  return (
    isCount(atMs) &&
    isText(by, NAME_MAX) &&
    isText(from, NAME_MAX) &&
    isText(to, NAME_MAX) &&
    isText(text, TEXT_MAX) &&
    (DECISION_KINDS as readonly unknown[]).includes(kind) &&
    (OUTCOMES as readonly unknown[]).includes(outcome) &&
    isCount(blockCount) &&
    Array.isArray(blocks) &&
    blocks.length <= DECISION_BLOCKS_MAX &&
    blocks.every((block) => isCount(block))
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === 'string' && value.length <= lengthMax;
}
