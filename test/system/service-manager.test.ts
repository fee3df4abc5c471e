/** A service as systemd sees it: a socket for datagrams, and systemd's own program that writes to it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { ServiceManager } from '../../src/main/service-manager.ts';
import { RunningCommand, temporaryFolder } from '../main/command-line.ts';

const DEADLINE_MS = 30_000;
/** Node has no sockets of this kind; every Debian has Perl. Prints each datagram on a line, its own lines joined by |. */
const LISTENER = String.raw`
  use Socket; $| = 1;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($socket, sockaddr_un($ARGV[0])) or die $!;
  print "bound\n";
  while (defined recv($socket, my $text, 4096, 0)) { $text =~ s/\n/|/g; print "$text\n"; }
`;

/** Takes the place of systemd. */
class Manager implements Disposable {
  readonly socket = path.join(temporaryFolder(), 'notify');
  readonly heard: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.#child = spawn('perl', ['-e', LISTENER, this.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      // systemd-notify waits by it until its word was taken.
      if (line.startsWith('BARRIER=')) return;
      this.heard.push(line);
      for (const look of this.#waiting) look();
    });
  }

  /** Resolves when it has been heard so often. */
  async waitFor(pattern: RegExp, count = 1): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.heard.filter((line) => pattern.test(line)).length >= count) resolve();
    };
    const timer = setTimeout(() => reject(new Error(`no ${String(pattern)} in ${this.heard.join('; ')}`)), DEADLINE_MS);
    this.#waiting.add(look);
    look();
    await promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

test('a node says that it is ready when clients can connect, that it lives, and that it stops', async (t) => {
  using manager = new Manager();
  await manager.waitFor(/^bound$/);
  const module = path.join(import.meta.dirname, '../../examples/tag.ts');
  await using node = new RunningCommand(['serve', module, '--port', '0', '--log-format', 'json'], {
    environment: { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '600000' },
  });
  await manager.waitFor(/^READY=1\|STATUS=tag at http:\/\/127\.0\.0\.1:\d+\//);
  const [, port] = await node.waitFor(/"port":(\d+)/);
  t.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
  await manager.waitFor(/^WATCHDOG=1/, 2);
  node.kill('SIGTERM');
  await manager.waitFor(/^STOPPING=1/);
  const { code, stderr } = await node.ended;
  t.is(code, 0, stderr);
});

test('the nodes of a cluster leave it to their supervisor', async (t) => {
  using manager = new Manager();
  await manager.waitFor(/^bound$/);
  const module = path.join(import.meta.dirname, '../../examples/tag.ts');
  await using cluster = new RunningCommand(['cluster', module, '--nodes', '2', '--port', '0', '--log-format', 'json'], {
    environment: { NOTIFY_SOCKET: manager.socket, WORLDMESH_VIEWER: 'false' },
  });
  await manager.waitFor(/^READY=1\|STATUS=2 nodes/);
  cluster.kill('SIGTERM');
  await manager.waitFor(/^STOPPING=1/);
  t.is((await cluster.ended).code, 0);
  t.deepEqual(
    manager.heard.map((line) => line.split('=')[0]),
    ['bound', 'READY', 'STOPPING'],
  );
});

test('a part that hangs is not said to live; without a watchdog nothing is asked', async (t) => {
  using manager = new Manager();
  await manager.waitFor(/^bound$/);
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) };
  const environment = { notifySocket: manager.socket, watchdogMs: 60, path: '/usr/bin:/bin' };
  let asked = 0;
  const { promise: hangs } = Promise.withResolvers<boolean>();
  using service = ServiceManager.connect(log, environment);
  await service!.ready('hanging', { isAlive: async () => (++asked > 1 ? hangs : false) });
  using other = ServiceManager.connect(log, { ...environment, watchdogMs: 0 });
  await other!.ready('unwatched', { isAlive: async () => t.fail() as never });
  using last = ServiceManager.connect(log, environment);
  await last!.ready('alive', { isAlive: async () => true });
  // By the time that the live one has spoken so often, the others would have.
  await manager.waitFor(/^WATCHDOG=1/, 3);
  t.is(asked, 2);
  t.deepEqual(warnings, []);
});
