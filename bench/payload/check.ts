/**
 * `npm run bench:check [-- --update]`: what clients are sent in typical scenes, compared with `baseline.json`. Ends with 1 when a
 * scenario grew by more than a fifth. `--update` writes the baseline anew: do so with a change that is worth its bytes,
 * or that saves some.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compare, GROWTH_MAX, vanished } from './baseline.core.ts';
import type { Baseline } from './baseline.core.ts';
import { measure, scenarios } from './scenarios.ts';

const BASELINE = new URL('baseline.json', import.meta.url);

function main(): number {
  const { values } = parseArgs({ options: { update: { type: 'boolean' } } });
  const all = scenarios();
  const measured: Record<string, number> = {};
  const inView: Record<string, number> = {};
  for (const scenario of all) {
    const result = measure(scenario);
    measured[scenario.name] = result.bytesPerClientAndSecond;
    inView[scenario.name] = result.inView;
  }
  if (values.update === true) writeFileSync(BASELINE, `${JSON.stringify(measured, null, 2)}\n`);
  const baseline = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;
  console.log('Payload of snapshots, in bytes per client and second; without WebSocket, TCP and TLS heads');
  const compared = compare(measured, baseline);
  for (const { name, bytes, baselineBytes, growth } of compared) {
    const figures = `${String(bytes).padStart(7)}  baseline ${String(baselineBytes).padStart(6)}  ${percent(growth)}`;
    const seen = `${(inView[name] ?? 0).toFixed(0).padStart(4)} in view`;
    const about = all.find((scenario) => scenario.name === name)?.about ?? '';
    console.log(`  ${name.padEnd(16)}${figures}${seen}   ${about}`);
  }
  const gone = vanished(measured, baseline);
  for (const name of gone)
    console.error(`bench:check: the baseline has "${name}", which is measured no more: --update`);
  const tooMuch = compared.filter(({ isTooMuch }) => isTooMuch);
  for (const { name, bytes, baselineBytes, growth } of tooMuch) {
    const limit = percent(GROWTH_MAX).trim();
    console.error(
      `bench:check: "${name}" grew by${percent(growth)}, from ${baselineBytes} to ${bytes} bytes; at most ${limit} is allowed`,
    );
  }
  return tooMuch.length + gone.length === 0 ? 0 : 1;
}

function percent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`.padStart(9);
}

process.exitCode = main();
