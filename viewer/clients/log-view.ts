/** What happened to the followed client, newest first. */
import { make } from '../page-elements.ts';
import type { Player } from '../player.ts';
import { clockText, type LoggedEvent } from './event-log.core.ts';

const SHOWN_MAX = 60;

export class LogView {
  readonly #list = make('ol', { className: 'log' });
  #player: Player | undefined;
  #shownNumber = -1;

  constructor(parent: HTMLElement) {
    parent.append(this.#list);
  }

  show(player: Player): void {
    const { log } = player;
    if (player === this.#player && log.lastNumber === this.#shownNumber) return;
    this.#player = player;
    this.#shownNumber = log.lastNumber;
    this.#list.replaceChildren(...log.newestFirst.slice(0, SHOWN_MAX).map(makeLine));
  }
}

function makeLine({ atMs, tone, text }: LoggedEvent): HTMLElement {
  const time = make('time', { textContent: clockText(atMs), attributes: { datetime: new Date(atMs).toISOString() } });
  return make('li', { className: tone }, time, make('span', { textContent: text }));
}
