/**
 * `npm run soak -- --minutes 60`: players walk over the borders of a cluster while gateways and simulation nodes are killed and nodes are
 * drained, by turns. Exits with 1 when memory, handles or files grow, a session is lost, an input acts twice or never,
 * or the auditor finds anything.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CLIENT_MODES } from '../src/wire/messages.ts';
import { numberFlag, startLongRun } from './cluster/long-run.ts';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { SOAK_EVENTS, runSoak } from './soak/soak-run.ts';
import type { SoakEvent } from './soak/soak-run.ts';
import { memoryPicture, soakText } from './soak/soak-text.ts';

const USAGE = `npm run soak -- [--minutes 60] [--clients 100] [--nodes 3] [--mode tunnel] [--seed N]
                [--every-seconds 120] [--events ${SOAK_EVENTS.join(',')}] [--svg memory.svg] [--keep] [--json]

--every-seconds  something happens so often; by default every 120, and at least three times
--events         what happens, by turns
--mode           ${CLIENT_MODES.join(', ')}
--svg            the picture of memory is written there
--keep           the cluster's files stay`;

const EVERY_SECONDS_MAX = 120;
const EVENTS_MIN = 3;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    clients: { type: 'string', default: '100' },
    nodes: { type: 'string', default: '3' },
    mode: { type: 'string', default: 'tunnel' },
    seed: { type: 'string' },
    'every-seconds': { type: 'string' },
    events: { type: 'string', default: SOAK_EVENTS.join(',') },
    svg: { type: 'string' },
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
  const seconds = 60 * numberOf('minutes', values.minutes, { min: 0.1, max: 10_080 });
  const everySeconds =
    values['every-seconds'] === undefined
      ? Math.min(EVERY_SECONDS_MAX, seconds / EVENTS_MIN)
      : numberOf('every-seconds', values['every-seconds'], { min: 2, max: 86_400 });
  const run = startLongRun(
    values.seed === undefined ? undefined : numberOf('seed', values.seed, { min: 0, max: 2 ** 32 - 1 }),
  );
  const result = await runSoak({
    seconds,
    everySeconds,
    clients: numberOf('clients', values.clients, { min: 1, max: 10_000 }),
    nodes: numberOf('nodes', values.nodes, { min: 2, max: NODES_COUNT_MAX }),
    mode,
    events: eventsOf(values.events),
    keep: values.keep,
    ...run,
  });
  if (values.svg !== undefined) writeFileSync(values.svg, memoryPicture(result));
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : soakText(result));
  return result.wrong.length === 0 ? 0 : 1;
}

function numberOf(name: string, text: string, bounds: { readonly min: number; readonly max: number }): number {
  return numberFlag(name, text, { ...bounds, usage: USAGE });
}

function eventsOf(text: string): readonly SoakEvent[] {
  return text.split(',').map((part) => {
    const event = SOAK_EVENTS.find((known) => known === part.trim());
    if (event === undefined) throw new RangeError(`no event "${part}"\n\n${USAGE}`);
    return event;
  });
}
