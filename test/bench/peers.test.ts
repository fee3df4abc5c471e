/** The peers bench, tiny: that each side works and is measured, not how fast it is. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { Figures } from '../../bench/peers/measure.ts';

const RUN = fileURLToPath(new URL('../../bench/peers/run.ts', import.meta.url));
const run = async (...args: string[]) =>
  await promisify(execFile)(process.execPath, [RUN, ...args], { timeout: 100_000 });

test('every side serves its clients, and is measured alike', async (t) => {
  const { stdout } = await run('--clients', '9', '--seconds', '2', '--rounds', '1', '--json');
  const { results, versions } = JSON.parse(stdout) as {
    results: { clients: number; sides: Record<'worldmesh' | 'colyseus' | 'bare', Figures> }[];
    versions: Record<string, string>;
  };
  t.regex(versions['@colyseus/core'] ?? '', /^\d+\.\d+\.\d+/);
  const [{ clients, sides }] = results as [(typeof results)[0]];
  t.is(clients, 9);
  for (const figures of Object.values(sides)) {
    t.is(figures.online, 9);
    t.true(figures.cores > 0);
    t.true(figures.bytesDown > 0 && figures.bytesUp > 0);
    t.true(figures.statesPerSecond > 5, `${figures.statesPerSecond} states a second`);
    t.true(figures.receiptNearP99 > 0 && figures.receiptP99 > 0, 'stamps are read');
  }
  // In a world for so few everybody sees nearly everybody, themselves included.
  t.true(sides.worldmesh.inView > 4 && sides.worldmesh.inView <= 9);
  t.true(Math.abs(sides.worldmesh.inView - sides.colyseus.inView) < 1, 'both show the same scene');
  const stateBytes = ({ bytesDown, statesPerSecond }: Figures) => bytesDown / statesPerSecond;
  const ratio = stateBytes(sides.worldmesh) / stateBytes(sides.bare);
  t.true(Math.abs(ratio - 1) < 0.2, `ours are ${ratio} times as large as the frames that bare writes`);
});

test('wrong usage is told, with exit code 2', async (t) => {
  for (const args of [['--clients', 'many'], ['--sides', 'theirs'], ['--colour']]) {
    const error = await t.throwsAsync<Error & { code?: number; stderr?: string }>(run(...args));
    t.is(error?.code, 2, args.join(' '));
    t.regex(error?.stderr ?? '', /^peers: /);
  }
});
