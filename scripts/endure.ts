/** `npm run endure -- --clients 1000 --minutes 10`: its flags, and what came of it for people. */
import { CLIENT_MODES } from '../src/wire/messages.ts';
import { NODES_COUNT_MAX } from './cluster/process-cluster.ts';
import { runEndure } from './endure/endure-run.ts';
import { endureText } from './endure/endure-text.ts';
import { longRunCommand, number, oneOf, toggle, whole } from './cluster/long-run.ts';

await longRunCommand({
  name: 'endure',
  about:
    'Players walk over the borders of a cluster while gateways and simulation nodes are killed. Ends with 1 when a session is lost, an input acts twice or never, or anybody flickers.',
  flags: {
    clients: whole('players', { by: 1000, min: 1, max: 10_000 }),
    minutes: number('of walking', { by: 10, min: 0.1, max: 1440 }),
    nodes: whole('of the cluster', { by: 3, min: 2, max: NODES_COUNT_MAX }),
    mode: oneOf('how players reach another node', { of: CLIENT_MODES, by: 'tunnel' }),
    'gateway-seconds': number('a gateway is killed so often', { by: 60, min: 5, max: 86_400 }),
    'simulation-seconds': number('a simulation node is killed so often', { by: 120, min: 5, max: 86_400 }),
    keep: toggle("the cluster's files stay"),
  },
  run: ({ minutes, 'gateway-seconds': gatewaySeconds, 'simulation-seconds': simulationSeconds, ...values }, run) =>
    runEndure({ ...values, seconds: 60 * minutes, gatewaySeconds, simulationSeconds, ...run }),
  text: endureText,
});
