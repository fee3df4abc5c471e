/**
 * Colours. The page is dark and quiet; what moves is bright. Kinds differ in lightness as well as in hue, so that
 * they can be told apart without colour vision.
 */
import type { KindInfo } from './overview-text.wire.ts';

export const COLOUR = {
  background: 0x0a0f14,
  land: 0x0f171e,
  line: 0x33454f,
  worldEdge: 0x5a7383,
  text: 0xdfe9ee,
  textMuted: 0x9db3c0,
  self: 0xffffff,
  pulse: 0x8be9ff,
  alarmText: 0xffc9c9,
  select: 0xffd166,
  /** A handover whose outcome is not known, or that failed. */
  doubt: 0xffa53d,
} as const;

/** Load tint of a cell from empty to full. Dark throughout: entities are drawn over it. */
export const LOAD_RAMP = [0x0f171e, 0x12242e, 0x15333e, 0x1c4650, 0x3d4d3d, 0x6b4a26] as const;

export const PHASE_COLOURS = ['#5b7083', '#4cc9b0', '#5aa9f2', '#f0b35a', '#b18cf0', '#ef7fa4'] as const;

/** Of nodes, by the order of their names: far apart in hue, and from the colours of kinds by being the ground. */
const NODE_COLOURS = [0x3d7fd9, 0xd98a3d, 0x4fae63, 0xb35fc4, 0xc9b23c, 0x3fb3b8, 0xd0586e, 0x8b8fd6] as const;
/** A node that is not there, and cells that are nobody's. */
export const DOWN_COLOUR = 0x5b6670;
/** How much of its owner's colour the ground of a cell has, when it is empty and when it is full. */
const OWNER_SHARE = [0.16, 0.42] as const;

const PLAYER_COLOUR = 0xffb454;
const KIND_COLOURS = [0x57d6bd, 0x6aaef5, 0xb79cf2, 0xe88fb4, 0xa5d977, 0xe6d36a] as const;

/** Kinds beyond this share colours; the shader holds a table of this size. */
export const PALETTE_SIZE = 32;

/** Players are the kinds named so; a world without that name: those that overload never sheds. */
export function isPlayerKind(kinds: readonly KindInfo[], index: number): boolean {
  const kind = kinds[index];
  if (kind === undefined) return false;
  return kinds.some((other) => other.name === 'player') ? kind.name === 'player' : !kind.sheddable;
}

export function kindColour(kinds: readonly KindInfo[], index: number): number {
  if (isPlayerKind(kinds, index)) return PLAYER_COLOUR;
  const before = kinds.slice(0, index).filter((_, other) => !isPlayerKind(kinds, other)).length;
  return KIND_COLOURS[before % KIND_COLOURS.length]!;
}

/** From 0 (empty) to 1 (full), between the colours of the ramp. */
export function loadColour(share: number): number {
  const position = Math.min(1, Math.max(0, share)) * (LOAD_RAMP.length - 1);
  const index = Math.min(LOAD_RAMP.length - 2, Math.floor(position));
  const blend = position - index;
  return mixColours(LOAD_RAMP[index]!, LOAD_RAMP[index + 1]!, blend);
}

function mixColours(from: number, to: number, blend: number): number {
  let colour = 0;
  for (const shift of [16, 8, 0]) {
    const a = (from >> shift) & 0xff;
    const b = (to >> shift) & 0xff;
    colour |= Math.round(a + (b - a) * blend) << shift;
  }
  return colour;
}

export function nodeColour(order: number): number {
  return NODE_COLOURS[order % NODE_COLOURS.length]!;
}

/** The ground of a cell in a cluster: whose it is, and from 0 (empty) to 1 (full). */
export function ownedColour(owner: number, share: number): number {
  const [empty, full] = OWNER_SHARE;
  return mixColours(LOAD_RAMP[0], owner, empty + (full - empty) * Math.min(1, Math.max(0, share)));
}

export function cssColour(colour: number): string {
  return `#${colour.toString(16).padStart(6, '0')}`;
}

/** Red, green and blue in 0 … 1, as a shader takes them. */
export function channelsOf(colour: number): [number, number, number] {
  return [((colour >> 16) & 0xff) / 255, ((colour >> 8) & 0xff) / 255, (colour & 0xff) / 255];
}

/** Of the clients of this page, by their number: what marks them on the map and in lists. */
const CLIENT_COLOURS = [0xffb454, 0x6ad1ff, 0xff8fa3, 0xb7e36a, 0xc9a2ff, 0x5fe0b7, 0xffd84d, 0xff9d5c] as const;

export function clientColour(number: number): number {
  return CLIENT_COLOURS[(number - 1) % CLIENT_COLOURS.length]!;
}
