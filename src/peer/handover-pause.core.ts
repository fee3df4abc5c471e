/**
 * A pause of all handovers for a moment, which somebody outside of the nodes (a backup) writes into the directory's setting
 * `handoverPause`. It names its owner and how long it may last at the most.
 *
 *   – ──written──▶ paused ──removed by its owner, or durationMs since this node saw it──▶ –
 *
 * Each node counts from when it saw the setting, so no two clocks are compared; and since nobody has to be alive to end it, a
 * backup that was killed leaves nothing switched off. Whoever sees it end by time removes what was left of it.
 */

/** No pause lasts longer, whatever it says: entities overhang meanwhile (docs/HANDOVER.md). */
export const PAUSE_MS_MAX = 10_000;
const OWNER_LENGTH_MAX = 128;

export interface HandoverPause {
  /** For people. */
  readonly owner: string;
  readonly durationMs: number;
}

/** A pause as a node sees it. */
export interface SeenPause extends HandoverPause {
  /** Of the setting; a new version is a new pause. */
  readonly version: number;
  /** Monotonic milliseconds. */
  readonly untilMs: number;
}

export function pauseText({ owner, durationMs }: HandoverPause): string {
  return JSON.stringify({ owner: owner.slice(0, OWNER_LENGTH_MAX), durationMs });
}

/** Undefined for none, and for what is no pause: a value that somebody wrote wrongly changes nothing. */
export function pauseFrom(text: string): HandoverPause | undefined {
  if (text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { owner, durationMs } = value as Record<string, unknown>;
  if (typeof owner !== 'string' || owner.length > OWNER_LENGTH_MAX) return undefined;
  if (typeof durationMs !== 'number' || !(durationMs > 0 && durationMs <= PAUSE_MS_MAX)) return undefined;
  return { owner, durationMs };
}

/** What a node makes of the setting as it is now; the time of a pause that it knows goes on. */
export function seePause(
  seen: SeenPause | undefined,
  setting: { readonly value: string; readonly version: number } | undefined,
  nowMs: number,
): SeenPause | undefined {
  if (setting === undefined) return undefined;
  if (seen?.version === setting.version) return seen;
  const pause = pauseFrom(setting.value);
  return pause && { ...pause, version: setting.version, untilMs: nowMs + pause.durationMs };
}
