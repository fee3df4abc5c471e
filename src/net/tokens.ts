/** Secrets at the door: the resume tokens that we make, and the JSON Web Tokens that a game's login makes. */
import { createHash, randomBytes } from 'node:crypto';
import { ACCOUNT_BYTES_MAX } from '../memory/intake.ts';

const RESUME_TOKEN_BYTES = 32;
/** Clocks of the login server and ours may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** 256 bits from the system's generator; 43 characters. */
export function newResumeToken(): string {
  return randomBytes(RESUME_TOKEN_BYTES).toString('base64url');
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

export type TokenCheck = { readonly account: string } | { readonly refused: string };
export type TokenVerifier = (token: string) => Promise<TokenCheck>;

/**
 * Checks HS256 tokens: signature, `exp` (required), `nbf` if there is one, and `sub`, which is the account. Never
 * throws: what is wrong with a token is an answer.
 */
export async function tokenVerifier(secret: string): Promise<TokenVerifier> {
  const { jwtVerify } = await import('jose');
  const key = new TextEncoder().encode(secret);
  const options = { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'], clockTolerance: CLOCK_TOLERANCE_SECONDS };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, key, options);
      const account = payload.sub ?? '';
      const sizeBytes = Buffer.byteLength(account);
      if (sizeBytes > 0 && sizeBytes <= ACCOUNT_BYTES_MAX) return { account };
      return { refused: `the claim "sub" takes 1 to ${ACCOUNT_BYTES_MAX} bytes, got ${sizeBytes}` };
    } catch (cause) {
      return { refused: cause instanceof Error ? cause.message : String(cause) };
    }
  };
}
