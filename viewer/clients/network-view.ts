/** The followed client's network: presets, sliders, and the knife. */
import { formatBytes } from '../format.ts';
import { make, makeButton, setText } from '../page-elements.ts';
import type { Player } from '../player.ts';
import { CONDITIONS_MAX, PRESETS, presetOf, type Conditions } from './network.core.ts';
import type { CutKind } from './network.ts';

const CUT_SECONDS = [2, 5, 15, 40];

interface Slider {
  readonly name: keyof Conditions;
  readonly label: string;
  readonly step: number;
  text(value: number): string;
}

const SLIDERS: readonly Slider[] = [
  { name: 'latencyMs', label: 'Latency', step: 5, text: (value) => `${value} ms` },
  { name: 'jitterMs', label: 'Jitter', step: 5, text: (value) => `${value} ms` },
  { name: 'lossPercent', label: 'Loss', step: 0.5, text: (value) => `${value} %` },
  {
    name: 'bytesPerSecond',
    label: 'Bandwidth',
    step: 1000,
    text: (value) => (value === 0 ? 'no limit' : `${formatBytes(value)}/s`),
  },
];

export class NetworkView {
  readonly #player: () => Player | undefined;
  readonly #presets = new Map<string, HTMLButtonElement>();
  readonly #sliders = new Map<keyof Conditions, { readonly input: HTMLInputElement; readonly value: HTMLElement }>();
  readonly #cuts: HTMLElement;
  readonly #state = make('span', { className: 'cut-state', attributes: { role: 'status' } });
  readonly #mend: HTMLButtonElement;
  readonly #kinds = new Map<CutKind, HTMLInputElement>();

  constructor(parent: HTMLElement, player: () => Player | undefined) {
    this.#player = player;
    const presets = make('div', { className: 'segments', attributes: { role: 'group', 'aria-label': 'Presets' } });
    for (const { name, conditions } of PRESETS) {
      const button = makeButton(name, { onClick: () => this.#player()?.setConditions(conditions) });
      this.#presets.set(name, button);
      presets.append(button);
    }
    const sliders = make('div', { className: 'sliders' });
    for (const slider of SLIDERS) sliders.append(this.#makeSlider(slider));
    this.#mend = makeButton('Mend now', { className: 'mend', onClick: () => this.#player()?.mend() });
    this.#cuts = make('div', { className: 'segments', attributes: { role: 'group', 'aria-label': 'Cut the network' } });
    for (const seconds of CUT_SECONDS) {
      const button = makeButton(`${seconds} s`, {
        label: `Cut for ${seconds} seconds`,
        onClick: () => this.#player()?.cut(this.#kind, seconds),
      });
      button.dataset['cut'] = String(seconds);
      this.#cuts.append(button);
    }
    const kinds = make('div', { className: 'choices' });
    kinds.append(
      this.#makeKind(
        'silent',
        'silently',
        'Nothing arrives and nobody is told: a tunnel, a pulled cable, a sleeping laptop',
      ),
      this.#makeKind('reset', 'with a reset', 'The connection ends at once and no new one opens: a gateway that died'),
    );
    const cut = make(
      'div',
      { className: 'cut' },
      make('span', { className: 'label', textContent: 'Cut' }),
      this.#cuts,
      kinds,
    );
    parent.append(presets, sliders, cut, make('div', { className: 'cut-line' }, this.#state, this.#mend));
  }

  get #kind(): CutKind {
    return this.#kinds.get('reset')!.checked ? 'reset' : 'silent';
  }

  show(player: Player, nowMs: number): void {
    const { conditions, cut } = player.network;
    const preset = presetOf(conditions);
    for (const [name, button] of this.#presets) button.setAttribute('aria-pressed', String(name === preset));
    for (const { name, text } of SLIDERS) {
      const { input, value } = this.#sliders.get(name)!;
      if (Number(input.value) !== conditions[name]) input.value = String(conditions[name]);
      setText(value, text(conditions[name]));
    }
    const seconds = cut === undefined ? 0 : Math.max(0, (cut.untilMs - nowMs) / 1000);
    this.#state.classList.toggle('on', cut !== undefined);
    setText(this.#state, cut === undefined ? 'connected' : `cut · ${seconds.toFixed(1)} s to go`);
    this.#mend.disabled = cut === undefined;
  }

  #makeSlider({ name, label, step }: Slider): HTMLElement {
    const input = make('input', {
      attributes: { type: 'range', min: '0', max: String(CONDITIONS_MAX[name]), step: String(step), value: '0' },
    });
    input.dataset['condition'] = name;
    const value = make('output');
    input.addEventListener('input', () => {
      const player = this.#player();
      player?.setConditions({ ...player.network.conditions, [name]: Number(input.value) });
    });
    this.#sliders.set(name, { input, value });
    return make('label', {}, make('span', { textContent: label }), input, value);
  }

  #makeKind(kind: CutKind, text: string, hint: string): HTMLElement {
    const input = make('input', { attributes: { type: 'radio', name: 'cut-kind', value: kind } });
    input.checked = kind === 'silent';
    this.#kinds.set(kind, input);
    return make('label', { title: hint }, input, text);
  }
}
