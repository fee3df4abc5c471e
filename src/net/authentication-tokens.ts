/**
 * Checks JSON Web Tokens: signature, `exp` (required), `nbf` if there is one, `iss` and `aud` if they are set, and `sub`,
 * which is the account.
 *
 * The file with the keys is read again when it changes, so that keys can be exchanged without a restart: put the new
 * key beside the old one, sign with the new one, take the old one out when its last token has expired. A file that
 * cannot be used changes nothing: the keys that were read before stay, and the log says so.
 */
import { open } from 'node:fs/promises';
import { jwtVerify } from 'jose';
import type { JWTHeaderParameters, JWTVerifyOptions } from 'jose';
import { AuthenticationError, accountProblem } from './authentication.ts';
import type { Authentication, LoginAnswer } from './authentication.ts';
import {
  KEY_ALGORITHMS,
  KEY_FILE_BYTES_MAX,
  KeyProblem,
  findKey,
  readKeys,
  secretKey,
} from './authentication-keys.core.ts';
import type { VerificationKey } from './authentication-keys.core.ts';
import type { GatewayContext } from './context.ts';

/** How soon a changed file counts. Asking for its time costs some 20 µs. */
const KEY_FILE_PERIOD_MS = 1000;
const MS_PER_SECOND = 1000;

/** @throws AuthenticationError ERR_AUTH_KEYS when there is a file, and it cannot be used. */
export async function openTokens(context: GatewayContext): Promise<Authentication> {
  const { authSecret, authKeyFile } = context.settings;
  const secrets = authSecret === '' ? [] : [secretKey(authSecret)];
  if (authKeyFile === '') return new Tokens(context, secrets);
  const file = new KeyFile(authKeyFile);
  try {
    await file.read();
  } catch (cause) {
    throw new AuthenticationError('ERR_AUTH_KEYS', `${authKeyFile} cannot be used: ${reasonOf(cause)}`, { cause });
  }
  return new Tokens(context, secrets, file);
}

class Tokens implements Authentication {
  readonly #context: GatewayContext;
  readonly #secrets: readonly VerificationKey[];
  readonly #file: KeyFile | undefined;
  readonly #options: JWTVerifyOptions;
  readonly #timer: NodeJS.Timeout | undefined;
  #isReading = false;

  constructor(context: GatewayContext, secrets: readonly VerificationKey[], file?: KeyFile) {
    this.#context = context;
    this.#secrets = secrets;
    this.#file = file;
    const { authIssuer, authAudience, authToleranceMs } = context.settings;
    this.#options = {
      algorithms: [...KEY_ALGORITHMS],
      requiredClaims: ['sub', 'exp'],
      clockTolerance: authToleranceMs / MS_PER_SECOND,
      ...(authIssuer === '' ? {} : { issuer: authIssuer }),
      ...(authAudience === '' ? {} : { audience: authAudience }),
    };
    if (file !== undefined) this.#timer = setInterval(() => void this.#readAgain(file), KEY_FILE_PERIOD_MS).unref();
  }

  async check({ token }: { readonly token: string }): Promise<LoginAnswer> {
    try {
      const currentDate = new Date(this.#context.utcMs());
      const { payload } = await jwtVerify(token, (header) => this.#keyFor(header), { ...this.#options, currentDate });
      const problem = accountProblem(payload.sub);
      if (problem === undefined) return { account: payload.sub ?? '' };
      return { refused: `the claim "sub": ${problem}`, code: 'ERR_AUTH_TOKEN' };
    } catch (cause) {
      return { refused: cause instanceof Error ? cause.message : String(cause), code: 'ERR_AUTH_TOKEN' };
    }
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  #keyFor({ alg, kid }: JWTHeaderParameters): VerificationKey['key'] {
    const found = findKey([...this.#secrets, ...(this.#file?.keys ?? [])], { alg, kid });
    if (found === undefined) throw new Error('no key of this gateway fits the algorithm and "kid" of the token');
    return found.key;
  }

  /** Never rejects: what is wrong with the file is logged, once for each change of it. */
  async #readAgain(file: KeyFile): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const { counters, log } = this.#context;
    try {
      if (!(await file.read())) return;
      counters.keyFilesRead++;
      log.info('keys', `the keys in ${file.path} have changed`, { keys: file.keys.length });
    } catch (cause) {
      counters.keyFilesRefused++;
      const message = `${file.path} has changed and cannot be used: ${reasonOf(cause)}; the keys read before stay`;
      log.warn('keys', message, { code: 'ERR_AUTH_KEYS' });
    } finally {
      this.#isReading = false;
    }
  }
}

class KeyFile {
  readonly path: string;
  keys: readonly VerificationKey[] = [];
  /** Of the content that was looked at last, whether it could be used or not; or of the failure to look. */
  #seen = '';

  constructor(path: string) {
    this.path = path;
  }

  /** True when there was something new. @throws why it cannot be used; the keys stay. Each state throws once. */
  async read(): Promise<boolean> {
    let file;
    try {
      file = await open(this.path);
    } catch (cause) {
      return this.#notice(`unreadable: ${(cause as NodeJS.ErrnoException).code}`, cause);
    }
    try {
      const { mtimeNs, size, ino } = await file.stat({ bigint: true });
      const state = `${mtimeNs} ${size} ${ino}`;
      if (state === this.#seen) return false;
      this.#seen = state;
      if (size > KEY_FILE_BYTES_MAX) throw new KeyProblem(`${size} bytes large, at most ${KEY_FILE_BYTES_MAX}`);
      this.keys = readKeys(await file.readFile('utf8'));
      return true;
    } finally {
      await file.close();
    }
  }

  #notice(state: string, cause: unknown): boolean {
    if (state === this.#seen) return false;
    this.#seen = state;
    throw cause;
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof KeyProblem) return cause.message;
  return cause instanceof Error
    ? `not readable (${(cause as NodeJS.ErrnoException).code ?? cause.message})`
    : String(cause);
}
