/**
 * Who owns each cell, out of what every node says. A node knows its own cells best; of a node that does not answer, the
 * others say whose its cells are by now, and until they do, they are still its own.
 */

/** What one node says. */
export interface OwnershipView {
  /** Its number. */
  readonly node: number;
  readonly isLive: boolean;
  /** By cell: 0 its own, else the number of the owner, 255 nobody's. */
  readonly owners: readonly number[];
}

export const NOBODY = 255;

/** By cell the number of its owner; NOBODY where no node says anything. */
export function mergeOwners(views: readonly OwnershipView[], cellCount: number): Uint8Array {
  const merged = new Uint8Array(cellCount).fill(NOBODY);
  // Later ones win: what the dead said last, what the living say of others, what they say of themselves.
  const live = views.filter(({ isLive }) => isLive);
  for (const view of views.filter(({ isLive }) => !isLive)) claim(merged, view, { own: true });
  for (const view of live) claim(merged, view, { own: false });
  for (const view of live) claim(merged, view, { own: true });
  return merged;
}

function claim(merged: Uint8Array, { node, owners }: OwnershipView, { own }: { own: boolean }): void {
  const count = Math.min(merged.length, owners.length);
  for (let cell = 0; cell < count; cell++) {
    const owner = owners[cell]!;
    if (own ? owner === 0 : owner !== 0 && owner !== NOBODY) merged[cell] = own ? node : owner;
  }
}

/** Sums by cell: each node counts its own entities. */
export function mergeCells(views: readonly (readonly number[])[], cellCount: number): number[] {
  const merged = Array.from({ length: cellCount }, () => 0);
  for (const cells of views) {
    const count = Math.min(cellCount, cells.length);
    for (let cell = 0; cell < count; cell++) merged[cell]! += cells[cell]!;
  }
  return merged;
}

/** Where the page finds the feed of a node, or undefined when its URL is none. @param pageHost the page's own. */
export function overviewUrl(clientUrl: string, pageHost: string): string | undefined {
  const gateway = gatewayUrl(clientUrl, pageHost);
  return gateway === undefined ? undefined : new URL('/overview', gateway).href;
}

/** Where clients of this page find the gateway of a node: a WebSocket URL without a path. */
export function gatewayUrl(clientUrl: string, pageHost: string): string | undefined {
  const base = clientUrl.replace(/^http/, 'ws');
  if (!/^wss?:/.test(base) || !URL.canParse(base)) return undefined;
  const url = new URL(base);
  // A node that only knows that it listens on this machine, or on every address, is where the page came from.
  const isHere = ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '[::]'].includes(url.hostname);
  if (isHere && pageHost !== '') url.hostname = pageHost;
  return `${url.protocol}//${url.host}`;
}
