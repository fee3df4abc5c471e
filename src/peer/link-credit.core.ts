/**
 * How much may be on its way on one link, per priority. A message counts from `send` until the other side has acknowledged the
 * frames it went in; what does not fit is refused with 'busy' before anything grows.
 *
 *   window  =  min(what this side keeps in memory, what the other side announced in its HELLO)
 */
import { assert } from '../base/assert.ts';
import { LinkError } from './link-error.ts';
import { PRIORITIES, sequenceDistance } from './link-frame.wire.ts';

/** Bytes in queues and in flight, most urgent priority first. */
export const WINDOW_BYTES_DEFAULT: readonly number[] = [1 << 20, 8 << 20, 2 << 20, 8 << 20];

export interface CreditState {
  readonly windows: number[];
  /** Bytes sent or queued and not acknowledged. */
  readonly outstanding: number[];
  /** DATA frames in flight, oldest at `head`. */
  readonly flights: { sequence: number; priority: number; sizeBytes: number }[];
  head: number;
  acknowledged: number;
}

export function createCredit(windows: readonly number[]): CreditState {
  assert(windows.length === PRIORITIES.length, 'a window per priority');
  return { windows: [...windows], outstanding: PRIORITIES.map(() => 0), flights: [], head: 0, acknowledged: 0 };
}

/** May a message of this size go? One larger than the window passes when nothing else of its priority is on its way. */
export function hasCredit(state: CreditState, priority: number, sizeBytes: number): boolean {
  const outstandingBytes = state.outstanding[priority]!;
  return outstandingBytes === 0 || outstandingBytes + sizeBytes <= state.windows[priority]!;
}

/** `sizeBytes` were put into frames. */
export function useCredit(state: CreditState, priority: number, sizeBytes: number): void {
  state.outstanding[priority]! += sizeBytes;
}

export function flew(state: CreditState, flight: { sequence: number; priority: number; sizeBytes: number }): void {
  state.flights.push(flight);
}

/** @throws LinkError when the peer acknowledges what was never sent, or takes an acknowledgement back. */
export function acknowledge(state: CreditState, acknowledged: number, lastSent: number): void {
  const steps = sequenceDistance(acknowledged, state.acknowledged);
  if (steps < 0 || sequenceDistance(lastSent, acknowledged) < 0) {
    throw new LinkError(
      'ERR_LINK_ACKNOWLEDGEMENT',
      `${state.acknowledged} to ${lastSent} may be acknowledged, found ${acknowledged}`,
    );
  }
  if (steps === 0) return;
  state.acknowledged = acknowledged;
  const { flights } = state;
  while (state.head < flights.length && sequenceDistance(acknowledged, flights[state.head]!.sequence) >= 0) {
    const { priority, sizeBytes } = flights[state.head]!;
    state.outstanding[priority]! -= sizeBytes;
    assert(state.outstanding[priority]! >= 0, 'no more comes back than went');
    state.head++;
  }
  if (state.head * 2 >= flights.length) {
    flights.splice(0, state.head);
    state.head = 0;
  }
}
