/** The tab of the selected entity: who and where it is, its components live, its alias in each client's view, its trace. */
import { make, makeButton, setText } from './page-elements.ts';
import { clientColour, cssColour } from './palette.ts';
import type { Inspected, ShownComponent } from './selection.ts';
import type { TraceBoard } from './trace-board.core.ts';
import { TraceView } from './trace-view.ts';

const HIDDEN_FROM: Readonly<Record<string, string>> = { owner: 'to its owner only', none: 'hidden from clients' };

export class EntityView {
  readonly #inspector: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #title = make('strong');
  readonly #facts = make('dl', { className: 'facts' });
  readonly #aliases = make('div', { className: 'aliases' });
  readonly #components = make('div', { className: 'components' });
  readonly #trace: TraceView;
  readonly #values = new Map<string, HTMLElement>();
  readonly #isStill: boolean;
  #shape = '';
  #shownId = -1;

  constructor(
    { inspector, empty }: { inspector: HTMLElement; empty: HTMLElement },
    actions: { onDeselect(): void; onFollow(): void; onTrace(): void; isStill: boolean },
  ) {
    this.#inspector = inspector;
    this.#empty = empty;
    this.#isStill = actions.isStill;
    const close = makeButton('×', { className: 'leave', label: 'Deselect (Esc)', onClick: () => actions.onDeselect() });
    const show = makeButton('Show on map', { className: 'quiet', onClick: () => actions.onFollow() });
    const trace = make('div', { className: 'section-body' });
    this.#trace = new TraceView(trace, () => actions.onTrace());
    inspector.append(
      make('header', {}, this.#title, show, close),
      this.#facts,
      this.#aliases,
      this.#components,
      make('h3', { textContent: 'Trace' }),
      trace,
    );
  }

  show(inspected: Inspected | undefined): void {
    this.#inspector.hidden = inspected === undefined;
    this.#empty.hidden = inspected !== undefined;
    if (inspected === undefined) {
      this.#shownId = -1;
      return;
    }
    setText(this.#title, inspected.title);
    this.#trace.showCommand(inspected.id);
    const shape = shapeOf(inspected);
    if (shape !== this.#shape) this.#build(inspected, shape);
    // Another entity's values are other values, not changed ones.
    const isSame = inspected.id === this.#shownId;
    this.#shownId = inspected.id;
    for (const [name, text] of inspected.facts) setText(this.#values.get(`fact ${name}`)!, text);
    for (const { player, alias } of inspected.aliases) {
      const chip = this.#values.get(`alias ${player.number}`)!;
      chip.classList.toggle('absent', alias === undefined);
      setText(chip, alias === undefined ? '–' : String(alias));
    }
    for (const component of inspected.components) this.#fill(component, isSame);
  }

  showTrace(board: TraceBoard): void {
    this.#trace.showBoard(board);
  }

  #fill({ name, fields }: ShownComponent, isSame: boolean): void {
    for (const [field, text] of fields) {
      const value = this.#values.get(`field ${name} ${field}`)!;
      if (value.textContent === text) continue;
      value.textContent = text;
      if (isSame && !this.#isStill) value.animate([{ color: '#57d6bd' }, {}], { duration: 700 });
    }
  }

  #build(inspected: Inspected, shape: string): void {
    this.#shape = shape;
    this.#values.clear();
    this.#facts.replaceChildren(...inspected.facts.flatMap(([name]) => this.#pair(name, `fact ${name}`)));
    const chips = inspected.aliases.map(({ player }) => {
      const value = make('b');
      this.#values.set(`alias ${player.number}`, value);
      const chip = make('i', { attributes: { style: `background:${cssColour(clientColour(player.number))}` } });
      return make('span', { title: `Its alias in the view of ${player.name}` }, chip, `${player.name} `, value);
    });
    this.#aliases.hidden = chips.length === 0;
    this.#aliases.replaceChildren(
      make('h3', { textContent: 'Alias in view' }),
      make('div', { className: 'chips' }, ...chips),
    );
    this.#components.replaceChildren(
      ...inspected.components.flatMap(({ name, visibility, fields }) => {
        const heading = make('h3', {}, name);
        const hint = HIDDEN_FROM[visibility];
        if (hint !== undefined) heading.append(make('small', { textContent: hint }));
        const list = make('dl', { className: 'facts', attributes: { 'data-component': name } });
        list.append(...fields.flatMap(([field]) => this.#pair(field, `field ${name} ${field}`)));
        return [heading, list];
      }),
    );
  }

  #pair(name: string, key: string): HTMLElement[] {
    const value = make('dd', { attributes: { 'data-value': name } });
    this.#values.set(key, value);
    return [make('dt', { textContent: name }), value];
  }
}

/** Whatever needs other elements when it changes. */
function shapeOf({ facts, components, aliases }: Inspected): string {
  return JSON.stringify([
    facts.map(([name]) => name),
    components.map(({ name, visibility, fields }) => [name, visibility, fields.map(([field]) => field)]),
    aliases.map(({ player }) => player.number),
  ]);
}
