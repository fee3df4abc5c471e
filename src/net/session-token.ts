/**
 * Signed tokens with which a client takes up its session again: at any gateway of the cluster, or at the node to which it
 * was redirected. Base64url of these bytes, little-endian:
 *
 *   0         1           2          3          4           12         20           28            32        ·
 *   ┌─────────┬───────────┬──────────┬──────────┬───────────┬──────────┬────────────┬─────────────┬─────────┬───────────┐
 *   │ version │ purpose   │ target   │ accountN │ session   │ entity   │ issuedAtMs │ lifetimeMs  │ account │ signature │
 *   │ u8      │ u8        │ u8       │ u8       │ u32 · u32 │ u32 · u32│ f64        │ u32         │ UTF-8   │ 64 bytes  │
 *   └─────────┴───────────┴──────────┴──────────┴───────────┴──────────┴────────────┴─────────────┴─────────┴───────────┘
 *
 * The signature is Ed25519 (RFC 8032) over everything before it. A token says which attachment of a client it stands for; that
 * it opens one connection only is the owner's to see to (peer/attachment.core.ts, resume-tokens.core.ts): each attachment has
 * a session of its own, and a token of another than the current one is spent.
 *
 * A lifetime is a duration since the issue. The clock of the issuer and that of the reader may differ by CLOCK_TOLERANCE_MS; a
 * token that seems to be of the future is as old as one of now, so that a clock which was set back locks nobody out.
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { COUNTER_RANGE } from '../base/brand.ts';
import { ACCOUNT_BYTES_MAX } from '../memory/intake.ts';

export const TOKEN_PURPOSES = ['resume', 'redirect'] as const;
export type TokenPurpose = (typeof TOKEN_PURPOSES)[number];

/** Nodes of a cluster differ by less, or their operator has heard of it. */
export const CLOCK_TOLERANCE_MS = 60_000;
/** A session may be as old as this and still be resumed. */
export const RESUME_LIFETIME_MS = 7 * 24 * 3_600_000;
export const REDIRECT_LIFETIME_MS = 30_000;
export const TOKEN_SEED_BYTES = 32;
export const TOKEN_TEXT_MAX = 255;

const VERSION = 1;
const HEAD_BYTES = 32;
const SIGNATURE_BYTES = 64;
const SESSION_HIGH_MAX = 2 ** 21;
/** PrivateKeyInfo of RFC 8410, up to the seed. */
const KEY_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export interface SessionClaims {
  readonly purpose: TokenPurpose;
  /** The attachment that it stands for. */
  readonly session: number;
  /** The player; 0 when it was not in the world yet. */
  readonly entity: number;
  /** Empty without one. */
  readonly account: string;
  /** NodeNumber of the only gateway that takes a redirect; 0 in a resume token, and in a redirect to a port that several share. */
  readonly target: number;
}

/** Why a token opens nothing: what cannot be read, is not ours, is too old, or is for another gateway. */
export const TOKEN_REFUSALS = ['malformed', 'signature', 'expired', 'target'] as const;
export type TokenRefusal = (typeof TOKEN_REFUSALS)[number];

export class SessionTokens {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;

  /** @param seed 32 random bytes, the same at all nodes that read each other's tokens. */
  constructor(seed: Uint8Array) {
    assert(seed.length === TOKEN_SEED_BYTES, 'a seed has 32 bytes');
    this.#privateKey = createPrivateKey({ key: Buffer.concat([KEY_HEAD, seed]), format: 'der', type: 'pkcs8' });
    this.#publicKey = createPublicKey(this.#privateKey);
  }

  /** @param issuedAtMs UTC by the issuer's clock. */
  issue(claims: SessionClaims, { issuedAtMs, lifetimeMs }: { issuedAtMs: number; lifetimeMs: number }): string {
    const account = Buffer.from(claims.account);
    assert(account.length <= ACCOUNT_BYTES_MAX, 'an account was bounded');
    const bytes = Buffer.alloc(HEAD_BYTES + account.length);
    bytes[0] = VERSION;
    bytes[1] = TOKEN_PURPOSES.indexOf(claims.purpose);
    bytes[2] = claims.target;
    bytes[3] = account.length;
    writeId(bytes, 4, claims.session);
    writeId(bytes, 12, claims.entity);
    bytes.writeDoubleLE(issuedAtMs, 20);
    bytes.writeUInt32LE(lifetimeMs, 28);
    account.copy(bytes, HEAD_BYTES);
    const token = Buffer.concat([bytes, sign(null, bytes, this.#privateKey)]).toString('base64url');
    assert(token.length <= TOKEN_TEXT_MAX, 'a token fits the messages that carry it');
    return token;
  }

  /** What it says of itself, whether it is signed or not. */
  isRedirect(token: string): boolean {
    return TOKEN_PURPOSES[Buffer.from(token, 'base64url')[1] ?? 0] === 'redirect';
  }

  /**
   * Never throws: what is wrong with a token is an answer.
   * @param here what a redirect must be for.
   */
  read(token: string, { nowMs, node }: { nowMs: number; node: number }): SessionClaims | TokenRefusal {
    const bytes = Buffer.from(token, 'base64url');
    // A text that is not the one that we wrote may decode to the same bytes.
    if (bytes.toString('base64url') !== token || bytes.length < HEAD_BYTES + SIGNATURE_BYTES) return 'malformed';
    const end = bytes.length - SIGNATURE_BYTES;
    if (bytes[0] !== VERSION || end !== HEAD_BYTES + bytes[3]!) return 'malformed';
    if (!verify(null, bytes.subarray(0, end), this.#publicKey, bytes.subarray(end))) return 'signature';
    const purpose = TOKEN_PURPOSES[bytes[1]!];
    const claims = readClaims(bytes, end);
    if (purpose === undefined || claims === undefined) return 'malformed';
    const ageMs = nowMs - bytes.readDoubleLE(20);
    // Not a number is too old as well.
    if (!(ageMs <= bytes.readUInt32LE(28) + CLOCK_TOLERANCE_MS)) return 'expired';
    if (purpose === 'redirect' && claims.target !== 0 && claims.target !== node) return 'target';
    return { ...claims, purpose };
  }
}

/** Undefined for what no `issue` writes; only who has our key could have made it. */
function readClaims(bytes: Buffer, end: number): Omit<SessionClaims, 'purpose'> | undefined {
  if (bytes.readUInt32LE(8) >= SESSION_HIGH_MAX || bytes.readUInt32LE(16) >= SESSION_HIGH_MAX) return undefined;
  const session = readId(bytes, 4);
  if (session === 0) return undefined;
  const account = bytes.toString('utf8', HEAD_BYTES, end);
  return { session, entity: readId(bytes, 12), account, target: bytes[2]! };
}

function writeId(bytes: Buffer, at: number, id: number): void {
  bytes.writeUInt32LE(id % COUNTER_RANGE, at);
  bytes.writeUInt32LE(Math.floor(id / COUNTER_RANGE), at + 4);
}

function readId(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * COUNTER_RANGE;
}
