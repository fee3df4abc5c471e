/** The resume tokens that we make. */
import { createHash, randomBytes } from 'node:crypto';

const RESUME_TOKEN_BYTES = 32;

/** 256 bits from the system's generator; 43 characters. */
export function newResumeToken(): string {
  return randomBytes(RESUME_TOKEN_BYTES).toString('base64url');
}

export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
