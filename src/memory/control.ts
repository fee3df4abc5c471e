/**
 * The words by which the threads of a node work together, 64 × i32, and the barrier of a phase.
 *
 *   word  name          writer                readers
 *   0     state         main                  conductor, workers     run, or return to the event loop
 *   1     wake          conductor             workers                +1 opens a phase; workers sleep on it
 *   2     gate          conductor, workers    both                   OPEN bit | number of workers inside
 *   3     next          conductor, workers    both                   the next item of the open phase
 *   4     items         conductor             workers                items in the open phase
 *   5     chunk         conductor             workers                items taken at once
 *   6     phase         conductor             workers                which phase is open
 *   7     tick          conductor             all                    the tick in work, or done last
 *   8     shedLevel     conductor             all                    0 … 4, see conductor.ts
 *   9     doorbell      conductor             gateway                +1 when outbound rings were filled
 *  10     nudge         main, gateway         conductor              wakes the conductor out of its sleep
 *  11     failure       any worker            conductor, main        1 + worker index of the first that failed
 *  12     ready         conductor             main, gateway          1 once the first tick is done
 *  13     peerBell      conductor, gateway    peer                   +1 when there is something for other nodes
 *  14, 15 leaseUntil    peer                  conductor              monotonic milliseconds, one i64
 *  16     gatewayLoad   gateway               conductor, gateway     share of its thread's time that is used, in thousandths
 *
 * A phase is closed while `gate` has no OPEN bit and nobody inside. Only the conductor opens and closes it, and
 * `next`, `items`, `chunk`, `phase` change only while it is closed. A worker may touch them only between a
 * successful `enter` and its `leave`. So a worker that wakes late finds the gate closed and goes back to sleep: the
 * conductor never waits for a thread that has not started.
 */
import { assert } from '../base/assert.ts';

export const CONTROL_BYTES = 256;

const STATE = 0;
const WAKE = 1;
const GATE = 2;
const NEXT = 3;
const ITEMS = 4;
const CHUNK = 5;
const PHASE = 6;
const TICK = 7;
const SHED_LEVEL = 8;
const DOORBELL = 9;
const NUDGE = 10;
const FAILURE = 11;
const READY = 12;
const PEER_BELL = 13;
const LEASE_UNTIL = 7; // As an i64.
const GATEWAY_LOAD = 16;

const GATEWAY_LOAD_ONE = 1000;
const OPEN = 1 << 16;
const INSIDE_MASK = OPEN - 1;

export const RUN_STATE = { stopped: 0, running: 1, stopping: 2 } as const;
export type RunState = (typeof RUN_STATE)[keyof typeof RUN_STATE];

