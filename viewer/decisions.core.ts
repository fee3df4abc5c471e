/** A decision of the balancer in one line. */
import type { DecisionInfo } from './overview-text.wire.ts';

export function decisionLine({ atMs, kind, outcome, text }: DecisionInfo): string {
  const time = new Date(atMs).toTimeString().slice(0, 8);
  const isPlain = outcome === 'done' || outcome === 'said';
  return `${time} ${kind}${isPlain ? '' : ` (${outcome})`}: ${text}`;
}
