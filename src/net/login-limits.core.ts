/**
 * Slows down who guesses tokens, and who logs in again and again.
 *
 *   failed logins of an address   ≤ failuresMax   nothing
 *                                 n more          its logins wait 1 s, 2 s, 4 s … 60 s after the last failure
 *                                 one is forgotten every 30 s
 *
 * A login that succeeds forgives nothing: who guesses has an account of his own. Loopback is let off: whoever is on this
 * machine need not guess.
 */
import { isLoopback } from './address-count.core.ts';
import { BucketTable } from './token-bucket.core.ts';

const DELAY_FIRST_MS = 1000;
const DELAY_MS_MAX = 60_000;
const FORGET_PERIOD_MS = 30_000;
/** Beyond it the delay grows no more, and neither does the time until all is forgotten. */
const EXCESS_MAX = 7;
const SECONDS_PER_MINUTE = 60;
/** Some 200 bytes each: 3 MiB under the widest sweep. The one that failed or logged in longest ago is forgotten. */
const ADDRESSES_MAX = 16_384;
const ACCOUNTS_MAX = 16_384;

interface Failures {
  readonly count: number;
  readonly atMs: number;
}

export class LoginLimits {
  readonly #failuresMax: number;
  readonly #failures = new Map<string, Failures>();
  readonly #accounts: BucketTable;

  constructor({ failuresMax, loginsPerMinute }: { failuresMax: number; loginsPerMinute: number }) {
    this.#failuresMax = failuresMax;
    const limit = { perSecond: loginsPerMinute / SECONDS_PER_MINUTE, burst: loginsPerMinute };
    this.#accounts = new BucketTable(limit, ACCOUNTS_MAX);
  }

  /** Entries held, for tests of the bound. */
  get size(): number {
    return this.#failures.size + this.#accounts.size;
  }

  /** How long logins of this address have to wait yet; 0: not at all. */
  waitMs(address: string, nowMs: number): number {
    const failures = this.#failures.get(address);
    if (failures === undefined) return 0;
    const excess = failures.count - this.#failuresMax;
    if (excess <= 0) return 0;
    const delayMs = Math.min(DELAY_MS_MAX, DELAY_FIRST_MS * 2 ** (excess - 1));
    return Math.max(0, failures.atMs + delayMs - nowMs);
  }

  failed(address: string, nowMs: number): void {
    if (isLoopback(address)) return;
    const before = this.#failures.get(address);
    const forgotten = before === undefined ? 0 : Math.floor((nowMs - before.atMs) / FORGET_PERIOD_MS);
    const count = Math.max(0, (before?.count ?? 0) - forgotten) + 1;
    this.#failures.delete(address);
    if (this.#failures.size >= ADDRESSES_MAX) this.#failures.delete(this.#failures.keys().next().value ?? '');
    this.#failures.set(address, { count: Math.min(count, this.#failuresMax + EXCESS_MAX), atMs: nowMs });
  }

  /** Charges one login to an account; false when it has had its share. */
  takeLogin(account: string, nowMs: number): boolean {
    return this.#accounts.take(account, nowMs);
  }
}