export class Control {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #longs: BigInt64Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer, offsetBytes: number) {
    this.#words = new Int32Array(buffer, offsetBytes, CONTROL_BYTES / 4);
    this.#longs = new BigInt64Array(buffer, offsetBytes, CONTROL_BYTES / 8);
  }

  get state(): RunState {
    return Atomics.load(this.#words, STATE) as RunState;
  }

  /** Main: start or stop; wakes everybody so that they see it. */
  setState(state: RunState): void {
    Atomics.store(this.#words, STATE, state);
    Atomics.add(this.#words, WAKE, 1);
    Atomics.notify(this.#words, WAKE);
    this.nudge();
  }

  get tick(): number {
    return Atomics.load(this.#words, TICK) >>> 0;
  }

  setTick(tick: number): void {
    Atomics.store(this.#words, TICK, tick | 0);
  }

  get shedLevel(): number {
    return Atomics.load(this.#words, SHED_LEVEL);
  }

  setShedLevel(level: number): void {
    Atomics.store(this.#words, SHED_LEVEL, level);
  }

  get isReady(): boolean {
    return Atomics.load(this.#words, READY) === 1;
  }

  setReady(ready: boolean): void {
    Atomics.store(this.#words, READY, ready ? 1 : 0);
  }

  /** The index of the worker that failed first, or -1. */
  get failedWorker(): number {
    return Atomics.load(this.#words, FAILURE) - 1;
  }

  reportFailure(worker: number): void {
    Atomics.compareExchange(this.#words, FAILURE, 0, worker + 1);
  }

  clearFailure(): void {
    Atomics.store(this.#words, FAILURE, 0);
  }

  // Conductor: sleeping between ticks.

  /** Sleeps until the time is over or somebody nudges. */
  sleep(durationMs: number): void {
    const seen = Atomics.load(this.#words, NUDGE);
    if (this.state === RUN_STATE.running) Atomics.wait(this.#words, NUDGE, seen, durationMs);
  }

  nudge(): void {
    Atomics.add(this.#words, NUDGE, 1);
    Atomics.notify(this.#words, NUDGE);
  }

  /** Milliseconds of `monotonicMs` at which this node must stop acting; Infinity when it never need. */
  get leaseUntilMs(): number {
    const micros = Atomics.load(this.#longs, LEASE_UNTIL);
    return micros === 0n ? Infinity : Number(micros) / 1000;
  }

  /** Peer thread. A time in the past ends the right to tick at once. Wakes the conductor, so that it looks again. */
  setLeaseUntilMs(leaseUntilMs: number): void {
    const micros = leaseUntilMs === Infinity ? 0n : BigInt(Math.max(1, Math.floor(leaseUntilMs * 1000)));
    Atomics.store(this.#longs, LEASE_UNTIL, micros);
    this.nudge();
  }

  // Conductor: phases.

  /** Opens a phase of `items` items; `wake` says whether sleeping workers are called to help. */
  openPhase({ phase, items, chunk, wake }: { phase: number; items: number; chunk: number; wake: boolean }): void {
    assert(Atomics.load(this.#words, GATE) === 0, 'a phase opens only after the last one closed');
    Atomics.store(this.#words, PHASE, phase);
    Atomics.store(this.#words, ITEMS, items);
    Atomics.store(this.#words, CHUNK, chunk);
    Atomics.store(this.#words, NEXT, 0);
    Atomics.store(this.#words, GATE, OPEN);
    if (!wake) return;
    Atomics.add(this.#words, WAKE, 1);
    Atomics.notify(this.#words, WAKE);
  }

  /** Closes the phase and sleeps until the last worker inside has left. */
  closePhase(): void {
    Atomics.and(this.#words, GATE, ~OPEN);
    for (;;) {
      const inside = Atomics.load(this.#words, GATE);
      if (inside === 0) return;
      Atomics.wait(this.#words, GATE, inside);
    }
  }

  /** Takes the next chunk: its first item, or -1 when none is left. `takenEnd` gives the end of it. */
  take(): number {
    const chunk = Atomics.load(this.#words, CHUNK);
    const first = Atomics.add(this.#words, NEXT, chunk);
    return first < Atomics.load(this.#words, ITEMS) ? first : -1;
  }

  takenEnd(first: number): number {
    return Math.min(first + Atomics.load(this.#words, CHUNK), Atomics.load(this.#words, ITEMS));
  }

  // Workers.

  get wakeCount(): number {
    return Atomics.load(this.#words, WAKE);
  }

  /** Worker: sleeps until a phase opens or the state changes. */
  awaitWake(seen: number): void {
    Atomics.wait(this.#words, WAKE, seen);
  }

  /** Worker: steps into the open phase and returns which it is, or -1 when none is open. */
  enter(): number {
    for (;;) {
      const gate = Atomics.load(this.#words, GATE);
      if ((gate & OPEN) === 0) return -1;
      if (Atomics.compareExchange(this.#words, GATE, gate, gate + 1) === gate) {
        return Atomics.load(this.#words, PHASE);
      }
    }
  }

  leave(): void {
    const before = Atomics.sub(this.#words, GATE, 1);
    assert((before & INSIDE_MASK) > 0, 'only a worker that entered leaves');
    Atomics.notify(this.#words, GATE);
  }

  // Gateway.

  /** Share of the time in which its thread was not idle; 1 is all of it. */
  get gatewayLoad(): number {
    return Atomics.load(this.#words, GATEWAY_LOAD) / GATEWAY_LOAD_ONE;
  }

  setGatewayLoad(share: number): void {
    Atomics.store(this.#words, GATEWAY_LOAD, Math.round(share * GATEWAY_LOAD_ONE));
  }

  ringDoorbell(): void {
    Atomics.add(this.#words, DOORBELL, 1);
    Atomics.notify(this.#words, DOORBELL);
  }

  get doorbellCount(): number {
    return Atomics.load(this.#words, DOORBELL);
  }

  /** Gateway: resolves when the doorbell has rung since `seen`, or the time is over. Keep the thread alive otherwise. */
  async awaitDoorbell(seen: number, timeoutMs: number): Promise<void> {
    const result = Atomics.waitAsync(this.#words, DOORBELL, seen, timeoutMs);
    if (result.async) await result.value;
  }

  // Peer thread.

  ringPeerBell(): void {
    Atomics.add(this.#words, PEER_BELL, 1);
    Atomics.notify(this.#words, PEER_BELL);
  }

  get peerBellCount(): number {
    return Atomics.load(this.#words, PEER_BELL);
  }

  /** Peer thread: resolves when its bell has rung since `seen`, or the time is over. Keep the thread alive otherwise. */
  async awaitPeerBell(seen: number, timeoutMs: number): Promise<void> {
    const result = Atomics.waitAsync(this.#words, PEER_BELL, seen, timeoutMs);
    if (result.async) await result.value;
  }
}
