/** The form that adds a client: name, token, mode, gateway. */
import { CLIENT_MODES, type ClientMode } from '../../src/wire/messages.ts';
import { make, setText } from '../page-elements.ts';
import type { JoinOptions } from '../player.ts';

/** The protocol's limit, in bytes of UTF-8. */
export const NAME_BYTES_MAX = 32;
const NAMES = [
  'Ada',
  'Bob',
  'Cleo',
  'Dora',
  'Emil',
  'Finn',
  'Gwen',
  'Hugo',
  'Ida',
  'Jon',
  'Kai',
  'Lea',
  'Max',
  'Nia',
  'Otto',
  'Pia',
];

/** A gateway that can be chosen. */
export interface GatewayChoice {
  readonly url: string;
  readonly name: string;
}

export class JoinForm {
  readonly #form: HTMLFormElement;
  readonly #name = make('input', {
    attributes: { type: 'text', maxlength: '24', spellcheck: 'false', 'aria-label': 'Name' },
  });
  readonly #token = make('input', {
    attributes: { type: 'text', spellcheck: 'false', placeholder: 'none: open mode' },
  });
  readonly #mode = make('select', {}, ...CLIENT_MODES.map((mode) => new Option(mode, mode)));
  readonly #gateway = make('select');
  readonly #gatewayLine: HTMLElement;
  readonly #button = make('button', {
    className: 'primary',
    textContent: 'Add client',
    attributes: { type: 'submit' },
  });
  readonly #problem = make('p', { className: 'hint', hidden: true, attributes: { role: 'alert' } });
  #choices: readonly GatewayChoice[] = [];

  constructor(parent: HTMLElement, onJoin: (options: JoinOptions) => void) {
    this.#mode.value = 'auto';
    this.#mode.id = 'client-mode';
    this.#token.id = 'client-token';
    this.#gateway.id = 'client-gateway';
    this.#gatewayLine = line('Gateway', this.#gateway);
    const details = make('details', {}, make('summary', { textContent: 'Token, mode and gateway' }));
    details.append(
      make('div', { className: 'join-more' }, line('Token', this.#token), line('Mode', this.#mode), this.#gatewayLine),
    );
    const row = make('div', { className: 'join-row' }, this.#name, this.#button);
    this.#form = make(
      'form',
      { className: 'add-client', attributes: { autocomplete: 'off' } },
      row,
      details,
      this.#problem,
    );
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const name = this.#name.value.trim() || this.#name.placeholder;
      const isTooLong = new TextEncoder().encode(name).length > NAME_BYTES_MAX;
      this.#problem.hidden = !isTooLong;
      setText(this.#problem, isTooLong ? `This name is too long: at most ${NAME_BYTES_MAX} bytes.` : '');
      if (isTooLong) return;
      onJoin(this.options(name));
      this.#name.value = '';
    });
    parent.append(this.#form);
  }

  /** What a client of this name would join with. */
  options(name: string): JoinOptions {
    const gateway = this.#gateway.value || (this.#choices[0]?.url ?? '');
    return { name, token: this.#token.value.trim(), mode: this.#mode.value as ClientMode, gateway };
  }

  show({
    choices,
    taken,
    isFull,
  }: {
    choices: readonly GatewayChoice[];
    taken: readonly string[];
    isFull: boolean;
  }): void {
    const placeholder = NAMES.find((name) => !taken.includes(name)) ?? 'guest';
    if (this.#name.placeholder !== placeholder) this.#name.placeholder = placeholder;
    this.#button.disabled = isFull;
    const isSame = choices.map(({ url }) => url).join('\n') === this.#choices.map(({ url }) => url).join('\n');
    if (isSame) return;
    this.#choices = choices;
    const chosen = this.#gateway.value;
    this.#gateway.replaceChildren(...choices.map(({ name, url }) => new Option(name, url)));
    if (choices.some(({ url }) => url === chosen)) this.#gateway.value = chosen;
    this.#gatewayLine.hidden = choices.length < 2;
  }
}

function line(text: string, control: HTMLElement): HTMLElement {
  return make('label', {}, make('span', { textContent: text }), control);
}
