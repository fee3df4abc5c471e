/** Asks whether a client may have a new session: is its clock right, who is it, and has that account had its share? */
import type { Authentication } from './authentication.ts';
import type { Hello } from './admission.ts';
import { judgeClock, skewText } from './clock-skew.core.ts';
import type { Connection, FatalErrorCode } from './connection.ts';
import type { GatewayContext } from './context.ts';
import { LoginLimits } from './login-limits.core.ts';
import type { SessionTable } from './session-table.ts';

const MS_PER_SECOND = 1000;

/** Why not. */
export interface LoginRefusal {
  readonly code: FatalErrorCode;
  readonly message: string;
}

export class LoginCheck {
  readonly #context: GatewayContext;
  readonly #table: SessionTable;
  /** Undefined in open mode. */
  readonly #authentication: Authentication | undefined;
  readonly #limits: LoginLimits;

  constructor(
    context: GatewayContext,
    { table, authentication }: { table: SessionTable; authentication: Authentication | undefined },
  ) {
    this.#context = context;
    this.#table = table;
    this.#authentication = authentication;
    const { authFailuresMax, loginsPerMinute } = context.settings;
    this.#limits = new LoginLimits({ failuresMax: authFailuresMax, loginsPerMinute });
  }

  get isOpen(): boolean {
    return this.#authentication === undefined;
  }

  /** Of every hello, whatever it wants. The client's time is used for this, and for nothing else. */
  refusesClock({ clientTimeMs }: Hello): LoginRefusal | undefined {
    const { settings, counters, log } = this.#context;
    const { clockSkewReportMs: reportMs, clockSkewMaxMs: maxMs } = settings;
    const { verdict, skewMs } = judgeClock({ clientTimeMs, utcMs: this.#context.utcMs() }, { reportMs, maxMs });
    if (verdict === 'ok') return undefined;
    const text = skewText(skewMs);
    if (verdict === 'reported') {
      counters.clocksReported++;
      log.info('clock', `the clock of a client is ${text}`, { skewMs: Math.round(skewMs) });
      return undefined;
    }
    log.info('clock', `the clock of a client is ${text}: refused`, {
      skewMs: Math.round(skewMs),
      code: 'ERR_CLOCK_SKEW',
    });
    const allowed = skewText(maxMs).replace(' ahead', '');
    return { code: 'ERR_CLOCK_SKEW', message: `your clock is ${text} of the server's, at most ${allowed} is taken` };
  }

  /** Takes time; does not reject. */
  async login(
    { address, from }: Connection,
    { token, name }: Hello,
  ): Promise<LoginRefusal | { account: string; name: string }> {
    if (this.#authentication === undefined) return { account: '', name };
    const waitMs = this.#limits.waitMs(address, this.#context.nowMs());
    if (waitMs > 0) {
      this.#context.counters.loginsHeldOff++;
      const seconds = Math.ceil(waitMs / MS_PER_SECOND);
      return { code: 'ERR_LIMIT_RATE', message: `logins of this address have failed; try again in ${seconds} s` };
    }
    const answer = await this.#authentication.check({ token, name, ...from });
    if ('refused' in answer) {
      if (answer.code === 'ERR_AUTH_TOKEN') this.#limits.failed(address, this.#context.nowMs());
      return { code: answer.code, message: answer.refused };
    }
    return { account: answer.account, name: answer.name ?? name };
  }

  /** Charges a new session to an account. */
  refusesAccount(account: string): LoginRefusal | undefined {
    if (account === '') return undefined;
    const { sessionsPerAccount } = this.#context.settings;
    if (this.#table.byAccount.of(account) >= sessionsPerAccount) {
      return { code: 'ERR_LIMIT_ACCOUNT', message: `this account has ${sessionsPerAccount} sessions already` };
    }
    if (this.#limits.takeLogin(account, this.#context.nowMs())) return undefined;
    return { code: 'ERR_LIMIT_ACCOUNT', message: 'this account has logged in too often; try later' };
  }
}
