/** `npm run observe`: its flags, and what came of it for people. */
import { runObserve } from './observe/observe-run.ts';
import { observeText } from './observe/observe-text.ts';
import { longRunCommand, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'observe',
  about:
    "A cluster under a real Prometheus (Debian's: `apt-get install prometheus`) and a collector of traces: which targets and rules work, an alert that fires and is cleared by what its runbook says, and one handover as a trace. Ends with 1 when anything of that fails.",
  flags: { clients: whole('players', { by: 20, min: 1, max: 1000 }) },
  run: ({ clients }, { seed, onProgress }) => runObserve({ clients, seed, onProgress }),
  text: (result) => `\n${observeText(result)}\n`,
});
