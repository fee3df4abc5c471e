/** The list of the page's clients: who they are, how they are, which one is followed. */
import { formatBytes } from '../format.ts';
import { make, makeButton, setText } from '../page-elements.ts';
import { clientColour, cssColour } from '../palette.ts';
import type { Player } from '../player.ts';
import type { Roster } from '../roster.ts';

interface Row {
  readonly item: HTMLElement;
  readonly choose: HTMLButtonElement;
  readonly state: HTMLElement;
  readonly roundTrip: HTMLElement;
  readonly bytes: HTMLElement;
}

export class RosterView {
  readonly #list: HTMLElement;
  readonly #rows = new Map<Player, Row>();
  readonly #actions: { onChoose(player: Player): void; onLeave(player: Player): void };

  constructor(parent: HTMLElement, actions: { onChoose(player: Player): void; onLeave(player: Player): void }) {
    this.#actions = actions;
    this.#list = make('ul', { className: 'roster', attributes: { 'aria-label': 'Clients of this page' } });
    parent.append(this.#list);
  }

  show(roster: Roster, nowMs: number): void {
    for (const [player, { item }] of this.#rows) {
      if (roster.players.includes(player)) continue;
      item.remove();
      this.#rows.delete(player);
    }
    for (const player of roster.players) {
      let row = this.#rows.get(player);
      if (row === undefined) {
        row = this.#make(player);
        this.#rows.set(player, row);
        this.#list.append(row.item);
      }
      this.#fill(row, player, { isActive: player === roster.active, nowMs });
    }
  }

  #make(player: Player): Row {
    const chip = make('i', { attributes: { style: `background:${cssColour(clientColour(player.number))}` } });
    const state = make('small');
    const roundTrip = make('span', { className: 'measure' });
    const bytes = make('span', { className: 'measure' });
    const name = make('span', { className: 'who' }, make('b', { textContent: player.name }), state);
    const choose = make(
      'button',
      { className: 'choose', attributes: { type: 'button' } },
      chip,
      name,
      roundTrip,
      bytes,
    );
    choose.addEventListener('click', () => this.#actions.onChoose(player));
    const leave = makeButton('×', {
      className: 'leave',
      label: `${player.name} leaves`,
      onClick: () => this.#actions.onLeave(player),
    });
    const item = make('li', { attributes: { 'data-client': String(player.number) } }, choose, leave);
    return { item, choose, state, roundTrip, bytes };
  }

  #fill(row: Row, player: Player, { isActive, nowMs }: { isActive: boolean; nowMs: number }): void {
    row.choose.setAttribute('aria-pressed', String(isActive));
    const look = player.network.cut === undefined ? player.state.name : 'cut';
    if (row.item.dataset['state'] !== look) row.item.dataset['state'] = look;
    setText(row.state, stateText(player, nowMs));
    const isOnline = player.state.name === 'playing';
    setText(row.roundTrip, isOnline && player.pingMs > 0 ? `${Math.round(player.pingMs)} ms` : '–');
    setText(row.bytes, `${formatBytes(player.tap.traffic.rates(nowMs).bytesInPerSecond)}/s`);
  }
}

/** In a few words. */
export function stateText(player: Player, nowMs: number): string {
  const { cut } = player.network;
  const { state } = player;
  const seconds = (untilMs: number): number => Math.max(0, Math.ceil((untilMs - nowMs) / 1000));
  if (cut !== undefined)
    return `${state.name === 'playing' ? 'cut off' : 'lost, cut off'}, ${seconds(cut.untilMs)} s to go`;
  switch (state.name) {
    case 'away':
      return state.reason ?? 'left';
    case 'joining':
      return 'joining …';
    case 'reconnecting':
      return seconds(state.retryAtMs) === 0 ? 'reconnecting …' : `tries again in ${seconds(state.retryAtMs)} s`;
    case 'playing':
      return player.ownerName === undefined ? 'in the world' : `at node ${player.ownerName}`;
  }
}
