/**
 * Who somebody is: decided by a token that a game's login has signed (authentication-tokens.ts), or by a module of the
 * operator's (authentication-hook.ts). In open mode nobody is asked. This file is what the two have in common;
 * authentication-modes.ts chooses.
 */
import { WorldmeshError } from '../base/errors.ts';
import { ACCOUNT_BYTES_MAX } from '../memory/intake.ts';

/** What is known of who wants in. Everything but the address is what the client says. */
export interface LoginRequest {
  readonly token: string;
  readonly name: string;
  /** In its shortest form, behind trusted proxies that of the client. */
  readonly address: string;
  /** The header Origin; undefined if there was none. */
  readonly origin: string | undefined;
}

/** `ERR_AUTH_TOKEN`: not with this token. `ERR_SERVER_OVERLOADED`: it cannot be told now; try later. */
export type LoginAnswer =
  | { readonly account: string; readonly name?: string | undefined }
  | { readonly refused: string; readonly code: 'ERR_AUTH_TOKEN' | 'ERR_SERVER_OVERLOADED' };

export interface Authentication {
  /** Does not reject: whatever is wrong is an answer. */
  check(request: LoginRequest): Promise<LoginAnswer>;
  dispose(): void;
}

export type AuthenticationErrorCode = 'ERR_AUTH_KEYS' | 'ERR_AUTH_HOOK';

/** Keys or hook are not usable, so nobody could log in: the gateway does not start. */
export class AuthenticationError extends WorldmeshError {
  override readonly name = 'AuthenticationError';
  readonly code: AuthenticationErrorCode;

  constructor(code: AuthenticationErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** What is wrong with an account, or undefined. It goes into records, logs and journals as it is. */
export function accountProblem(account: unknown): string | undefined {
  if (typeof account !== 'string') return `a text expected, got ${account === null ? 'null' : typeof account}`;
  const sizeBytes = Buffer.byteLength(account);
  if (sizeBytes === 0 || sizeBytes > ACCOUNT_BYTES_MAX) return `1 to ${ACCOUNT_BYTES_MAX} bytes, got ${sizeBytes}`;
  if (!account.isWellFormed() || /\p{Cc}/u.test(account)) return 'no control characters, and whole code points';
  return undefined;
}
