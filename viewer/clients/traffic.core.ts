/** What a client was sent and sends, second by second, and how evenly its snapshots come. */
export const TRAFFIC_SECONDS = 30;
/** At 60 Hz and twice as many in a burst. */
const SNAPSHOTS_KEPT = TRAFFIC_SECONDS * 120;
const SLOT_MS = 250;
const SLOTS = (TRAFFIC_SECONDS * 1000) / SLOT_MS;
/** Rates are over this many of the last whole slots. */
const RATE_SLOTS = 4;

export interface TrafficRates {
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly messagesInPerSecond: number;
  readonly messagesOutPerSecond: number;
}

export interface SnapshotArrival {
  readonly atMs: number;
  /** Since the one before. */
  readonly intervalMs: number;
}

interface Slot {
  /** `floor(ms / SLOT_MS)`, or -1. */
  number: number;
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
}

export class Traffic {
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  readonly #slots: Slot[] = Array.from({ length: SLOTS + 1 }, () => emptySlot(-1));
  readonly #snapshots: SnapshotArrival[] = [];
  #snapshotAtMs: number | undefined;

  received(sizeBytes: number, nowMs: number): void {
    const slot = this.#slotAt(nowMs);
    slot.bytesIn += sizeBytes;
    slot.messagesIn++;
    this.bytesIn += sizeBytes;
    this.messagesIn++;
  }

  sent(sizeBytes: number, nowMs: number): void {
    const slot = this.#slotAt(nowMs);
    slot.bytesOut += sizeBytes;
    slot.messagesOut++;
    this.bytesOut += sizeBytes;
    this.messagesOut++;
  }

  snapshot(nowMs: number): void {
    if (this.#snapshotAtMs !== undefined) {
      this.#snapshots.push({ atMs: nowMs, intervalMs: nowMs - this.#snapshotAtMs });
      if (this.#snapshots.length > SNAPSHOTS_KEPT) this.#snapshots.shift();
    }
    this.#snapshotAtMs = nowMs;
  }

  /** Since the last snapshot; 0 before the first. */
  silenceMs(nowMs: number): number {
    return this.#snapshotAtMs === undefined ? 0 : nowMs - this.#snapshotAtMs;
  }

  rates(nowMs: number): TrafficRates {
    const last = Math.floor(nowMs / SLOT_MS) - 1;
    const sum = (name: 'bytesIn' | 'bytesOut' | 'messagesIn' | 'messagesOut'): number => {
      let total = 0;
      for (let number = last; number > last - RATE_SLOTS; number--) total += this.#read(number)?.[name] ?? 0;
      return (total * 1000) / (RATE_SLOTS * SLOT_MS);
    };
    return {
      bytesInPerSecond: sum('bytesIn'),
      bytesOutPerSecond: sum('bytesOut'),
      messagesInPerSecond: sum('messagesIn'),
      messagesOutPerSecond: sum('messagesOut'),
    };
  }

  /** Of the last TRAFFIC_SECONDS, oldest first. */
  snapshots(nowMs: number): readonly SnapshotArrival[] {
    const sinceMs = nowMs - TRAFFIC_SECONDS * 1000;
    return this.#snapshots.filter(({ atMs }) => atMs >= sinceMs);
  }

  /** Seconds before now (negative) and bytes a second in, of each whole slot. */
  bytesInSeries(nowMs: number): readonly [readonly number[], readonly number[]] {
    const last = Math.floor(nowMs / SLOT_MS) - 1;
    const at: number[] = [];
    const values: number[] = [];
    for (let number = last - SLOTS + 2; number <= last; number++) {
      at.push(((number + 1) * SLOT_MS - nowMs) / 1000);
      values.push(((this.#read(number)?.bytesIn ?? 0) * 1000) / SLOT_MS);
    }
    return [at, values];
  }

  #read(number: number): Slot | undefined {
    const slot = this.#slots[((number % this.#slots.length) + this.#slots.length) % this.#slots.length];
    return slot?.number === number ? slot : undefined;
  }

  #slotAt(nowMs: number): Slot {
    const number = Math.floor(nowMs / SLOT_MS);
    const index = number % this.#slots.length;
    const slot = this.#slots[index]!;
    if (slot.number === number) return slot;
    return (this.#slots[index] = emptySlot(number));
  }
}

function emptySlot(number: number): Slot {
  return { number, bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
}
