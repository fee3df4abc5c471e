/**
 * The keys by which tokens are checked. Each key takes one algorithm, which follows from what the key is and never from
 * what a token says: a secret HS256, an Ed25519 key EdDSA. So no token can have a public key taken for a secret.
 *
 * A file holds a public key in PEM, one JWK, or a JWKS (RFC 7517); which of them, its text tells. Pure.
 */
import { createPublicKey, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export const KEY_ALGORITHMS = ['HS256', 'EdDSA'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

export interface VerificationKey {
  readonly algorithm: KeyAlgorithm;
  /** '' for a key without a name: it is tried when no key has the name that a token gives. */
  readonly kid: string;
  readonly key: KeyObject;
}

export const KEY_FILE_BYTES_MAX = 65_536;
/** Beyond it the file is refused: more are a mistake. */
export const KEYS_MAX = 64;
/** HS256 is only as strong as its key, RFC 7518 section 3.2. */
const SECRET_BYTES_MIN = 32;
const KID_CHARACTERS_MAX = 128;

/** What is wrong with a key file, for people. It never quotes the file. */
export class KeyProblem extends Error {
  override readonly name = 'KeyProblem';
}

export function secretKey(secret: string): VerificationKey {
  return { algorithm: 'HS256', kid: '', key: createSecretKey(secret, 'utf8') };
}

/** At least one key. @throws KeyProblem */
export function readKeys(text: string): readonly VerificationKey[] {
  if (text.includes('-----BEGIN')) return [readPem(text)];
  const json = parseJson(text);
  const listed = json['keys'];
  if (listed === undefined) return [readJwk(json) ?? fail('neither an Ed25519 key nor a secret')];
  if (!Array.isArray(listed)) return fail('"keys" is no list');
  if (listed.length > KEYS_MAX) return fail(`${listed.length} keys, at most ${KEYS_MAX}`);
  const keys = listed
    .map((jwk: unknown) => readJwk(isObject(jwk) ? jwk : fail('a key is no object')))
    .filter((key) => key !== undefined);
  if (keys.length === 0) return fail('no key for HS256 or EdDSA');
  const names = keys.map(({ algorithm, kid }) => `${algorithm} ${kid}`);
  if (new Set(names).size < names.length) return fail('two keys of one algorithm have the same "kid", or none');
  return keys;
}

/**
 * The key that a token must have been signed with: one key for each token, so that a token costs one check. A token that
 * names no key is taken only where there is no choice.
 */
export function findKey(
  keys: readonly VerificationKey[],
  { alg, kid }: { alg: unknown; kid: unknown },
): VerificationKey | undefined {
  const fitting = keys.filter(({ algorithm }) => algorithm === alg);
  if (kid === undefined) return fitting.length === 1 ? fitting[0] : undefined;
  return fitting.find((key) => key.kid === kid) ?? fitting.find((key) => key.kid === '');
}

function readPem(text: string): VerificationKey {
  if (text.includes('PRIVATE KEY')) return fail('a private key; the gateway needs the public one, and only that');
  const key = publicKey({ key: text, format: 'pem' });
  return { algorithm: 'EdDSA', kid: '', key };
}

/** Undefined for a key of another kind, which RFC 7517 section 5 tells readers to pass over. */
function readJwk(jwk: Record<string, unknown>): VerificationKey | undefined {
  const { kty, crv, kid = '', use = 'sig', alg, key_ops: uses = ['verify'] } = jwk;
  const algorithm = kty === 'oct' ? 'HS256' : kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
  if (algorithm === undefined || use !== 'sig' || (alg !== undefined && alg !== algorithm)) return undefined;
  if (!Array.isArray(uses) || !uses.includes('verify')) return undefined;
  if (typeof kid !== 'string' || kid.length > KID_CHARACTERS_MAX) {
    return fail(`"kid" is a text of at most ${KID_CHARACTERS_MAX} characters`);
  }
  return { algorithm, kid, key: algorithm === 'HS256' ? secretFrom(jwk['k']) : publicFrom(jwk) };
}

function secretFrom(text: unknown): KeyObject {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64url') : Buffer.alloc(0);
  if (bytes.length < SECRET_BYTES_MIN) return fail(`a secret of ${bytes.length} bytes, at least ${SECRET_BYTES_MIN}`);
  return createSecretKey(bytes);
}

function publicFrom({ kty, crv, x, d }: Record<string, unknown>): KeyObject {
  if (d !== undefined) return fail('a private key ("d"); the gateway needs the public one, and only that');
  if (typeof x !== 'string') return fail('an Ed25519 key without "x"');
  return publicKey({ key: { kty: String(kty), crv: String(crv), x }, format: 'jwk' });
}

function publicKey(input: Parameters<typeof createPublicKey>[0]): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(input);
  } catch {
    // What the library says may quote the file.
    return fail('not a public key');
  }
  if (key.asymmetricKeyType !== 'ed25519') return fail(`a key of type ${key.asymmetricKeyType}, ed25519 expected`);
  return key;
}

function parseJson(text: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fail('neither PEM nor JSON');
  }
  return isObject(json) ? json : fail('neither a JWK nor a JWKS');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(message: string): never {
  throw new KeyProblem(message);
}
