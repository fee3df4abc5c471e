/** Which colour of the ground is which node, and how it is. */
import type { NodeRow } from './cluster-view.ts';
import { formatCount, formatMs } from './format.ts';
import { setText } from './page-elements.ts';
import { DOWN_COLOUR, cssColour } from './palette.ts';

interface Line {
  readonly row: HTMLElement;
  readonly chip: HTMLElement;
  readonly name: HTMLElement;
  readonly facts: HTMLElement;
}

export class NodeLegend {
  readonly #parent: HTMLElement;
  #lines = new Map<string, Line>();

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  show(rows: readonly NodeRow[]): void {
    this.#parent.hidden = rows.length === 0;
    const names = rows.map(({ name }) => name);
    if (names.join('\n') !== [...this.#lines.keys()].join('\n')) this.#make(names);
    for (const row of rows) this.#fill(this.#lines.get(row.name)!, row);
  }

  #make(names: readonly string[]): void {
    this.#lines = new Map(names.map((name) => [name, makeLine(name)]));
    const lines = [...this.#lines.values()].map(({ row }) => row);
    this.#parent.replaceChildren(
      ...lines,
      makeKey('crossing', 'handover between nodes'),
      makeKey('doubt', 'its outcome is in doubt'),
    );
  }

  #fill({ row, chip, name, facts }: Line, { name: text, colour, isUp, isHome, ...figures }: NodeRow): void {
    const background = cssColour(isUp ? colour : DOWN_COLOUR);
    if (chip.dataset['colour'] !== background) {
      chip.dataset['colour'] = background;
      chip.style.background = background;
    }
    row.dataset['state'] = isUp ? 'up' : 'down';
    row.title = isHome ? 'This page comes from this node; the charts are its own.' : '';
    row.classList.toggle('home', isHome);
    setText(name, text);
    const sessions = `${formatCount(figures.sessions)} ${figures.sessions === 1 ? 'session' : 'sessions'}`;
    const up = `${formatCount(figures.entities)} entities · ${sessions} · ${formatMs(figures.tickMs)}`;
    setText(facts, isUp ? up : `down · ${figures.cells} cells wait`);
  }
}

function makeKey(look: string, text: string): HTMLElement {
  const row = document.createElement('span');
  const chip = document.createElement('i');
  chip.className = look;
  row.append(chip, text);
  return row;
}

function makeLine(node: string): Line {
  const row = document.createElement('span');
  row.className = 'node';
  row.dataset['node'] = node;
  const chip = document.createElement('i');
  const name = document.createElement('b');
  const facts = document.createElement('small');
  row.append(chip, name, facts);
  return { row, chip, name, facts };
}
