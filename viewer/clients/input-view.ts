/** A form for the world's input, made from its schema: sent once, or held at a rate. */
import type { Values } from '../../src/base/pack.ts';
import { ClientError, type Schema } from '../../src/client/index.ts';
import { make, makeButton, setText } from '../page-elements.ts';
import type { Player } from '../player.ts';
import { controlsOf, idText, initialText, parseControl, type Control } from './input-form.core.ts';

const HOLD_HZ_DEFAULT = 10;
const HOLD_HZ_MAX = 60;

interface Line {
  readonly control: Control;
  readonly read: () => string;
  readonly problem: HTMLElement;
}

export class InputView {
  readonly #player: () => Player | undefined;
  /** Id of the entity that is selected on the map, or 0. */
  readonly #selectedId: () => number;
  readonly #fields = make('div', { className: 'fields' });
  readonly #empty = make('p', { className: 'hint', textContent: 'The fields show once the client is in the world.' });
  readonly #send: HTMLButtonElement;
  readonly #hold: HTMLButtonElement;
  readonly #rate = make('input', {
    attributes: {
      type: 'number',
      min: '1',
      max: String(HOLD_HZ_MAX),
      value: String(HOLD_HZ_DEFAULT),
      'aria-label': 'Times a second',
    },
  });
  readonly #result = make('p', { className: 'result', attributes: { role: 'status' } });
  #schema: Schema | undefined;
  #lines: readonly Line[] = [];

  constructor(parent: HTMLElement, options: { player: () => Player | undefined; selectedId: () => number }) {
    this.#player = options.player;
    this.#selectedId = options.selectedId;
    const form = make('form', { className: 'input-form', attributes: { autocomplete: 'off' } });
    this.#send = make('button', { className: 'primary', textContent: 'Send once', attributes: { type: 'submit' } });
    this.#hold = makeButton('Hold', { className: 'hold', onClick: () => this.#toggleHold() });
    const buttons = make(
      'div',
      { className: 'buttons' },
      this.#send,
      this.#hold,
      this.#rate,
      make('span', { textContent: 'Hz' }),
    );
    form.append(this.#empty, this.#fields, buttons, this.#result);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit((player, values) => player.sendInput(values));
    });
    parent.append(form);
  }

  show(player: Player): void {
    const { schema } = player.client;
    if (schema !== undefined && schema.hash !== this.#schema?.hash) this.#build(schema);
    this.#empty.hidden = this.#schema !== undefined;
    const isOnline = player.state.name === 'playing';
    this.#send.disabled = !isOnline;
    this.#hold.disabled = !isOnline && player.held === undefined;
    this.#hold.setAttribute('aria-pressed', String(player.held !== undefined));
    setText(this.#hold, player.held === undefined ? 'Hold' : 'Stop');
    this.#rate.disabled = player.held !== undefined;
  }

  #build(schema: Schema): void {
    this.#schema = schema;
    this.#lines = controlsOf(schema.input).map((control) => this.#makeLine(control));
    if (this.#lines.length === 0) this.#fields.textContent = 'This world takes inputs without fields.';
  }

  #makeLine(control: Control): Line {
    const problem = make('em');
    const { element, read } = this.#makeControl(control);
    const label = make('label', {}, make('span', { textContent: control.name, title: control.type }), element, problem);
    this.#fields.append(label);
    return { control, read, problem };
  }

  #makeControl(control: Control): { element: HTMLElement; read: () => string } {
    const attributes = { name: control.name, 'data-field': control.name, spellcheck: 'false' };
    if (control.kind === 'bool') {
      const input = make('input', { attributes: { ...attributes, type: 'checkbox' } });
      return { element: make('span', { className: 'control' }, input), read: () => String(input.checked) };
    }
    const input = make('input', { attributes: { ...attributes, type: 'text', value: initialText(control) } });
    const box = make('span', { className: 'control' }, input);
    if (control.kind === 'number') addSlider(box, input, control);
    if (control.kind === 'text' || control.kind === 'bytes') input.placeholder = hintOf(control);
    if (control.kind === 'entity') {
      box.append(
        makeButton('Selected', {
          label: 'Take the entity that is selected on the map',
          onClick: () => this.#pick(input),
        }),
      );
    }
    return { element: box, read: () => input.value };
  }

  #pick(input: HTMLInputElement): void {
    const id = this.#selectedId();
    if (id > 0) input.value = idText(id);
    else this.#say('No entity is selected: click one on the map.', true);
  }

  #toggleHold(): void {
    const player = this.#player();
    if (player?.held !== undefined) return player.stopHolding();
    const hz = Number(this.#rate.value);
    if (!(hz >= 1 && hz <= HOLD_HZ_MAX)) return this.#say(`A rate from 1 to ${HOLD_HZ_MAX} Hz.`, true);
    this.#submit((holder, values) => {
      holder.hold(values, hz);
      return true;
    });
  }

  #submit(send: (player: Player, values: Values) => boolean): void {
    const player = this.#player();
    const values = this.#read();
    if (player === undefined || values === undefined) return;
    try {
      const isSent = send(player, values);
      this.#say(isSent ? `Input ${player.inputsSent} sent.` : 'Not sent: the client is not in the world.', !isSent);
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      this.#say(error.message, true);
    }
  }

  /** Undefined when a field is wrong, which then says so. */
  #read(): Values | undefined {
    const values: Values = {};
    let isRight = true;
    for (const { control, read, problem } of this.#lines) {
      const parsed = parseControl(control, read());
      setText(problem, 'problem' in parsed ? parsed.problem : '');
      if ('problem' in parsed) isRight = false;
      else values[control.name] = parsed.value;
    }
    if (!isRight) this.#say('Not sent: see the fields.', true);
    return isRight ? values : undefined;
  }

  #say(text: string, isBad: boolean): void {
    this.#result.classList.toggle('bad', isBad);
    setText(this.#result, text);
  }
}

function addSlider(box: HTMLElement, input: HTMLInputElement, control: Extract<Control, { kind: 'number' }>): void {
  input.inputMode = 'decimal';
  if (control.step === undefined) return;
  const { min, max, step } = control;
  const slider = make('input', {
    attributes: {
      type: 'range',
      min: String(min),
      max: String(max),
      step: String(step),
      value: input.value,
      'aria-label': `${control.name}, as a slider`,
    },
  });
  slider.addEventListener('input', () => (input.value = slider.value));
  input.addEventListener('input', () => {
    if (Number.isFinite(Number(input.value))) slider.value = input.value;
  });
  box.prepend(slider);
  box.classList.add('with-slider');
}

function hintOf({ kind, bytesMax }: Extract<Control, { kind: 'text' | 'bytes' }>): string {
  return kind === 'text' ? `at most ${bytesMax} bytes` : `hex, at most ${bytesMax} bytes`;
}
