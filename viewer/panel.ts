/** The tab of the world: figures and paused cells; charts.ts has the rest. */
import { formatCount, formatDuration } from './format.ts';
import type { HistoryRow } from './history.ts';
import type { GridShape, PausedCell, StatsMessage, WorldMessage } from './overview-text.wire.ts';

const PAUSED_SHOWN_MAX = 4;
const FIGURES = ['Tick', 'Rate', 'Load', 'Shedding', 'Entities', 'Clients', 'Handovers', 'Uptime'] as const;
type Figure = (typeof FIGURES)[number];

export class Panel {
  readonly #figures = new Map<Figure, HTMLElement>();
  readonly #paused: HTMLElement;

  constructor({ figures, paused }: { figures: HTMLElement; paused: HTMLElement }) {
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
