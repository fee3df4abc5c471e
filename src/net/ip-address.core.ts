/**
 * Addresses of the Internet Protocol as text and as eight groups of 16 bits. IPv4 is the part of IPv6 that is mapped to
 * it (`::ffff:0:0/96`), so that there is one form of each address, however it was written. Pure.
 */
export type AddressGroups = readonly number[];

/** Addresses whose first `bits` bits are those of `groups`. */
export interface AddressRange {
  readonly groups: AddressGroups;
  readonly bits: number;
}

const GROUPS = 8;
const GROUP_BITS = 16;
const ADDRESS_BITS = GROUPS * GROUP_BITS;
const IPV4_BITS = 32;
/** The longest there is, with an IPv4 tail, has 45 characters. */
const TEXT_MAX = 45;
const IPV4 = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;
/** Two groups of zero, or more. */
const ZEROS = /\b0(?::0)+\b/g;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** Undefined if it is none. A zone (`%eth0`) is left out. */
export function readAddress(text: string): AddressGroups | undefined {
  const [plain = ''] = text.split('%', 1);
  if (plain.length > TEXT_MAX) return undefined;
  if (!plain.includes(':')) {
    const pair = readIpv4(plain);
    return pair === undefined ? undefined : [0, 0, 0, 0, 0, 0xffff, ...pair];
  }
  const [head = '', tail, ...more] = plain.split('::');
  if (more.length > 0) return undefined;
  const before = readGroups(head, tail === undefined);
  const after = tail === undefined ? [] : readGroups(tail, true);
  if (before === undefined || after === undefined) return undefined;
  const zeros = GROUPS - before.length - after.length;
  // `::` stands for one group of zeros at least, and without it there are eight groups.
  if (tail === undefined ? zeros !== 0 : zeros < 1) return undefined;
  return [...before, ...Array.from({ length: zeros }, () => 0), ...after];
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. */
export function readRange(text: string): AddressRange | undefined {
  const [address = '', bitsText, ...more] = text.split('/');
  const groups = readAddress(address);
  if (groups === undefined || more.length > 0) return undefined;
  if (bitsText === undefined) return { groups, bits: ADDRESS_BITS };
  const bitsMax = address.includes(':') ? ADDRESS_BITS : IPV4_BITS;
  if (!/^\d{1,3}$/.test(bitsText) || Number(bitsText) > bitsMax) return undefined;
  return { groups, bits: Number(bitsText) + ADDRESS_BITS - bitsMax };
}

export function isWithin(address: AddressGroups, { groups, bits }: AddressRange): boolean {
  return groups.every((group, index) => {
    const shared = Math.min(GROUP_BITS, Math.max(0, bits - index * GROUP_BITS));
    return group >> (GROUP_BITS - shared) === (address[index] ?? 0) >> (GROUP_BITS - shared);
  });
}

/** In its shortest usual form: IPv4 with dots, IPv6 in small letters with the first longest run of zeros left out. */
export function addressText(groups: AddressGroups): string {
  const [high = 0, low = 0] = groups.slice(6);
  if (isIpv4(groups)) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  const text = groups.map((group) => group.toString(16)).join(':');
  let [start, length] = [0, 1];
  for (const { 0: run, index } of text.matchAll(ZEROS)) if (run.length > length) [start, length] = [index, run.length];
  if (length === 1) return text;
  return `${text.slice(0, start).replace(/:$/, '')}::${text.slice(start + length).replace(/^:/, '')}`;
}

export function isIpv4(groups: AddressGroups): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

/** 127.0.0.0/8 and ::1. */
export function isLoopbackAddress(groups: AddressGroups): boolean {
  if (isIpv4(groups)) return (groups[6] ?? 0) >> 8 === 127;
  return groups.every((group, index) => group === (index === GROUPS - 1 ? 1 : 0));
}

/** Groups with colons between them; the last may be an IPv4 address if the text ends there. */
function readGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const last = parts.at(-1) ?? '';
  const pair = mayEndInIpv4 && last.includes('.') ? readIpv4(last) : undefined;
  const plain = pair === undefined ? parts : parts.slice(0, -1);
  if (!plain.every((part) => GROUP.test(part))) return undefined;
  return [...plain.map((part) => Number.parseInt(part, 16)), ...(pair ?? [])];
}

function readIpv4(text: string): [number, number] | undefined {
  if (!IPV4.test(text)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return Math.max(a, b, c, d) > 255 ? undefined : [a * 256 + b, c * 256 + d];
}
