/** One client's inputs by what it wrote to the wire: how many it sent, sent again, and gave up. */
export interface InputCounts {
  inputsRepeated: number;
  inputsGivenUp: number;
}

export class InputLedger {
  /** The greatest that was sent. */
  sentSequence = 0;
  /** The one that is followed until its answer; 0 for none. */
  followedSequence = 0;
  followedSentMs = 0;
  /** By this client. */
  givenUp = 0;
  readonly #counts: InputCounts;
  /** The oldest that the client still has. */
  #floor = 0;

  /** @param counts is added to. */
  constructor(counts: InputCounts) {
    this.#counts = counts;
  }

  /** @param acknowledged the last input that a snapshot contained. Returns whether it was new. */
  sent({ sequence, back }: { sequence: number; back: number }, acknowledged: number, nowMs: number): boolean {
    const floor = sequence - back;
    // Given up: no longer kept, though never seen to have acted.
    const seen = Math.max(this.#floor, acknowledged + 1);
    if (this.sentSequence > 0 && floor > seen) {
      const givenUp = Math.min(floor, this.sentSequence + 1) - seen;
      this.givenUp += givenUp;
      this.#counts.inputsGivenUp += givenUp;
    }
    this.#floor = Math.max(this.#floor, floor);
    if (sequence <= this.sentSequence) {
      this.#counts.inputsRepeated++;
      return false;
    }
    this.sentSequence = sequence;
    if (this.followedSequence === 0) {
      this.followedSequence = sequence;
      this.followedSentMs = nowMs;
    }
    return true;
  }

  /** Milliseconds from sending the followed input to the snapshot that contains it, or NaN. */
  acknowledged(sequence: number, nowMs: number): number {
    if (this.followedSequence === 0 || sequence < this.followedSequence) return Number.NaN;
    this.followedSequence = 0;
    return nowMs - this.followedSentMs;
  }

  /** A session that knows nothing of the last one's inputs, and was sent these. */
  forget(sentSequence: number): void {
    this.sentSequence = sentSequence;
    this.followedSequence = 0;
    this.#floor = 0;
  }
}
