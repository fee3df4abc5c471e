/**
 * `npm run endure -- --clients 1000 --minutes 10`: players walk over the borders of a cluster while a gateway is killed every
 * minute and a simulation node every two. Exits with 1 when a session is lost, an input acts twice or never, or
 * anybody flickers.
 */
import { parseArgs } from 'node:util';
import { CLIENT_MODES } from '../src/wire/messages.ts';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { runEndure } from './endure/endure-run.ts';
import { endureText } from './endure/endure-text.ts';
import { numberFlag, startLongRun } from './cluster/long-run.ts';

const USAGE = `npm run endure -- [--clients 1000] [--minutes 10] [--seed N] [--nodes 3] [--mode tunnel] [--gateway-seconds 60]
                  [--simulation-seconds 120] [--keep] [--json]

--gateway-seconds     a gateway is killed so often
--simulation-seconds  a simulation node is killed so often
--mode                ${CLIENT_MODES.join(', ')}
--keep                the cluster's files stay`;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    mode: { type: 'string', default: 'tunnel' },
    'gateway-seconds': { type: 'string', default: '60' },
    'simulation-seconds': { type: 'string', default: '120' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const mode = CLIENT_MODES.find((known) => known === values.mode);
  if (mode === undefined) throw new RangeError(`no mode "${values.mode}"\n\n${USAGE}`);
  const run = startLongRun(values.seed === undefined ? undefined : numberOf('seed', 0, 2 ** 32 - 1));
  const result = await runEndure({
    clients: numberOf('clients', 1, 10_000),
    seconds: 60 * numberOf('minutes', 0.1, 1440),
    ...run,
    nodes: numberOf('nodes', 2, NODES_COUNT_MAX),
    mode,
    gatewaySeconds: numberOf('gateway-seconds', 5, 86_400),
    simulationSeconds: numberOf('simulation-seconds', 5, 86_400),
    keep: values.keep,
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : endureText(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function numberOf(name: Exclude<keyof typeof values, 'json' | 'keep' | 'help'>, min: number, max: number): number {
  return numberFlag(name, values[name] ?? '', { min, max, usage: USAGE });
}
