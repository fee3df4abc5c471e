/** Named numbers in columns of one width, so that nothing moves when they change. */
import { make, setText } from '../page-elements.ts';

export class FigureGrid<Name extends string> {
  readonly #values = new Map<Name, HTMLElement>();

  constructor(parent: HTMLElement, names: readonly Name[], hints: Partial<Record<Name, string>> = {}) {
    for (const name of names) {
      const value = make('dd', { textContent: '–' });
      parent.append(make('div', { title: hints[name] ?? '' }, make('dt', { textContent: name }), value));
      this.#values.set(name, value);
    }
  }

  set(name: Name, text: string, isWarning = false): void {
    const value = this.#values.get(name)!;
    setText(value, text);
    value.classList.toggle('warn', isWarning);
  }
}
