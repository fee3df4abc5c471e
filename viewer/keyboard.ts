/** Keys: walking while the followed client is in the world, else moving the map. Text fields and buttons keep their keys. */
import { STANDING, directionOfKeys, isWalkKey, type Direction } from './walk-keys.ts';

export interface KeyActions {
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
  follow(): void;
  panel(): void;
  deselect(): void;
  /** The n-th client of the list, from 1. */
  followNumber(number: number): void;
  /** Before joining: the map moves one step. */
  pan(direction: Direction): void;
  walk(direction: Direction): void;
}

export class Keyboard {
  readonly #actions: KeyActions;
  readonly #isPlaying: () => boolean;
  readonly #held = new Set<string>();

  /** Listens as long as the page lives. */
  static listen(actions: KeyActions, isPlaying: () => boolean): Keyboard {
    return new Keyboard(actions, isPlaying);
  }

  private constructor(actions: KeyActions, isPlaying: () => boolean) {
    this.#actions = actions;
    this.#isPlaying = isPlaying;
    globalThis.addEventListener('keydown', (event) => this.#down(event));
    globalThis.addEventListener('keyup', (event) => this.#up(event.code));
    // A key let go while another window has the focus is not reported: the player must not walk on for ever.
    globalThis.addEventListener('blur', () => this.#releaseAll());
  }

  #down(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (isWalkKey(event.code)) {
      event.preventDefault();
      this.#walkKey(event.code);
      return;
    }
    if (event.repeat && event.key !== '+' && event.key !== '-') return;
    if (/^[1-9]$/.test(event.key)) this.#actions.followNumber(Number(event.key));
    else this.#command(event.key.toLowerCase());
  }

  #walkKey(code: string): void {
    if (!this.#isPlaying()) {
      this.#actions.pan(directionOfKeys([code]));
      return;
    }
    if (this.#held.has(code)) return;
    this.#held.add(code);
    this.#actions.walk(directionOfKeys(this.#held));
  }

  #command(key: string): void {
    switch (key) {
      case '+':
      case '=':
        return this.#actions.zoomIn();
      case '-':
        return this.#actions.zoomOut();
      case '0':
      case 'home':
        return this.#actions.fit();
      case 'f':
        return this.#actions.follow();
      case 'p':
        return this.#actions.panel();
      case 'escape':
        return this.#actions.deselect();
    }
  }

  #up(code: string): void {
    if (this.#held.delete(code)) this.#actions.walk(directionOfKeys(this.#held));
  }

  #releaseAll(): void {
    if (this.#held.size === 0) return;
    this.#held.clear();
    this.#actions.walk(STANDING);
  }
}

function isTyping(target: EventTarget | null): boolean {
  return [HTMLInputElement, HTMLTextAreaElement, HTMLSelectElement].some((type) => target instanceof type);
}
