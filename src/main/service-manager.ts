/**
 * Speaks to systemd: that the service is ready, that it stops, and as long as it lives, that it does (Type=notify, WatchdogSec=).
 *
 * The socket takes datagrams, which Node does not send on this family of addresses; systemd's own `systemd-notify` does, and is there
 * wherever systemd is. It is another process than the service's, so the unit says NotifyAccess=all.
 */
import { spawn } from 'node:child_process';
import { serviceEnvironment } from './config/service-environment.ts';
import type { ServiceEnvironment } from './config/service-environment.ts';
import type { Log } from './log.ts';

const PROGRAM = 'systemd-notify';
/** systemd advises to speak at half the time; at a third, one that is late does no harm. */
const WATCHDOG_PART = 3;
/** systemd-notify waits until its word has been taken. */
const SPEAK_MS_MAX = 5000;

export interface WatchedPart {
  /** Resolves to whether the service does what it is for. One that never settles counts as no. */
  readonly isAlive: () => Promise<boolean>;
}

export class ServiceManager implements Disposable {
  readonly #environment: ServiceEnvironment;
  readonly #log: Pick<Log, 'warn'>;
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isStopping = false;
  #hasWarned = false;

  /** Undefined when this process is not a service of systemd. */
  static connect(log: Pick<Log, 'warn'>, environment = serviceEnvironment()): ServiceManager | undefined {
    return environment && new ServiceManager(environment, log);
  }

  private constructor(environment: ServiceEnvironment, log: Pick<Log, 'warn'>) {
    this.#environment = environment;
    this.#log = log;
  }

  /** Clients can connect. From here on the watchdog hears of it, if there is one. */
  async ready(status: string, { isAlive }: WatchedPart): Promise<void> {
    await this.#say(['READY=1', `STATUS=${status}`]);
    const { watchdogMs } = this.#environment;
    if (watchdogMs > 0) this.#timer = setInterval(() => void this.#watch(isAlive), watchdogMs / WATCHDOG_PART).unref();
  }

  /** Said once, however often it is called. */
  async stopping(): Promise<void> {
    this[Symbol.dispose]();
    if (this.#isStopping) return;
    this.#isStopping = true;
    await this.#say(['STOPPING=1', 'STATUS=Stopping']);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** A service that hangs says nothing, and is killed and started again by systemd. */
  async #watch(isAlive: WatchedPart['isAlive']): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const alive = await isAlive().catch(() => false);
    this.#isAsking = false;
    if (alive) await this.#say(['WATCHDOG=1']);
  }

  #say(assignments: readonly string[]): Promise<void> {
    const { notifySocket, path } = this.#environment;
    const { promise, resolve } = Promise.withResolvers<void>();
    const child = spawn(PROGRAM, assignments, {
      stdio: 'ignore',
      env: { NOTIFY_SOCKET: notifySocket, PATH: path },
      timeout: SPEAK_MS_MAX,
    });
    child.once('error', (error) => {
      this.#warn(error.message);
      resolve();
    });
    child.once('exit', (code) => {
      if (code !== 0) this.#warn(`it ended with ${code ?? 'a signal'}`);
      resolve();
    });
    return promise;
  }

  #warn(problem: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#log.warn(`systemd cannot be told how this service is: ${PROGRAM}: ${problem}`);
  }
}
