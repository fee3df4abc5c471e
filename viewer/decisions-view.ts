/** What the balancer decided last, newest first, in the tab of the world. Nothing of it shows outside of a cluster. */
import { decisionLine } from './decisions.core.ts';
import type { DecisionInfo } from './overview-text.wire.ts';
import { make } from './page-elements.ts';

const SHOWN_MAX = 6;

export class DecisionsView {
  readonly #parent: HTMLElement;
  #shown = '';

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  show(decisions: readonly DecisionInfo[]): void {
    this.#parent.hidden = decisions.length === 0;
    const last = decisions.slice(-SHOWN_MAX).toReversed();
    const shown = JSON.stringify(last);
    // It comes with every change of a lease and is mostly the same.
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#parent.replaceChildren(
      make('strong', { textContent: 'Balancer' }),
      ...last.map((decision) => make('p', { textContent: decisionLine(decision) })),
    );
  }
}
