/** The tabs of the panel: arrow keys move between them, as people who use a keyboard expect. */
import { element } from './page-elements.ts';

export const TABS = ['world', 'clients', 'entity'] as const;
export type Tab = (typeof TABS)[number];

export class Tabs {
  #shown: Tab = 'world';
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    for (const [index, tab] of TABS.entries()) {
      const button = this.#button(tab);
      button.addEventListener('click', () => this.show(tab));
      button.addEventListener('keydown', (event) => {
        const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? TABS.length - 1 : 0;
        if (step === 0) return;
        event.preventDefault();
        event.stopPropagation();
        const next = TABS[(index + step) % TABS.length]!;
        this.show(next);
        this.#button(next).focus();
      });
    }
  }

  get shown(): Tab {
    return this.#shown;
  }

  show(shown: Tab): void {
    this.#shown = shown;
    for (const tab of TABS) {
      const isShown = tab === shown;
      const button = this.#button(tab);
      button.setAttribute('aria-selected', String(isShown));
      button.tabIndex = isShown ? 0 : -1;
      element(`page-${tab}`, HTMLElement).hidden = !isShown;
    }
    this.#onChange();
  }

  #button(tab: Tab): HTMLButtonElement {
    return element(`tab-${tab}`, HTMLButtonElement);
  }
}
