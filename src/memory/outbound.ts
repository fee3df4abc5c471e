/**
 * Frames from the simulation workers to the gateway, in each worker's outbound ring, little-endian:
 *
 *   session u32 · session generation u32 · one SNAPSHOT message (wire/snapshot.wire.ts)
 *
 * The gateway drops a frame whose session row has been given to somebody else since.
 */
export const OUTBOUND_HEAD_BYTES = 8;
