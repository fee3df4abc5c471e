/** How smoothly the page runs: the last frames' times. */
const FRAMES_MAX = 240;

export class FrameMeter {
  readonly #atMs: number[] = [];
  /** Since the page was opened. */
  frames = 0;

  frame(nowMs: number): void {
    this.frames++;
    this.#atMs.push(nowMs);
    if (this.#atMs.length > FRAMES_MAX) this.#atMs.shift();
  }

  /** Frames a second over the window; 0 before the second frame. */
  get fps(): number {
    const first = this.#atMs[0];
    const last = this.#atMs.at(-1);
    if (first === undefined || last === undefined || last === first) return 0;
    return ((this.#atMs.length - 1) * 1000) / (last - first);
  }

  /** The longest time between two frames of the window, in milliseconds. */
  get longestMs(): number {
    let longest = 0;
    for (let index = 1; index < this.#atMs.length; index++) {
      longest = Math.max(longest, this.#atMs[index]! - this.#atMs[index - 1]!);
    }
    return longest;
  }

  reset(): void {
    this.#atMs.length = 0;
  }
}
