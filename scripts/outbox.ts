/**
 * `npm run outbox -- --seconds 120`: a cluster of three nodes that publishes without pause; its sink is down for so long, and nodes are killed meanwhile.
 * Prints what was published, delivered, lost and repeated. Exits with 1 when anything is lost, out of order, or not as it was.
 */
import { parseArgs } from 'node:util';
import { startLongRun } from './cluster/long-run.ts';
import { tableText } from './cluster/players-verdict.ts';
import { runOutbox } from './outbox/outbox-run.ts';

const USAGE = 'npm run outbox -- [--seconds 120] [--json]';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const seconds = Number(values.seconds);
  if (!(seconds >= 3 && seconds <= 86_400)) throw new RangeError(`--seconds from 3 to 86400\n\n${USAGE}`);
  const { onProgress, signal } = startLongRun();
  const result = await runOutbox({ seconds, onProgress, signal });
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${textOf(result)}\n`);
  return result.wrong.length === 0 ? 0 : 1;
}

function textOf(result: Awaited<ReturnType<typeof runOutbox>>): string {
  const table = tableText([
    ['sink down, nodes killed meanwhile', `${result.downSeconds} s, 2`],
    ['journals taken over', String(result.takeovers)],
    ['entities that published, and of these at several nodes', `${result.entities}, ${result.entitiesOfSeveralNodes}`],
    ['**events published**', `**${result.published}**`],
    ['waited at most', String(result.waitingMost)],
    ['**delivered**', `**${result.delivered}**`],
    ['**lost**', `**${result.lost}**`],
    ['repeats (same id, same content)', String(result.repeats)],
    ['**order violations, or other content**', `**${result.violations.length}**`],
    ['all delivered after the sink was up again', `${result.caughtUpSeconds.toFixed(1)} s`],
  ]);
  return [table, ...result.wrong.map((line) => `WRONG: ${line}`)].join('\n');
}
