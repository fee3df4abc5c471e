/** The links between nodes and the handovers that are stuck, in the tab of the world. Nothing of it shows outside of a cluster. */
import { idText } from './clients/input-form.core.ts';
import { formatBytes, formatCount, formatMs } from './format.ts';
import { LINK_ROWS_MAX, STUCK_ROWS_MAX } from './links.core.ts';
import type { LinkRow, StuckRow } from './links.core.ts';
import { make, makeButton } from './page-elements.ts';

export class LinksView {
  readonly #parent: HTMLElement;
  readonly #onEntity: (entity: number) => void;
  #shown = '';

  /** @param onEntity somebody wants to look into it. */
  constructor(parent: HTMLElement, onEntity: (entity: number) => void) {
    this.#parent = parent;
    this.#onEntity = onEntity;
  }

  show(links: readonly LinkRow[], stuck: readonly StuckRow[]): void {
    this.#parent.hidden = links.length === 0 && stuck.length === 0;
    const shown = JSON.stringify([links, stuck]);
    // It comes four times a second and is mostly the same.
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#parent.replaceChildren(...this.#stuckPart(stuck), ...linksPart(links));
  }

  #stuckPart(stuck: readonly StuckRow[]): HTMLElement[] {
    if (stuck.length === 0) return [];
    const title = stuck.length === 1 ? '1 handover is stuck' : `${stuck.length} handovers are stuck`;
    const rows = stuck.slice(0, STUCK_ROWS_MAX).map(({ entity, from, to, seconds }) => {
      const id = idText(entity);
      const look = makeButton(id, { label: `Look into entity ${id}`, onClick: () => this.#onEntity(entity) });
      return make('div', {}, look, ` ${from} → ${to}, for ${seconds.toFixed(0)} s`);
    });
    return [
      make(
        'div',
        { className: 'stuck', attributes: { role: 'alert' } },
        make('strong', { textContent: title }),
        ...rows,
      ),
    ];
  }
}

function linksPart(links: readonly LinkRow[]): HTMLElement[] {
  if (links.length === 0) return [];
  const head = make(
    'tr',
    {},
    ...['Link', 'Round trip', 'Credits', 'Waiting'].map((textContent) => make('th', { textContent })),
  );
  const rows = links.slice(0, LINK_ROWS_MAX).map(({ from, to, state, rttMs, credits, queueBytes, isWrong }) => {
    const trip = isWrong ? state : rttMs === undefined ? '–' : formatMs(rttMs);
    const texts = [`${from} → ${to}`, trip, formatCount(credits), formatBytes(queueBytes)];
    const row = make('tr', {}, ...texts.map((textContent) => make('td', { textContent })));
    row.classList.toggle('warn', isWrong);
    return row;
  });
  const table = make('table', { attributes: { 'aria-label': 'Links between nodes' } }, head, ...rows);
  if (links.length <= LINK_ROWS_MAX) return [table];
  return [table, make('small', { textContent: `and ${links.length - LINK_ROWS_MAX} more` })];
}
