/** A short slice of `npm run soak`. */
import { fileRows, flatnessText, memoryPicture } from '../soak/soak-text.ts';
import { SOAK_EVENTS, runSoak } from '../soak/soak-run.ts';
import { promise, target } from './scenario.ts';
import type { Outcome, Scenario } from './scenario.ts';

const GAP_SECONDS_MAX = 10;

export const soaking: Scenario = {
  name: 'soak',
  title: 'Soak, a short slice',
  async run({ isQuick, seed, tell, signal }): Promise<Outcome> {
    const seconds = isQuick ? 30 : 180;
    const clients = isQuick ? 12 : 60;
    const everySeconds = isQuick ? 10 : 30;
    const options = { seconds, clients, everySeconds, nodes: 3, mode: 'tunnel', events: SOAK_EVENTS } as const;
    const result = await runSoak({ ...options, seed, onProgress: tell, signal });
    const { players, flatness, wrong, files, happened } = result;
    return {
      done: `Three nodes and ${clients} players for ${seconds} s; every ${everySeconds} s a gateway is killed, a simulation node is killed, or a node is drained. \`npm run soak\` runs for an hour, and judges slopes only from ten minutes on.`,
      rules: [
        promise('things that are wrong', wrong.length),
        promise('sessions lost', players.sessionsLost),
        promise('inputs applied twice, or lost', players.inputs.twice + players.inputs.lost),
        target('longest time that a player saw nothing', players.longestGapMs.max / 1000, {
          max: GAP_SECONDS_MAX,
          unit: 's',
        }),
      ],
      rows: [
        ['what happened', happened.map(({ event, node }) => `${event} ${node}`).join(', ')],
        ['handovers, takeovers', `${players.handovers}, ${players.takeovers}`],
        ...fileRows(files),
      ],
      pictures: [{ name: 'soak', svg: memoryPicture(result) }],
      text: [flatnessText(flatness), ...wrong].join('\n\n'),
    };
  },
};
