/**
 * What clients are sent in typical scenes, compared with `baseline.json`: the first part of `npm run bench:check`. A new baseline is
 * written with a change that is worth its bytes, or that saves some.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { compare, GROWTH_MAX, vanished } from './baseline.core.ts';
import type { Baseline, Comparison } from './baseline.core.ts';
import { measure, scenarios } from './scenarios.ts';

const BASELINE = new URL('baseline.json', import.meta.url);

export interface PayloadResult {
  readonly compared: readonly Comparison[];
  readonly failures: readonly string[];
}

/** @param update whether the baseline is written before. */
export function checkPayload({ update, say }: { update: boolean; say: (text: string) => void }): PayloadResult {
  const all = scenarios();
  const measured: Record<string, number> = {};
  const inView: Record<string, number> = {};
  for (const scenario of all) {
    const result = measure(scenario);
    measured[scenario.name] = result.bytesPerClientAndSecond;
    inView[scenario.name] = result.inView;
  }
  if (update) writeFileSync(BASELINE, `${JSON.stringify(measured, null, 2)}\n`);
  const baseline = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;
  say('Payload of snapshots, in bytes per client and second; without WebSocket, TCP and TLS heads');
  const compared = compare(measured, baseline);
  for (const { name, bytes, baselineBytes, growth } of compared) {
    const figures = `${String(bytes).padStart(7)}  baseline ${String(baselineBytes).padStart(6)}  ${percent(growth)}`;
    const seen = `${(inView[name] ?? 0).toFixed(0).padStart(4)} in view`;
    const about = all.find((scenario) => scenario.name === name)?.about ?? '';
    say(`  ${name.padEnd(16)}${figures}${seen}   ${about}`);
  }
  const gone = vanished(measured, baseline).map(
    (name) => `the baseline has "${name}", which is measured no more: --update`,
  );
  const limit = percent(GROWTH_MAX).trim();
  const tooMuch = compared
    .filter(({ isTooMuch }) => isTooMuch)
    .map(
      ({ name, bytes, baselineBytes, growth }) =>
        `"${name}" grew by${percent(growth)}, from ${baselineBytes} to ${bytes} bytes; at most ${limit} is allowed`,
    );
  return { compared, failures: [...gone, ...tooMuch] };
}

function percent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`.padStart(9);
}
