/** What the nodes of a cluster say of their links and of handovers that are stuck, put together for one list. Pure. */
import type { LinkInfo, StuckHandover } from './overview-text.wire.ts';

/** What one node says. */
export interface NodeReport {
  readonly node: number;
  readonly isLive: boolean;
  readonly links: readonly LinkInfo[];
  readonly stuck: readonly StuckHandover[];
}

export interface LinkRow {
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly rttMs: number | undefined;
  readonly credits: number;
  readonly queueBytes: number;
  /** Something that an operator should look at. */
  readonly isWrong: boolean;
}

export interface StuckRow {
  readonly entity: number;
  readonly from: string;
  readonly to: string;
  readonly seconds: number;
}

/** The most that is shown of either; the rest is a number. */
export const LINK_ROWS_MAX = 24;
export const STUCK_ROWS_MAX = 8;

/** Both directions are shown: each has its own credits. Links to who has been replaced are none. */
export function linkRows(reports: readonly NodeReport[], nameOf: (node: number) => string): LinkRow[] {
  const rows = reports
    .filter(({ isLive }) => isLive)
    .flatMap(({ node, links }) =>
      links
        .filter(({ state }) => state !== 'fenced')
        .map(({ node: other, state, rttMs, credits, queueBytes, breaker }) => ({
          from: nameOf(node),
          to: nameOf(other),
          state: breaker === 'closed' ? state : `breaker ${breaker}`,
          rttMs,
          credits,
          queueBytes,
          isWrong: state !== 'up' || breaker !== 'closed',
        })),
    );
  const order = ({ from, to }: LinkRow): string => `${from} ${to}`;
  return rows.toSorted((a, b) => Number(b.isWrong) - Number(a.isWrong) || (order(a) < order(b) ? -1 : 1));
}

/** The oldest first. */
export function stuckRows(reports: readonly NodeReport[], nameOf: (node: number) => string): StuckRow[] {
  return reports
    .filter(({ isLive }) => isLive)
    .flatMap(({ node, stuck }) =>
      stuck.map(({ entity, node: target, seconds }) => ({ entity, from: nameOf(node), to: nameOf(target), seconds })),
    )
    .toSorted((a, b) => b.seconds - a.seconds);
}
