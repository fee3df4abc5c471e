/** Which way the player wants to walk: keys or the touch stick, as a direction of length at most 1. */
export interface Direction {
  /** To the right on the map. */
  readonly moveX: number;
  /** Down on the map. */
  readonly moveZ: number;
}

export const STANDING: Direction = { moveX: 0, moveZ: 0 };

const KEY_DIRECTIONS: Readonly<Record<string, readonly [number, number]>> = {
  KeyW: [0, -1],
  ArrowUp: [0, -1],
  KeyS: [0, 1],
  ArrowDown: [0, 1],
  KeyA: [-1, 0],
  ArrowLeft: [-1, 0],
  KeyD: [1, 0],
  ArrowRight: [1, 0],
};

export function isWalkKey(code: string): boolean {
  return Object.hasOwn(KEY_DIRECTIONS, code);
}

/** The direction of the keys held, by `KeyboardEvent.code`: the place of a key, whatever the layout. */
export function directionOfKeys(held: Iterable<string>): Direction {
  let x = 0;
  let z = 0;
  for (const code of held) {
    const step = KEY_DIRECTIONS[code];
    if (step === undefined) continue;
    x += step[0];
    z += step[1];
  }
  return limited(Math.sign(x), Math.sign(z));
}

/** Of the stick's displacement, in shares of its radius; the middle is dead, so that a resting thumb stands still. */
export function directionOfStick(x: number, z: number): Direction {
  return Math.hypot(x, z) < 0.15 ? STANDING : limited(x, z);
}

function limited(x: number, z: number): Direction {
  const length = Math.hypot(x, z);
  return length > 1 ? { moveX: x / length, moveZ: z / length } : { moveX: x, moveZ: z };
}
