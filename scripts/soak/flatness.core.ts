/**
 * Whether figures of processes are flat. A process is judged by itself while it lives long enough; of one that is started again and
 * again, its lives are compared with each other: each has one value, and those must not climb.
 */
import { median, slopePerHour } from './slope.core.ts';
import type { Point } from './slope.core.ts';

export const MEASURES = ['rss', 'heap', 'files', 'threads', 'timers', 'handles'] as const;
export type Measure = (typeof MEASURES)[number];

export interface Sample {
  /** Since the run began. */
  readonly seconds: number;
  readonly values: Readonly<Partial<Record<Measure, number>>>;
}

/** One process from its start to its end. */
export interface Life {
  /** What it is, whichever process does it. */
  readonly name: string;
  readonly pid: number;
  readonly samples: readonly Sample[];
}

export interface Flatness {
  readonly name: string;
  readonly measure: Measure;
  /** Lives that the slope is of: one by itself, or several beside each other. */
  readonly lives: number;
  /** That the slope is over, after warming up. */
  readonly minutes: number;
  readonly first: number;
  readonly last: number;
  readonly perHour: number;
  readonly perHourMax: number;
  readonly verdict: 'flat' | 'not flat' | 'too short to say';
}

interface Bound {
  /** A slope up to this is flat, and one up to the share of the median is, too. */
  readonly perHourMax: number;
  readonly share: number;
}

const MIB = 2 ** 20;
/** Memory that is used anew each time lies about; of everything else there is a number that does not change. */
const BOUNDS: Readonly<Record<Measure, Bound>> = {
  rss: { perHourMax: 16 * MIB, share: 0.08 },
  heap: { perHourMax: 8 * MIB, share: 0.1 },
  files: { perHourMax: 2, share: 0.05 },
  threads: { perHourMax: 1, share: 0 },
  timers: { perHourMax: 2, share: 0.05 },
  handles: { perHourMax: 2, share: 0.05 },
};
/** Code is optimised, caches and pools fill, the heap finds its size: so long at least, and this share of the run. */
export const WARM_UP_SECONDS = 150;
const WARM_UP_SHARE = 1 / 3;
/** A slope over less says nothing of an hour. */
const JUDGED_SECONDS_MIN = 480;
const LIVES_MIN = 4;
/** The first minute of a life is its start and taking back what it had. */
const LIFE_WARM_UP_SECONDS = 60;

export function flatnessOf(lives: readonly Life[]): Flatness[] {
  const byName = Map.groupBy(lives, ({ name }) => name);
  return [...byName].flatMap(([name, all]) =>
    MEASURES.flatMap((measure) => {
      const flatness = judge(name, measure, all);
      return flatness === undefined ? [] : [flatness];
    }),
  );
}

function judge(name: string, measure: Measure, lives: readonly Life[]): Flatness | undefined {
  const series = lives.map((life) => pointsOf(life, measure)).filter((points) => points.length > 0);
  const longest = series.toSorted((left, right) => secondsOf(right) - secondsOf(left))[0];
  if (longest === undefined) return undefined;
  const warmUpSeconds = Math.max(WARM_UP_SECONDS, secondsOf(longest) * WARM_UP_SHARE);
  const within = longest.filter(({ hours }) => hours - longest[0]!.hours >= warmUpSeconds / 3600);
  if (series.length < LIVES_MIN || secondsOf(within) >= JUDGED_SECONDS_MIN) {
    return verdictOf({
      name,
      measure,
      lives: 1,
      points: within.length > 1 ? within : longest,
      secondsMin: JUDGED_SECONDS_MIN,
    });
  }
  const points = series.flatMap((life) => levelOf(life) ?? []);
  return verdictOf({
    name,
    measure,
    lives: points.length,
    points,
    secondsMin: points.length < LIVES_MIN ? Infinity : JUDGED_SECONDS_MIN,
  });
}

function verdictOf(of: {
  readonly name: string;
  readonly measure: Measure;
  readonly lives: number;
  readonly points: readonly Point[];
  readonly secondsMin: number;
}): Flatness {
  const { name, measure, lives, points, secondsMin } = of;
  const { perHourMax, share } = BOUNDS[measure];
  const perHour = slopePerHour(points);
  const allowed = Math.max(perHourMax, share * median(points.map(({ value }) => value)));
  const seconds = secondsOf(points);
  const verdict =
    seconds < secondsMin || Number.isNaN(perHour) ? 'too short to say' : perHour > allowed ? 'not flat' : 'flat';
  return {
    name,
    measure,
    lives,
    minutes: seconds / 60,
    first: points[0]?.value ?? Number.NaN,
    last: points.at(-1)?.value ?? Number.NaN,
    perHour,
    perHourMax: allowed,
    verdict,
  };
}

/** What a life came to, at its middle. */
function levelOf(points: readonly Point[]): Point | undefined {
  const from = points[0]!.hours + LIFE_WARM_UP_SECONDS / 3600;
  const settled = points.filter(({ hours }) => hours >= from);
  if (settled.length === 0) return undefined;
  return { hours: settled[settled.length >> 1]!.hours, value: median(settled.map(({ value }) => value)) };
}

function pointsOf({ samples }: Life, measure: Measure): Point[] {
  return samples.flatMap(({ seconds, values }) => {
    const value = values[measure];
    return value === undefined ? [] : [{ hours: seconds / 3600, value }];
  });
}

function secondsOf(points: readonly Point[]): number {
  const [first, last] = [points[0], points.at(-1)];
  return first === undefined || last === undefined ? 0 : (last.hours - first.hours) * 3600;
}
