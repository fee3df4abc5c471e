/**
 * `npm run observe`: a cluster under a real Prometheus (Debian's: `apt-get install prometheus`) and a collector of traces. Prints which targets and rules
 * work, an alert that fires and is cleared by what its runbook says, and one handover as a trace. Exits with 1 when anything of that fails.
 */
import { parseArgs } from 'node:util';
import { startLongRun } from './cluster/long-run.ts';
import { runObserve } from './observe/observe-run.ts';
import { observeText } from './observe/observe-text.ts';

const USAGE = `npm run observe -- [--clients 20] [--seed N] [--json]`;
const CLIENTS_MAX = 1000;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '20' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const clients = Number(values.clients);
  if (!(clients >= 1 && clients <= CLIENTS_MAX)) throw new RangeError(`--clients from 1 to ${CLIENTS_MAX}\n\n${USAGE}`);
  const { seed, onProgress } = startLongRun(values.seed === undefined ? undefined : Number(values.seed));
  const result = await runObserve({ clients, seed, onProgress });
  const text = JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  process.stdout.write(values.json ? `${text}\n` : `\n${observeText(result)}\n`);
  return result.brokenRules.length === 0 && result.audit.code === 0 ? 0 : 1;
}
