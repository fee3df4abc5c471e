/** `npm run outbox -- --seconds 120`: its flags, and what came of it for people. */
import { tableText } from './cluster/players-verdict.ts';
import { runOutbox } from './outbox/outbox-run.ts';
import { longRunCommand, number } from './cluster/long-run.ts';

await longRunCommand({
  name: 'outbox',
  about:
    'A cluster of three nodes publishes without pause; its sink is down for so long, and nodes are killed meanwhile. Ends with 1 when anything is lost, out of order, or not as it was.',
  flags: { seconds: number('that the sink is down', { by: 120, min: 3, max: 86_400 }) },
  run: ({ seconds }, { onProgress, signal }) => runOutbox({ seconds, onProgress, signal }),
  text: (result) => `${textOf(result)}\n`,
});

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
