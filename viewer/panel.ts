/** The side panel: figures, paused cells and the inspector. */
import { formatBytes, formatCount, formatDuration } from './format.ts';
import type { HistoryRow } from './history.ts';
import type { GridShape, PausedCell, StatsMessage, WorldMessage } from './overview-text.wire.ts';

const PAUSED_SHOWN_MAX = 4;
const FIGURES = ['Tick', 'Rate', 'Load', 'Shedding', 'Entities', 'Clients', 'Handovers', 'Uptime'] as const;
type Figure = (typeof FIGURES)[number];

/** What the inspector shows of an entity. */
export interface Inspected {
  readonly title: string;
  readonly facts: readonly (readonly [string, string])[];
  /** Says why there is no more, when the entity is not in the player's view. */
  readonly note: string | undefined;
}

export class Panel {
  readonly #figures = new Map<Figure, HTMLElement>();
  readonly #paused: HTMLElement;
  readonly #inspector: HTMLElement;
  readonly #inspectorTitle = document.createElement('strong');
  readonly #inspectorFacts = document.createElement('dl');
  readonly #inspectorNote = document.createElement('p');
  readonly #factValues = new Map<string, HTMLElement>();

  constructor(
    { figures, paused, inspector }: { figures: HTMLElement; paused: HTMLElement; inspector: HTMLElement },
    onDeselect: () => void,
  ) {
    for (const name of FIGURES) {
      const cell = document.createElement('div');
      const title = document.createElement('dt');
      const value = document.createElement('dd');
      title.textContent = name;
      value.textContent = '–';
      cell.append(title, value);
      figures.append(cell);
      this.#figures.set(name, value);
    }
    this.#paused = paused;
    this.#inspector = inspector;
    const header = document.createElement('header');
    const close = document.createElement('button');
    close.type = 'button';
    close.textContent = '×';
    close.setAttribute('aria-label', 'Deselect');
    close.addEventListener('click', onDeselect);
    header.append(this.#inspectorTitle, close);
    this.#inspectorNote.className = 'hint';
    inspector.append(header, this.#inspectorFacts, this.#inspectorNote);
  }

  setStats(stats: StatsMessage, newest: HistoryRow | undefined, { tickHz, grid }: WorldMessage): void {
    const { gauges } = stats;
    const load = gauges.load ?? 0;
    const shedLevel = gauges.shedLevel ?? 0;
    this.#set('Tick', formatCount(stats.tick));
    const rate = newest?.ticksPerSecond ?? tickHz;
    this.#set('Rate', `${rate.toFixed(1)} Hz`, rate < tickHz * 0.95);
    this.#set('Load', `${Math.round(load * 100)} %`, load > 0.8);
    this.#set('Shedding', shedLevel === 0 ? 'none' : `level ${shedLevel}`, shedLevel > 0);
    this.#set('Entities', formatCount(gauges.entities ?? 0));
    this.#set('Clients', formatCount(stats.gateway.clients ?? 0));
    this.#set('Handovers', `${Math.round(newest?.localHandoversPerSecond ?? 0)}/s`);
    this.#set('Uptime', formatDuration(stats.tick / tickHz));
    this.#setPaused(stats.pausedCells, grid);
  }

  setInspected(inspected: Inspected | undefined): void {
    this.#inspector.hidden = inspected === undefined;
    if (inspected === undefined) return;
    this.#inspectorTitle.textContent = inspected.title;
    this.#inspectorNote.hidden = inspected.note === undefined;
    this.#inspectorNote.textContent = inspected.note ?? '';
    const names = inspected.facts.map(([name]) => name);
    if (names.join('\n') !== [...this.#factValues.keys()].join('\n')) this.#makeFacts(names);
    for (const [name, text] of inspected.facts) {
      const value = this.#factValues.get(name)!;
      if (value.textContent !== text) value.textContent = text;
    }
  }

  #makeFacts(names: readonly string[]): void {
    this.#factValues.clear();
    this.#inspectorFacts.replaceChildren();
    for (const name of names) {
      const title = document.createElement('dt');
      const value = document.createElement('dd');
      title.textContent = name;
      this.#inspectorFacts.append(title, value);
      this.#factValues.set(name, value);
    }
  }

  #set(name: Figure, text: string, isWarning = false): void {
    const element = this.#figures.get(name)!;
    if (element.textContent !== text) element.textContent = text;
    element.classList.toggle('warn', isWarning);
  }

  #setPaused(cells: readonly PausedCell[], grid: GridShape): void {
    this.#paused.hidden = cells.length === 0;
    const title = document.createElement('strong');
    title.textContent = cells.length === 1 ? '1 cell is paused' : `${cells.length} cells are paused`;
    const lines = cells.slice(0, PAUSED_SHOWN_MAX).map((cell) => {
      const line = document.createElement('div');
      const column = grid.firstCellX + (cell.cell % grid.width);
      const row = grid.firstCellZ + Math.floor(cell.cell / grid.width);
      line.textContent = `cell ${column}, ${row} (index ${cell.cell}), system ${cell.system}: ${cell.message}`;
      return line;
    });
    // Replacing equal text would make a screen reader say it again four times a second.
    const text = [title, ...lines].map((element) => element.textContent).join('');
    if (this.#paused.textContent !== text) this.#paused.replaceChildren(title, ...lines);
  }
}

/** A component's fields on one line. */
export function describeValues(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${describeValue(value)}`)
    .join(' · ');
}

function describeValue(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(2);
  if (value instanceof Uint8Array) return formatBytes(value.length);
  if (Array.isArray(value)) return `${value.length} items`;
  if (typeof value === 'string') return `“${value}”`;
  return String(value);
}
