/** Lines over time, bars, and marks, as a picture in SVG that needs nothing else: made of numbers, drawn the same each time. */
export interface Line {
  readonly name: string;
  /** In order of x; a NaN as y ends a piece, and the next begins another. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
  /** What happened, as vertical strokes. */
  readonly marks?: readonly { readonly x: number; readonly text: string }[];
  /** A horizontal stroke: what is not to be passed. */
  readonly limit?: { readonly y: number; readonly text: string } | undefined;
}

export interface BarChart {
  readonly title: string;
  readonly yLabel: string;
  /** Groups stand side by side, a bar of each series in each; NaN draws none. */
  readonly groups: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
  readonly limit?: { readonly y: number; readonly text: string } | undefined;
}

const WIDTH = 860;
const HEIGHT = 360;
const LEFT = 64;
const RIGHT = 180;
const TOP = 40;
const BOTTOM = 52;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
const TICKS = 6;
const LEGEND_LINE = 18;
/** Of the font, about. */
const CHARACTER_WIDTH = 7;
/** Told apart also by who sees few colours. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#5f5f5f', '#8b5a00'];

export function lineChart({ title, xLabel, yLabel, lines, marks = [], limit }: LineChart): string {
  const points = lines.flatMap((line) => line.points.filter(({ y }) => Number.isFinite(y)));
  const xMin = least(points.map(({ x }) => x));
  const xTop = niceScale(xMin, most(points.map(({ x }) => x)));
  const yTop = niceScale(0, Math.max(most(points.map(({ y }) => y)), limit?.y ?? 0));
  const across = (x: number): number => LEFT + ((x - xTop.from) / (xTop.to - xTop.from)) * PLOT_WIDTH;
  const up = (y: number): number => TOP + PLOT_HEIGHT - (y / yTop.to) * PLOT_HEIGHT;
  const kinds = [...new Set(marks.map(({ text }) => text))];
  const body = [
    ...valuesOf(yTop).map((value) => gridLine(value, up(value))),
    ...valuesOf(xTop).map((value) => label(across(value), TOP + PLOT_HEIGHT + 18, format(value), 'middle')),
    ...marks.map(({ x, text }) => stroke(across(x), colourOf(lines.length + kinds.indexOf(text)))),
    ...limitLine(limit, up),
    ...lines.map((line, index) => polyline(line, { across, up, colour: colourOf(index) })),
    ...legend([...lines.map(({ name }) => name), ...kinds]),
    label(LEFT + PLOT_WIDTH / 2, HEIGHT - 12, xLabel, 'middle'),
  ];
  return picture({ title, yLabel, body });
}

export function barChart({ title, yLabel, groups, series, limit }: BarChart): string {
  const values = series.flatMap((one) => one.values.filter(Number.isFinite));
  const yTop = niceScale(0, Math.max(most(values), limit?.y ?? 0));
  const up = (y: number): number => TOP + PLOT_HEIGHT - (y / yTop.to) * PLOT_HEIGHT;
  const groupWidth = PLOT_WIDTH / Math.max(1, groups.length);
  const barWidth = Math.min(48, (groupWidth * 0.8) / Math.max(1, series.length));
  const isNarrow = groups.some((group) => group.length * CHARACTER_WIDTH > groupWidth);
  const bars = groups.flatMap((group, at) => {
    const middle = LEFT + (at + 0.5) * groupWidth;
    const first = middle - (barWidth * series.length) / 2;
    return [
      ...series.flatMap((one, index) =>
        bar(one.values[at], first + index * barWidth, { barWidth, up, colour: colourOf(index) }),
      ),
      // Two lines by turns where names would meet.
      label(middle, TOP + PLOT_HEIGHT + 18 + (isNarrow && at % 2 === 1 ? 16 : 0), group, 'middle'),
    ];
  });
  const names = series.length > 1 ? legend(series.map(({ name }) => name)) : [];
  const body = [
    ...valuesOf(yTop).map((value) => gridLine(value, up(value))),
    ...bars,
    ...limitLine(limit, up),
    ...names,
  ];
  return picture({ title, yLabel, body });
}

interface Scale {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** Steps of 1, 2 or 5 times a power of ten that hold both ends. */
export function niceScale(min: number, max: number): Scale {
  const span = Math.max(max - min, Number.MIN_VALUE * 2 ** 60);
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const from = Math.floor(min / step) * step;
  return { from, to: Math.max(Math.ceil(max / step) * step, from + step), step };
}

