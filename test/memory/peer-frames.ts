/** Frames between conductor and peer thread as plain values, for tests that look at them. */
import type { ArrivalVisitor } from '../../src/memory/arrivals.ts';
import { readArrival } from '../../src/memory/arrivals.ts';
import type { DepartureVisitor } from '../../src/memory/departures.ts';
import { readDeparture } from '../../src/memory/departures.ts';
import { Ring } from '../../src/memory/ring.ts';

export type Frame = [type: string, ...values: unknown[]];

export function makeRing(capacityBytes = 4096): Ring {
  return new Ring(new SharedArrayBuffer(Ring.sizeBytes(capacityBytes)), 0, capacityBytes);
}

/** A visitor that notes each call. */
function noting<Visitor extends object>(frames: Frame[]): Visitor {
  return new Proxy({} as Visitor, {
    get:
      (_, name) =>
      (...values: unknown[]) =>
        void frames.push([String(name), ...values]),
  });
}

export function drainArrivals(ring: Ring, framesMax?: number): Frame[] {
  const frames: Frame[] = [];
  ring.drain((at) => readArrival(ring, at, noting<ArrivalVisitor>(frames)), framesMax);
  return frames;
}

export function drainDepartures(ring: Ring, framesMax?: number): Frame[] {
  const frames: Frame[] = [];
  ring.drain((at) => readDeparture(ring, at, noting<DepartureVisitor>(frames)), framesMax);
  return frames;
}

export const LEDGER = '00112233445566778899aabbccddeeff';

export const PASSENGER = {
  lastInput: 2 ** 32 - 2,
  gateway: 63,
  session: (2 ** 21 - 1) * 2 ** 32 + 5,
  account: 'Žofie',
  marks: [
    { sender: LEDGER, number: 2 ** 40 },
    { sender: LEDGER.replaceAll('0', '9'), number: 1 },
  ],
};

export const PENDING_INPUTS = [
  { sequence: 2 ** 32 - 1, payload: Uint8Array.of(1, 2, 3) },
  { sequence: 7, payload: new Uint8Array() },
];
