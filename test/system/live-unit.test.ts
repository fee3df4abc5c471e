/** The release as its README installs it, on a machine whose first process is systemd: started, killed, hung, upgraded, misconfigured, stopped. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { buildBinary, processorNamed } from '../../scripts/build-binary.ts';
import { buildAll } from '../../scripts/build-node.ts';
import { buildRelease } from '../../scripts/build-release.ts';
import { temporaryFolder } from '../main/command-line.ts';
import { LiveSystemd } from './live-systemd.ts';

const WATCHDOG_SECONDS = 3;
const PLAYERS = 20;

interface Live {
  readonly machine: LiveSystemd;
  /** Scripts of the release's README, in order. */
  readonly scripts: readonly string[];
}

async function unpackedRelease(): Promise<string> {
  const processor = processorNamed(process.arch);
  await buildAll();
  const { file } = buildRelease(await buildBinary(processor), processor);
  const folder = temporaryFolder();
  execFileSync('tar', ['-xzf', file, '-C', folder, '--strip-components', '1']);
  return folder;
}

async function boot(): Promise<Live> {
  const folder = await unpackedRelease();
  const readme = readFileSync(path.join(folder, 'README.md'), 'utf8');
  const scripts = [...readme.matchAll(/```sh\n(.*?)```/gs)].map(([, script]) => script!);
  return { machine: await LiveSystemd.boot(folder), scripts };
}

/** Runs a script of the README where the archive was unpacked. */
async function follow(t: ExecutionContext, { machine }: Live, script: string): Promise<string> {
  const { code, text } = await machine.run(`cd /run/release\nexport SYSTEMD_PAGER=\n${script}`);
  t.is(code, 0, text);
  return text;
}

async function dropIn(t: ExecutionContext, { machine }: Live, lines: string): Promise<void> {
  const folder = '/run/systemd/system/worldmesh.service.d';
  const script = `mkdir -p ${folder}\nprintf '[Service]\\n${lines}\\n' >${folder}/test.conf\nsystemctl daemon-reload`;
  t.is((await machine.run(script)).code, 0);
}

/** Real clients who play. */
async function play(t: ExecutionContext, { machine }: Live, urls: readonly string[]): Promise<void> {
  const flags = urls.map((url) => `--url ${url}`).join(' ');
  const { code, text } = await machine.run(`HOME=/root worldmesh bots ${flags} --count ${PLAYERS} --seconds 2 --json`);
  t.is(code, 0, text);
}

async function startsAgain(t: ExecutionContext, live: Live, what: () => Promise<unknown>): Promise<void> {
  const { machine } = live;
  const [before, restarts] = await Promise.all([
    machine.property('worldmesh', 'MainPID'),
    machine.property('worldmesh', 'NRestarts'),
  ]);
  await what();
  await machine.until('the service runs again', async () => {
    const [state, pid] = await Promise.all([
      machine.property('worldmesh', 'ActiveState'),
      machine.property('worldmesh', 'MainPID'),
    ]);
    return state === 'active' && pid !== before && pid !== '0';
  });
  t.is(Number(await machine.property('worldmesh', 'NRestarts')), Number(restarts) + 1);
  await play(t, live, ['ws://127.0.0.1:7777']);
}

test('under systemd: installed, sandboxed, killed, hung, upgraded, misconfigured, as a cluster, stopped', async (t) => {
  t.timeout(300_000);
  const live = await boot();
  const { machine, scripts } = live;
  await using _machine = machine;
  const [install = '', upgrade = ''] = scripts;
  const status = await follow(t, live, install);
  t.regex(status, /Active: active \(running\)/);
  t.regex(status, /Status: "hello at http:\/\/\S+:7777\/"/);
  await play(t, live, ['ws://127.0.0.1:7777']);

  const pid = await machine.property('worldmesh', 'MainPID');
  const facts = (await machine.run(`cat /proc/${pid}/status`)).text;
  t.regex(facts, /^NoNewPrivs:\t1$/m);
  t.regex(facts, /^Seccomp:\t2$/m);
  t.regex(facts, /^CapBnd:\t0+$/m);
  t.notRegex(facts, /^Uid:\t0\t/m);
  const writes = (folder: string) =>
    machine.run(`nsenter --target ${pid} --mount -- touch ${folder}/written && rm -f ${folder}/written`);
  for (const folder of ['/usr', '/etc', '/etc/worldmesh', '/home']) t.not((await writes(folder)).code, 0, folder);
  for (const folder of ['/var/lib/worldmesh', '/var/cache/worldmesh']) t.is((await writes(folder)).code, 0, folder);

  await startsAgain(t, live, () => machine.run(`kill -9 ${pid}`));
  await dropIn(t, live, `WatchdogSec=${WATCHDOG_SECONDS}`);
  await machine.run('systemctl restart worldmesh');
  await startsAgain(t, live, () => machine.run('kill -STOP "$(systemctl show worldmesh --property MainPID --value)"'));
  t.regex((await machine.run('journalctl --no-pager')).text, /worldmesh\.service: Watchdog timeout/);

  await follow(t, live, upgrade);
  t.is(await machine.property('worldmesh', 'ActiveState'), 'active');

  await machine.run(
    'sed -i "s/^tickHz: 20/tickHz: fast/" /etc/worldmesh/worldmesh.yaml; systemctl restart worldmesh || true',
  );
  t.is(await machine.property('worldmesh', 'ActiveState'), 'failed');
  t.is(await machine.property('worldmesh', 'ExecMainStatus'), '2');
  t.regex((await machine.run('journalctl --no-pager -u worldmesh -n 20')).text, /tickHz/);
  await machine.run('sed -i "s/^tickHz: fast/tickHz: 20/" /etc/worldmesh/worldmesh.yaml');

  const command = '/usr/local/bin/worldmesh cluster /etc/worldmesh/world.js --nodes 3';
  await dropIn(t, live, `ExecStart=\\nExecStart=${command} --config /etc/worldmesh/worldmesh.yaml`);
  const started = await machine.run('systemctl reset-failed worldmesh; systemctl restart worldmesh');
  t.is(started.code, 0, started.text);
  t.is(await machine.property('worldmesh', 'StatusText'), '3 nodes');
  await play(t, live, ['ws://127.0.0.1:7777', 'ws://127.0.0.1:7778', 'ws://127.0.0.1:7779']);

  t.is((await machine.run('systemctl stop worldmesh')).code, 0);
  t.is(await machine.property('worldmesh', 'Result'), 'success');
  t.is(await machine.property('worldmesh', 'ActiveState'), 'inactive');
  t.is((await machine.run('pgrep --count --uid worldmesh || true')).text.trim(), '0');
});