function valuesOf({ from, to, step }: Scale): number[] {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step);
}

function picture({ title, yLabel, body }: { title: string; yLabel: string; body: readonly string[] }): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="18" font-size="14" font-weight="bold" fill="#222222">${escaped(title)}</text>`,
    `<text x="${LEFT}" y="33" fill="#555555">${escaped(yLabel)}</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function polyline(
  { points }: Line,
  { across, up, colour }: { across: (x: number) => number; up: (y: number) => number; colour: string },
): string {
  let isDown = false;
  const steps = points.map(({ x, y }) => {
    if (!Number.isFinite(y)) {
      isDown = false;
      return '';
    }
    const step = `${isDown ? 'L' : 'M'}${across(x).toFixed(1)} ${up(y).toFixed(1)}`;
    isDown = true;
    return step;
  });
  return `<path d="${steps.join('')}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linejoin="round"/>`;
}

function bar(
  value: number | undefined,
  x: number,
  { barWidth, up, colour }: { barWidth: number; up: (y: number) => number; colour: string },
): string[] {
  if (value === undefined || !Number.isFinite(value)) return [];
  const y = up(value);
  const height = TOP + PLOT_HEIGHT - y;
  return [
    `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(barWidth - 2).toFixed(1)}" height="${height.toFixed(1)}" fill="${colour}"/>`,
    `<text x="${(x + barWidth / 2 - 1).toFixed(1)}" y="${(y - 4).toFixed(1)}" text-anchor="middle" font-size="10" fill="#333333">${format(value)}</text>`,
  ];
}

function gridLine(value: number, y: number): string {
  const right = LEFT + PLOT_WIDTH;
  return `<path d="M${LEFT} ${y.toFixed(1)}H${right}" stroke="#e3e3e3"/>${label(LEFT - 8, y + 4, format(value), 'end')}`;
}

function stroke(x: number, colour: string): string {
  return `<path d="M${x.toFixed(1)} ${TOP}V${TOP + PLOT_HEIGHT}" stroke="${colour}" stroke-opacity="0.55" stroke-dasharray="3 3"/>`;
}

function limitLine(limit: LineChart['limit'], up: (y: number) => number): string[] {
  if (limit === undefined) return [];
  const y = up(limit.y);
  return [
    `<path d="M${LEFT} ${y.toFixed(1)}H${LEFT + PLOT_WIDTH}" stroke="#c00000" stroke-dasharray="6 4"/>`,
    `<text x="${LEFT + PLOT_WIDTH + 8}" y="${(y + 4).toFixed(1)}" fill="#c00000">${escaped(limit.text)}</text>`,
  ];
}

function legend(names: readonly string[]): string[] {
  const x = LEFT + PLOT_WIDTH + 12;
  return names.map((name, index) => {
    const y = TOP + 24 + index * LEGEND_LINE;
    return `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colourOf(index)}"/>${label(x + 16, y, name, 'start')}`;
  });
}

function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#444444">${escaped(text)}</text>`;
}

function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '#000000';
}

/** Three digits say enough beside a line. */
function format(value: number): string {
  const rounded = Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
  return rounded.toLocaleString('en', { maximumFractionDigits: 6 });
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function least(values: readonly number[]): number {
  return values.reduce((lowest, value) => Math.min(lowest, value), values[0] ?? 0);
}

function most(values: readonly number[]): number {
  return values.reduce((highest, value) => Math.max(highest, value), values[0] ?? 1);
}
