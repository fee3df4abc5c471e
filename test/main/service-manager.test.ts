/** Without systemd; with it: test/system. */
import test from 'ava';
import { serviceEnvironment } from '../../src/main/config/service-environment.ts';
import { ServiceManager } from '../../src/main/service-manager.ts';
import { temporaryFolder } from './command-line.ts';

test('without systemd nothing is said; without its program, that is said once', async (t) => {
  t.is(serviceEnvironment({}), undefined);
  t.is(serviceEnvironment({ NOTIFY_SOCKET: 'relative' }), undefined);
  t.is(serviceEnvironment({ NOTIFY_SOCKET: '@abstract', WATCHDOG_USEC: '2000000' })?.watchdogMs, 2000);
  t.is(serviceEnvironment({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '2000000', WATCHDOG_PID: '1' })?.watchdogMs, 0);
  t.is(serviceEnvironment({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: 'soon' })?.watchdogMs, 0);
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) };
  using service = ServiceManager.connect(log, { notifySocket: '/nowhere', watchdogMs: 0, path: temporaryFolder() });
  await service!.ready('alone', { isAlive: async () => true });
  await service!.stopping();
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /systemd-notify: spawn systemd-notify ENOENT/);
});
