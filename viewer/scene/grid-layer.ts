/**
 * The grid over the ground: its lines, borders that flash when an entity crosses, paused cells hatched in red, and the
 * number of entities in each cell.
 */
import { BitmapText, BufferImageSource, Container, Sprite, Texture, TilingSprite } from 'pixi.js';
import { visibleBounds, worldToScreen, type Bounds, type Camera, type Viewport } from '../camera.ts';
import { formatShort } from '../format.ts';
import type { GridShape, PausedCell } from '../overview-text.wire.ts';
import { COLOUR } from '../palette.ts';
import { Pool } from './pool.ts';

const FLASH_SECONDS = 0.8;
/** Borders that flash at once; beyond it new ones wait for old ones to fade. */
const FLASHES_MAX = 400;
const LINE_PIXELS_MIN = 7;
/** A cell is divided into this many when the parts are at least so large. */
const FINE_LINES_PER_CELL = 8;
const FINE_PIXELS_MIN = 24;
const LABEL_PIXELS_MIN = 46;
const LABELS_MAX = 400;
const LABEL_FONT_PIXELS = 12;

/** Where the grid lies on the screen, in pixels, and which of its cells are on it. */
interface Ruling {
  readonly grid: GridShape;
  readonly range: Range;
  readonly origin: { readonly x: number; readonly y: number };
  readonly cellPixels: number;
}

interface Range {
  readonly columnFirst: number;
  readonly columnEnd: number;
  readonly rowFirst: number;
  readonly rowEnd: number;
}

export class GridLayer {
  readonly #lines: Pool<Sprite>;
  readonly #flashSprites: Pool<Sprite>;
  readonly #hatches: Pool<TilingSprite>;
  readonly #labels: Pool<BitmapText>;
  readonly #errors: Pool<BitmapText>;
  /** Border (lower cell × 2 + direction) → when it began to flash. */
  readonly #flashes = new Map<number, number>();
  #grid: GridShape | undefined;
  #cells: readonly number[] = [];
  #paused: readonly PausedCell[] = [];

  constructor(ground: Container, above: Container) {
    const lines = ground.addChild(new Container());
    const flashes = ground.addChild(new Container());
    const hatches = ground.addChild(new Container());
    const hatchTexture = makeHatchTexture();
    this.#lines = new Pool(lines, () => new Sprite(Texture.WHITE));
    this.#flashSprites = new Pool(flashes, () => new Sprite({ texture: Texture.WHITE, tint: COLOUR.pulse }));
    this.#hatches = new Pool(hatches, () => new TilingSprite({ texture: hatchTexture }));
    this.#labels = new Pool(above, () => makeLabel(COLOUR.textMuted));
    this.#errors = new Pool(above, () => makeLabel(COLOUR.alarmText));
  }

  setGrid(grid: GridShape): void {
    this.#grid = grid;
    this.#cells = [];
    this.#paused = [];
    this.#flashes.clear();
  }

  setCells(cells: readonly number[], paused: readonly PausedCell[]): void {
    this.#cells = cells;
    this.#paused = paused;
  }

