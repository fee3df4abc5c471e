/** `npm run soak -- --minutes 60`: its flags, and what came of it for people. */
import { writeFileSync } from 'node:fs';
import { CLIENT_MODES } from '../src/wire/messages.ts';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { SOAK_EVENTS, runSoak } from './soak/soak-run.ts';
import { memoryPicture, soakText } from './soak/soak-text.ts';
import { file, longRunCommand, number, oneOf, someOf, toggle, whole } from './cluster/long-run.ts';

const EVERY_SECONDS_MAX = 120;
const EVENTS_MIN = 3;

await longRunCommand({
  name: 'soak',
  about:
    'Players walk over the borders of a cluster while gateways and simulation nodes are killed and nodes are drained, by turns. Ends with 1 when memory, handles or files grow, a session is lost, an input acts twice or never, or the auditor finds anything.',
  flags: {
    minutes: number('of walking', { by: 60, min: 0.1, max: 10_080 }),
    clients: whole('players', { by: 100, min: 1, max: 10_000 }),
    nodes: whole('of the cluster', { by: 3, min: 2, max: NODES_COUNT_MAX }),
    mode: oneOf('how players reach another node', { of: CLIENT_MODES, by: 'tunnel' }),
    events: someOf('what happens, by turns', SOAK_EVENTS),
    'every-seconds': number(
      `something happens so often; by default every ${EVERY_SECONDS_MAX}, and at least ${EVENTS_MIN} times`,
      { min: 2, max: 86_400 },
    ),
    svg: file('the picture of memory is written there'),
    keep: toggle("the cluster's files stay"),
  },
  run: async ({ minutes, 'every-seconds': every, svg, ...values }, run) => {
    const seconds = 60 * minutes;
    const everySeconds = every ?? Math.min(EVERY_SECONDS_MAX, seconds / EVENTS_MIN);
    const result = await runSoak({ ...values, seconds, everySeconds, ...run });
    if (svg !== undefined) writeFileSync(svg, memoryPicture(result));
    return result;
  },
  text: soakText,
});
