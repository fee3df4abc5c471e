/**
 * Counts things by network address: connections in one table, sessions in another. An address without any has no
 * entry, so the table is no larger than the number of things counted.
 */
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
  if (remoteAddress === undefined) return 'unknown';
  if (remoteAddress.startsWith('::ffff:') && remoteAddress.includes('.')) return remoteAddress.slice('::ffff:'.length);
  if (!remoteAddress.includes(':') || remoteAddress === '::1') return remoteAddress;
  const [head = '', tail] = remoteAddress.split('%', 1)[0]!.split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':');
  // `::` stands for as many zero groups as are missing from eight.
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - tailGroups.length) }, () => '0');
  return `${[...groups, ...zeros, ...tailGroups].slice(0, 4).join(':')}::/64`;
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
