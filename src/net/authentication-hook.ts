/**
 * Login by a module of the operator's, which may ask a database or another service:
 *
 *   export async function authenticate({ token, name, address, origin }, { signal }) {
 *     return { account: 'ada' };           // or { account, name }, or { refused: 'why, for the player' }
 *   }
 *
 * It runs in the gateway's thread: what it computes, it computes instead of sending snapshots. It must wait for whatever
 * takes long, and give up when `signal` aborts.
 *
 * An error, a late answer and a wrong one are the operator's trouble, not the player's: the player is told to try later.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { NAME_BYTES_MAX } from '../memory/intake.ts';
import { AuthenticationError, accountProblem } from './authentication.ts';
import type { Authentication, LoginAnswer, LoginRequest } from './authentication.ts';
import type { GatewayContext } from './context.ts';

/** For loading the module, what it awaits at its top included. */
const LOAD_MS_MAX = 10_000;
/** A call that ignores its signal keeps its place for so many time limits, so that such calls are bounded as well. */
const PLACE_FACTOR = 12;
const REFUSED_CHARACTERS_MAX = 200;

type Authenticate = (request: LoginRequest, options: { readonly signal: AbortSignal }) => unknown;

/** @throws AuthenticationError ERR_AUTH_HOOK when there is no such function. */
export async function openHook(context: GatewayContext): Promise<Authentication> {
  const { authFile } = context.settings;
  const fail = (reason: string, cause?: unknown): never => {
    throw new AuthenticationError('ERR_AUTH_HOOK', `${authFile} ${reason}`, { cause });
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, LOAD_MS_MAX, undefined);
  });
  try {
    const loading = import(pathToFileURL(path.resolve(authFile)).href) as Promise<Record<string, unknown>>;
    const module = await Promise.race([loading, late]);
    if (module === undefined) return fail(`is not loaded within ${LOAD_MS_MAX} ms`);
    const { authenticate } = module;
    if (typeof authenticate !== 'function') return fail('exports no function "authenticate"');
    return new Hook(context, authenticate as Authenticate);
  } catch (cause) {
    if (cause instanceof AuthenticationError) throw cause;
    return fail(`cannot be loaded: ${String(cause)}`, cause);
  } finally {
    clearTimeout(timer);
  }
}

class Hook implements Authentication {
  readonly #context: GatewayContext;
  readonly #authenticate: Authenticate;
  readonly #calls = new Set<AbortController>();

  constructor(context: GatewayContext, authenticate: Authenticate) {
    this.#context = context;
    this.#authenticate = authenticate;
  }

  async check(request: LoginRequest): Promise<LoginAnswer> {
    const { authConcurrencyMax, authTimeoutMs } = this.#context.settings;
    if (this.#calls.size >= authConcurrencyMax) {
      this.#context.counters.authenticationsCrowded++;
      return tryLater('too many log in at once');
    }
    const call = new AbortController();
    this.#calls.add(call);
    const late = new Promise<LoginAnswer>((resolve) => {
      const onLate = () => resolve(this.#failed(`did not answer within ${authTimeoutMs} ms`));
      call.signal.addEventListener('abort', onLate, { once: true });
    });
    const timers = [
      setTimeout(() => call.abort(), authTimeoutMs).unref(),
      setTimeout(() => this.#calls.delete(call), authTimeoutMs * PLACE_FACTOR).unref(),
    ];
    const answer = this.#call(request, call.signal).finally(() => {
      for (const timer of timers) clearTimeout(timer);
      this.#calls.delete(call);
    });
    return Promise.race([answer, late]);
  }

  dispose(): void {
    for (const call of this.#calls) call.abort();
  }

  async #call(request: LoginRequest, signal: AbortSignal): Promise<LoginAnswer> {
    try {
      return this.#read(await this.#authenticate(request, { signal }));
    } catch (cause) {
      // After the time limit its end is of no interest; what it was late with is counted.
      return signal.aborted ? tryLater('late') : this.#failed(`threw: ${String(cause).slice(0, 500)}`);
    }
  }

  #read(answer: unknown): LoginAnswer {
    if (typeof answer !== 'object' || answer === null) return this.#failed('answered neither account nor refusal');
    const { account, name, refused } = answer as Record<string, unknown>;
    if (typeof refused === 'string') {
      const reason = refused.replaceAll(/\p{Cc}/gu, ' ').slice(0, REFUSED_CHARACTERS_MAX);
      return { refused: reason.toWellFormed(), code: 'ERR_AUTH_TOKEN' };
    }
    const problem = accountProblem(account);
    if (problem !== undefined) return this.#failed(`answered with a wrong account: ${problem}`);
    if (name !== undefined && !isName(name)) {
      return this.#failed(`answered with a wrong name: a text of at most ${NAME_BYTES_MAX} bytes expected`);
    }
    return { account: account as string, name };
  }

  #failed(reason: string): LoginAnswer {
    this.#context.counters.authenticationsFailed++;
    const message = `authenticate of ${this.#context.settings.authFile} ${reason}`;
    this.#context.log.warn('hook', message, { code: 'ERR_AUTH_HOOK' });
    return tryLater('the login cannot be checked');
  }
}

function tryLater(reason: string): LoginAnswer {
  return { refused: `${reason}; try later`, code: 'ERR_SERVER_OVERLOADED' };
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && name.isWellFormed() && Buffer.byteLength(name) <= NAME_BYTES_MAX;
}
