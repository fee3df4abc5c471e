/** The tab of clients: the form that adds one, the list, and all about the one that is followed. */
import { make, makeButton, setText } from '../page-elements.ts';
import type { JoinOptions, Player } from '../player.ts';
import type { Roster } from '../roster.ts';
import { InputView } from './input-view.ts';
import { JoinForm, type GatewayChoice } from './join-form.ts';
import { LogView } from './log-view.ts';
import { NetworkView } from './network-view.ts';
import { RosterView } from './roster-view.ts';
import { VitalsView } from './vitals-view.ts';

export interface ClientsActions {
  onJoin(options: JoinOptions): void;
  onChoose(player: Player): void;
  onLeave(player: Player): void;
  /** Its own entity is to be looked into. */
  onInspect(player: Player): void;
}

export class ClientsView {
  readonly form: JoinForm;
  readonly #roster: RosterView;
  readonly #detail = make('section', { className: 'client-detail', hidden: true });
  readonly #title = make('h2', { className: 'detail-title' });
  /** How it reaches the world. */
  readonly #way = make('small');
  readonly #vitals: VitalsView;
  readonly #network: NetworkView;
  readonly #input: InputView;
  readonly #log: LogView;
  #shown: Player | undefined;

  constructor(parent: HTMLElement, roster: Roster, actions: ClientsActions & { selectedId(): number }) {
    this.form = new JoinForm(parent, (options) => actions.onJoin(options));
    this.#roster = new RosterView(parent, actions);
    const active = (): Player | undefined => roster.active;
    const inspect = makeButton('Inspect and trace', {
      className: 'quiet',
      label: 'Look into the entity of this client, and trace it through the journals',
      onClick: () => {
        if (this.#shown !== undefined) actions.onInspect(this.#shown);
      },
    });
    this.#detail.append(make('header', {}, make('div', {}, this.#title, this.#way), inspect));
    parent.append(this.#detail);
    this.#vitals = new VitalsView(this.#section('Traffic', true));
    this.#input = new InputView(this.#section('Input', true), {
      player: active,
      selectedId: () => actions.selectedId(),
    });
    this.#network = new NetworkView(this.#section('Network', true), active);
    this.#log = new LogView(this.#section('Events', true));
  }

  show(roster: Roster, { choices, nowMs }: { choices: readonly GatewayChoice[]; nowMs: number }): void {
    const taken = roster.players.map(({ name }) => name);
    this.form.show({ choices, taken, isFull: roster.isFull });
    this.#roster.show(roster, nowMs);
    const player = roster.active;
    this.#shown = player;
    this.#detail.hidden = player === undefined;
    if (player === undefined) return;
    setText(this.#title, player.name);
    setText(this.#way, `${player.mode ?? player.options.mode} · ${new URL(player.gateway).host}`);
    this.#vitals.show(player, nowMs);
    this.#network.show(player, nowMs);
    this.#input.show(player);
    this.#log.show(player);
  }

  #section(title: string, isOpen: boolean): HTMLElement {
    const body = make('div', { className: 'section-body' });
    const details = make('details', { className: 'section' }, make('summary', { textContent: title }), body);
    details.open = isOpen;
    this.#detail.append(details);
    return body;
  }
}
