/** The touch stick: shown on devices with a coarse pointer while a player walks. */
import { STANDING, directionOfStick, type Direction } from './walk-keys.ts';

export class Joystick {
  readonly #element: HTMLElement;
  readonly #knob: HTMLElement;
  readonly #onDirection: (direction: Direction) => void;
  #pointer: number | undefined;

  /** Listens as long as the page lives. */
  static listen(element: HTMLElement, onDirection: (direction: Direction) => void): Joystick {
    return new Joystick(element, onDirection);
  }

  private constructor(element: HTMLElement, onDirection: (direction: Direction) => void) {
    this.#element = element;
    this.#knob = element.querySelector('i')!;
    this.#onDirection = onDirection;
    element.addEventListener('pointerdown', (event) => {
      this.#pointer = event.pointerId;
      element.setPointerCapture(event.pointerId);
      this.#move(event);
    });
    element.addEventListener('pointermove', (event) => this.#move(event));
    element.addEventListener('pointerup', (event) => this.#release(event));
    element.addEventListener('pointercancel', (event) => this.#release(event));
  }

  #move(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    const box = this.#element.getBoundingClientRect();
    const radius = box.width / 2;
    const x = (event.clientX - box.left) / radius - 1;
    const z = (event.clientY - box.top) / radius - 1;
    const length = Math.max(1, Math.hypot(x, z));
    this.#knob.style.transform = `translate(${(x / length) * radius * 0.6}px, ${(z / length) * radius * 0.6}px)`;
    this.#onDirection(directionOfStick(x, z));
  }

  #release(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = undefined;
    this.#knob.style.transform = '';
    this.#onDirection(STANDING);
  }
}
