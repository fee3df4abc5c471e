/**
 * Whose address a request counts for, when it may have come through proxies.
 *
 *   X-Forwarded-For: 1.2.3.4, 203.0.113.9, 10.0.0.7        from 10.0.0.8
 *                    ╰ anybody's claim     │       ╰────────────┴ trusted: skipped, from the right
 *                                          ╰ the client: the first that is not
 *
 * A proxy appends whom it heard; what stands left of that was said by the client and means nothing.
 */
import { addressText, isWithin, readAddress } from './ip-address.core.ts';
import type { AddressGroups, AddressRange } from './ip-address.core.ts';

/** Proxies in a row; what is further left is not looked at. */
const HOPS_MAX = 16;
const FORWARDED_CHARACTERS_MAX = 2048;

export interface RequestAddress {
  /** Of the socket. */
  readonly remoteAddress: string | undefined;
  /** The header, if there is one; several of them joined by commas. */
  readonly forwardedFor: string | undefined;
}

/** An address in its one form, or '' if the socket has none. */
export function clientAddress(
  { remoteAddress, forwardedFor }: RequestAddress,
  proxies: readonly AddressRange[],
): string {
  const remote = remoteAddress === undefined ? undefined : readAddress(remoteAddress);
  if (remote === undefined) return '';
  if (forwardedFor === undefined || forwardedFor.length > FORWARDED_CHARACTERS_MAX) return addressText(remote);
  let client = remote;
  for (const hop of forwardedFor.split(',').toReversed().slice(0, HOPS_MAX)) {
    if (!isTrusted(client, proxies)) break;
    const heard = readHop(hop.trim());
    // A proxy that hides whom it heard ("unknown") answers for it.
    if (heard === undefined) break;
    client = heard;
  }
  return addressText(client);
}

export function isTrusted(address: AddressGroups, proxies: readonly AddressRange[]): boolean {
  return proxies.some((range) => isWithin(address, range));
}

/** With or without a port: `1.2.3.4`, `1.2.3.4:567`, `::1`, `[::1]`, `[::1]:567`. */
function readHop(text: string): AddressGroups | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text) ?? [];
  return readAddress(bracketed ?? plain ?? text);
}
