/**
 * Counts things by a key: connections and sessions by network address, sessions by account. A key without any has no
 * entry, so the table is no larger than the number of things counted.
 */
import { addressText, isIpv4, isLoopbackAddress, readAddress } from './ip-address.core.ts';

/** Groups of 16 bits: a /64. */
const NETWORK_GROUPS = 4;

export class AddressCount {
  readonly #counts = new Map<string, number>();

  get addresses(): number {
    return this.#counts.size;
  }

  of(address: string): number {
    return this.#counts.get(address) ?? 0;
  }

  /** Counts one more and returns how many there are now. */
  add(address: string): number {
    const count = this.of(address) + 1;
    this.#counts.set(address, count);
    return count;
  }

  remove(address: string): void {
    const count = this.of(address);
    if (count <= 1) this.#counts.delete(address);
    else this.#counts.set(address, count - 1);
  }
}

/**
 * The address that a limit is counted by: IPv4 in one form, and of IPv6 the /64, because a single host owns that
 * many addresses.
 */
export function addressKey(remoteAddress: string | undefined): string {
  const groups = remoteAddress === undefined ? undefined : readAddress(remoteAddress);
  if (groups === undefined) return 'unknown';
  if (isIpv4(groups) || isLoopbackAddress(groups)) return addressText(groups);
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