  /** An entity went from one cell to a neighbour: their common border flashes. */
  flash(sourceCell: number, targetCell: number, nowSeconds: number): void {
    const width = this.#grid?.width ?? 1;
    const lower = Math.min(sourceCell, targetCell);
    const apart = Math.abs(sourceCell - targetCell);
    if (apart !== 1 && apart !== width) return;
    if (this.#flashes.size >= FLASHES_MAX) return;
    this.#flashes.set(lower * 2 + (apart === 1 && width > 1 ? 0 : 1), nowSeconds);
  }

  draw(camera: Camera, viewport: Viewport, nowSeconds: number): void {
    const grid = this.#grid;
    if (grid === undefined) return;
    const range = visibleRange(grid, visibleBounds(camera, viewport, 0));
    const origin = worldToScreen(camera, viewport, {
      x: grid.firstCellX * grid.cellSize,
      z: grid.firstCellZ * grid.cellSize,
    });
    const cellPixels = grid.cellSize * camera.scale;
    const ruling = { grid, range, origin, cellPixels };
    this.#drawLines(ruling);
    this.#drawFlashes(ruling, nowSeconds);
    this.#drawPaused(ruling);
    this.#drawLabels(ruling);
  }

  #drawLines({ grid, range, origin, cellPixels }: Ruling): void {
    this.#lines.begin();
    const fade = Math.min(1, (cellPixels - LINE_PIXELS_MIN) / 40);
    const opacity = 0.35 + 0.65 * fade;
    const stretch = { x: grid.width * cellPixels, y: grid.depth * cellPixels };
    if (fade > 0) {
      for (let column = range.columnFirst; column <= range.columnEnd; column++) {
        const isEdge = column === 0 || column === grid.width;
        this.#line(origin.x + column * cellPixels, origin.y, { width: 1, height: stretch.y, isEdge, opacity });
      }
      for (let row = range.rowFirst; row <= range.rowEnd; row++) {
        const isEdge = row === 0 || row === grid.depth;
        this.#line(origin.x, origin.y + row * cellPixels, { width: stretch.x, height: 1, isEdge, opacity });
      }
    }
    this.#drawFineLines({ range, origin, cellPixels });
    this.#lines.end();
  }

  /** Seen closely a cell is larger than the screen: finer lines show that the map moves, and how far. */
  #drawFineLines({ range, origin, cellPixels }: Omit<Ruling, 'grid'>): void {
    const finePixels = cellPixels / FINE_LINES_PER_CELL;
    const fade = Math.min(1, (finePixels - FINE_PIXELS_MIN) / 80);
    if (fade <= 0) return;
    const width = (range.columnEnd - range.columnFirst) * cellPixels;
    const height = (range.rowEnd - range.rowFirst) * cellPixels;
    const x = origin.x + range.columnFirst * cellPixels;
    const y = origin.y + range.rowFirst * cellPixels;
    const style = { isEdge: false, opacity: 0.4 * fade };
    for (let at = 1; at * finePixels < width; at++) {
      if (at % FINE_LINES_PER_CELL !== 0) this.#line(x + at * finePixels, y, { width: 1, height, ...style });
    }
    for (let at = 1; at * finePixels < height; at++) {
      if (at % FINE_LINES_PER_CELL !== 0) this.#line(x, y + at * finePixels, { width, height: 1, ...style });
    }
  }

  #line(
    x: number,
    y: number,
    { width, height, isEdge, opacity }: { width: number; height: number; isEdge: boolean; opacity: number },
  ): void {
    const line = this.#lines.take();
    line.position.set(Math.round(x), Math.round(y));
    line.setSize(width, height);
    line.tint = isEdge ? COLOUR.worldEdge : COLOUR.line;
    line.alpha = isEdge ? 1 : opacity;
  }

  #drawFlashes({ grid, origin, cellPixels }: Ruling, nowSeconds: number): void {
    this.#flashSprites.begin();
    for (const [border, startSeconds] of this.#flashes) {
      const age = (nowSeconds - startSeconds) / FLASH_SECONDS;
      if (age >= 1) {
        this.#flashes.delete(border);
        continue;
      }
      if (age < 0) continue;
      const cell = border >> 1;
      const isVertical = (border & 1) === 0;
      const column = (cell % grid.width) + (isVertical ? 1 : 0);
      const row = Math.floor(cell / grid.width) + (isVertical ? 0 : 1);
      const sprite = this.#flashSprites.take();
      const thickness = cellPixels > 60 ? 2 : 1;
      sprite.position.set(Math.round(origin.x + column * cellPixels), Math.round(origin.y + row * cellPixels));
      sprite.setSize(isVertical ? thickness : cellPixels, isVertical ? cellPixels : thickness);
      sprite.alpha = 0.75 * (1 - age) ** 2;
    }
    this.#flashSprites.end();
  }

  #drawPaused({ grid, origin, cellPixels }: Ruling): void {
    this.#hatches.begin();
    this.#errors.begin();
    for (const paused of this.#paused) {
      const x = origin.x + (paused.cell % grid.width) * cellPixels;
      const y = origin.y + Math.floor(paused.cell / grid.width) * cellPixels;
      const hatch = this.#hatches.take();
      hatch.position.set(x, y);
      hatch.setSize(cellPixels, cellPixels);
      if (cellPixels < 2 * LABEL_PIXELS_MIN) continue;
      const label = this.#errors.take();
      label.text = wrap(`Paused: ${paused.system}: ${paused.message}`, Math.floor((cellPixels - 16) / 7));
      label.position.set(Math.round(x + 8), Math.round(y + 26));
    }
    this.#hatches.end();
    this.#errors.end();
  }

  #drawLabels({ grid, range, origin, cellPixels }: Ruling): void {
    this.#labels.begin();
    const shown = (range.columnEnd - range.columnFirst) * (range.rowEnd - range.rowFirst);
    if (cellPixels >= LABEL_PIXELS_MIN && shown <= LABELS_MAX) {
      for (let row = range.rowFirst; row < range.rowEnd; row++) {
        for (let column = range.columnFirst; column < range.columnEnd; column++) {
          const count = this.#cells[row * grid.width + column] ?? 0;
          const label = this.#labels.take();
          const coordinates = `${grid.firstCellX + column}, ${grid.firstCellZ + row}`;
          label.text = cellPixels > 170 ? `cell ${coordinates}  ·  ${formatShort(count)}` : formatShort(count);
          label.alpha = Math.min(1, (cellPixels - LABEL_PIXELS_MIN) / 30 + 0.7);
          label.position.set(
            Math.round(origin.x + column * cellPixels + 6),
            Math.round(origin.y + row * cellPixels + 5),
          );
        }
      }
    }
    this.#labels.end();
  }
}

