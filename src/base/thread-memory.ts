/**
 * How much garbage the long-lived threads of a node may make before it is collected. What a tick makes is little, and what is written
 * to a socket or a disk dies young: small generations keep their collection short, and the process small. V8 would let each grow to
 * 48 MiB, whenever a busy moment needs a part of it.
 */
const YOUNG_GENERATION_MB = { simulation: 4, gateway: 8, peer: 8, directory: 4, journal: 4 } as const;

/** For a worker's `resourceLimits`. */
export function youngGeneration(thread: keyof typeof YOUNG_GENERATION_MB): {
  readonly maxYoungGenerationSizeMb: number;
} {
  return { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB[thread] };
}
