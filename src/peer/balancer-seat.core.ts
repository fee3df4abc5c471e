/**
 * Who balances: the node whose `node:incarnation` is in the directory's setting `balancer`, as long as that lease lives. The
 * seat is taken by compare-and-swap, by the active node with the lowest number first, by the others if it does not.
 */
import { DIRECTORY_SETTINGS } from './directory.ts';
import type { Member, SettingEntry } from './directory.ts';
import type { NodeNumber } from './protocol.ts';

type SeatMember = Pick<Member, 'node' | 'incarnation' | 'state' | 'capacity'>;

/** How much longer each next node in line leaves an empty seat to those before it. */
export const SEAT_TURN_MS = 500;

export function seatText({ node, incarnation }: { readonly node: NodeNumber; readonly incarnation: number }): string {
  return `${node}:${incarnation}`;
}

/** 0: nobody balances, or somebody whose lease is over. */
export function seatHolder(settings: readonly SettingEntry[], members: readonly SeatMember[]): NodeNumber {
  const value = settings.find(({ key }) => key === DIRECTORY_SETTINGS.balancer)?.value;
  return members.find((member) => isUp(member) && seatText(member) === value)?.node ?? 0;
}

/** How long this node leaves an empty seat to others; undefined when it is not for it: it joins, drains or is gone. */
export function seatPatienceMs(me: NodeNumber, members: readonly SeatMember[]): number | undefined {
  const line = members.filter(({ state }) => state === 'active').sort((one, two) => one.node - two.node);
  const place = line.findIndex(({ node }) => node === me);
  return place < 0 ? undefined : place * SEAT_TURN_MS;
}

function isUp({ state }: SeatMember): boolean {
  return state === 'active' || state === 'draining';
}
