/** What came of it, as a table for people that Markdown takes, too. */
import { closingText, tableText, verdictRows } from '../cluster/players-verdict.ts';
import type { Row } from '../cluster/players-verdict.ts';
import type { EndureResult } from './endure-run.ts';

const BYTES_PER_MIB = 2 ** 20;

export function endureText(result: EndureResult): string {
  const { seed, clients, seconds, nodes, mode } = result;
  const memory = Object.entries(result.memory).map(([name, { firstBytes, lastBytes, maxBytes }]): Row => {
    const figures = [firstBytes, lastBytes, maxBytes].map((bytes) => `${(bytes / BYTES_PER_MIB).toFixed(0)} MiB`);
    return [`memory of ${name}: first, last, most`, figures.join(', ')];
  });
  const rows: Row[] = [
    ['players, nodes, mode, seconds', `${clients}, ${nodes}, ${mode}, ${seconds}`],
    ['gateways killed, simulation nodes killed', `${result.gatewaysKilled}, ${result.simulationsKilled}`],
    ...verdictRows(result),
    ['cores that the players took', result.playersCpuCores.toFixed(2)],
    ...memory,
  ];
  const replay = `npm run endure -- --seed ${seed} --clients ${clients} --minutes ${seconds / 60} --nodes ${nodes} --mode ${mode}`;
  return `\n${tableText(rows)}\n\n${closingText(result, replay)}\n`;
}