function visibleRange(grid: GridShape, bounds: Bounds): Range {
  const column = (x: number): number => Math.floor(x / grid.cellSize) - grid.firstCellX;
  const row = (z: number): number => Math.floor(z / grid.cellSize) - grid.firstCellZ;
  return {
    columnFirst: Math.max(0, column(bounds.minX)),
    columnEnd: Math.min(grid.width, column(bounds.maxX) + 1),
    rowFirst: Math.max(0, row(bounds.minZ)),
    rowEnd: Math.min(grid.depth, row(bounds.maxZ) + 1),
  };
}

export function makeLabel(tint: number): BitmapText {
  const label = new BitmapText({
    text: '',
    style: { fontFamily: 'system-ui, sans-serif', fontSize: LABEL_FONT_PIXELS, fill: '#ffffff' },
  });
  label.tint = tint;
  return label;
}

/** Breaks a text at spaces into at most six lines of `columns` characters. */
function wrap(text: string, columns: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line.length + word.length + 1 <= columns || line === '') lines[lines.length - 1] = `${line} ${word}`.trim();
    else lines.push(word);
  }
  return lines.slice(0, 6).join('\n');
}

function makeHatchTexture(): Texture {
  const side = 12;
  const texels = new Uint8Array(4 * side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const alpha = (x + y) % side < 3 ? 110 : 44;
      const at = 4 * (y * side + x);
      // Premultiplied: colour times alpha.
      texels.set([alpha, (alpha * 0.3) | 0, (alpha * 0.3) | 0, alpha], at);
    }
  }
  const source = new BufferImageSource({
    resource: texels,
    width: side,
    height: side,
    format: 'rgba8unorm',
    addressMode: 'repeat',
    alphaMode: 'no-premultiply-alpha',
  });
  return new Texture({ source });
}
