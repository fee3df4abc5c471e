/**
 * Decides how much is shed under overload, from the load of each tick (its duration over its period), and from that of the gateway
 * (the share of its thread's time that is used).
 *
 *   level 0   nothing
 *         1   entities beyond half the interest radius are updated half as often
 *         2   also: half the snapshot rate
 *         3   also: sheddable kinds are not spawned, and `cell.shedding` asks the world to thin them
 *         4   also: no new sessions
 *
 * State is never shed. One level up after `RAISE_SECONDS` with a mean load above RAISE_LOAD, one down after
 * `LOWER_SECONDS` below LOWER_LOAD. A gateway with too much to do raises the first two, which give it less to send: it is no reason to
 * turn players away, who may be what it is busy with. They stay until it would not have too much again without them.
 */
export const SHED_LEVEL_MAX = 4;
const RAISE_LOAD = 0.9;
const LOWER_LOAD = 0.6;
const RAISE_GATEWAY_LOAD = 0.95;
/** With half of the snapshots it has some two thirds of the work: inputs come as before. So it would be below the mark without level 2. */
const LOWER_GATEWAY_LOAD = 0.6;
const GATEWAY_LEVEL_MAX = 2;
const RAISE_SECONDS = 1;
const LOWER_SECONDS = 3;
/** Share of the newest tick in the mean: about a second's memory at 20 Hz. */
const SMOOTHING = 0.1;

export interface SheddingState {
  readonly level: number;
  readonly load: number;
  /** Seconds that the mean load has been above, or below, its mark. */
  readonly aboveSeconds: number;
  readonly belowSeconds: number;
}

export const INITIAL_SHEDDING: SheddingState = { level: 0, load: 0, aboveSeconds: 0, belowSeconds: 0 };

export function step(
  state: SheddingState,
  { load: tickLoad, gatewayLoad, seconds }: { load: number; gatewayLoad: number; seconds: number },
): SheddingState {
  // One long pause of the machine is not overload: it counts as two periods at the most.
  const load = state.load + (Math.min(tickLoad, 2) - state.load) * SMOOTHING;
  const isGatewayAbove = gatewayLoad > RAISE_GATEWAY_LOAD && state.level < GATEWAY_LEVEL_MAX;
  const isGatewayBelow = gatewayLoad < LOWER_GATEWAY_LOAD || state.level > GATEWAY_LEVEL_MAX;
  const aboveSeconds = load > RAISE_LOAD || isGatewayAbove ? state.aboveSeconds + seconds : 0;
  const belowSeconds = load < LOWER_LOAD && isGatewayBelow ? state.belowSeconds + seconds : 0;
  if (aboveSeconds >= RAISE_SECONDS && state.level < SHED_LEVEL_MAX) {
    return { level: state.level + 1, load, aboveSeconds: 0, belowSeconds: 0 };
  }
  if (belowSeconds >= LOWER_SECONDS && state.level > 0) {
    return { level: state.level - 1, load, aboveSeconds: 0, belowSeconds: 0 };
  }
  return { level: state.level, load, aboveSeconds, belowSeconds };
}
