/** What systemd tells a service of itself: where to say that it is ready, and how often that it lives (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceEnvironment {
  /** A path, or `@` and an abstract name. */
  readonly notifySocket: string;
  /** Within which it wants to hear; 0: it does not watch. */
  readonly watchdogMs: number;
  /** For the program that speaks to it. */
  readonly path: string;
}

const PATH_DEFAULT = '/usr/local/bin:/usr/bin:/bin';
const MICROSECONDS = /^\d{1,15}$/;

/** Undefined when no service manager waits for this process. */
export function serviceEnvironment(environment: NodeJS.ProcessEnv = process.env): ServiceEnvironment | undefined {
  const { NOTIFY_SOCKET = '', WATCHDOG_USEC = '', WATCHDOG_PID = '', PATH = PATH_DEFAULT } = environment;
  if (!/^[/@]/.test(NOTIFY_SOCKET)) return undefined;
  // A process that inherited the variables from the one that is watched is not watched itself.
  const isWatched = MICROSECONDS.test(WATCHDOG_USEC) && (WATCHDOG_PID === '' || Number(WATCHDOG_PID) === process.pid);
  return { notifySocket: NOTIFY_SOCKET, watchdogMs: isWatched ? Number(WATCHDOG_USEC) / 1000 : 0, path: PATH };
}
