import test from 'ava';
import * as fc from 'fast-check';
import { CLOCK_TOLERANCE_MS, SessionTokens, TOKEN_PURPOSES, TOKEN_TEXT_MAX } from '../../src/net/session-token.ts';
import type { SessionClaims } from '../../src/net/session-token.ts';

const SEED = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
const NOW_MS = Date.UTC(2026, 6, 1);
const NODE = 5;
const tokens = new SessionTokens(SEED);

const CLAIMS: SessionClaims = {
  purpose: 'resume',
  session: 2 ** 32 * 3 + 17,
  entity: 2 ** 52 + 1,
  account: 'acc-Zoë',
  target: 0,
};
const ISSUE = { issuedAtMs: NOW_MS, lifetimeMs: 30_000 };
const HERE = { nowMs: NOW_MS, node: NODE };

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const anyClaims: fc.Arbitrary<SessionClaims> = fc.record({
  purpose: fc.constantFrom(...TOKEN_PURPOSES),
  session: id,
  entity: fc.oneof(id, fc.constant(0)),
  account: fc.string({ maxLength: 64, unit: 'grapheme-ascii' }),
  target: fc.constant(NODE),
});

test('what is issued is read, and fits the messages that carry it', (t) => {
  fc.assert(
    fc.property(anyClaims, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (claims, lifetimeMs) => {
      const token = tokens.issue(claims, { issuedAtMs: NOW_MS, lifetimeMs });
      t.true(token.length <= TOKEN_TEXT_MAX);
      t.deepEqual(tokens.read(token, { nowMs: NOW_MS + lifetimeMs, node: NODE }), claims);
    }),
    { numRuns: 200 },
  );
});

test('the bytes of a token do not change from release to release', (t) => {
  const token = tokens.issue(CLAIMS, ISSUE);
  t.is(
    Buffer.from(token, 'base64url').subarray(0, 40).toString('hex'),
    '01000008110000000300000001000000000010000000409baff17942307500006163632d5a6fc3ab',
  );
  // Ed25519 has no randomness: the same bytes are signed alike.
  t.is(token, tokens.issue(CLAIMS, ISSUE));
});

test('every flipped bit is refused', (t) => {
  const bytes = Buffer.from(tokens.issue(CLAIMS, ISSUE), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const answer = tokens.read(flipped.toString('base64url'), HERE);
    t.true(answer === 'malformed' || answer === 'signature', `bit ${bit}: ${JSON.stringify(answer)}`);
  }
});

test('every other character in a token is refused, also where it means the same bits', (t) => {
  const token = tokens.issue(CLAIMS, ISSUE);
  const others = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n';
  for (let at = 0; at < token.length; at += 3) {
    for (const other of others) {
      if (other === token[at]) continue;
      const answer = tokens.read(token.slice(0, at) + other + token.slice(at + 1), HERE);
      t.true(answer === 'malformed' || answer === 'signature');
    }
  }
  const last = token.slice(0, -1);
  for (const other of others) if (other !== token.at(-1)) t.true(typeof tokens.read(last + other, HERE) === 'string');
});

test('whatever text comes is read or refused', (t) => {
  const valid = tokens.issue(CLAIMS, ISSUE);
  const anyText = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc.integer({ min: 0, max: valid.length }).map((end) => valid.slice(0, end)),
    fc.string({ minLength: 1, maxLength: 20 }).map((more) => valid + more),
  );
  fc.assert(
    fc.property(anyText, (text) => {
      const answer = tokens.read(text, HERE);
      t.true(text === valid ? typeof answer === 'object' : answer === 'malformed' || answer === 'signature', text);
    }),
    { numRuns: 2000 },
  );
});

test('a token of another key is refused', (t) => {
  const other = new SessionTokens(SEED.map((byte) => byte ^ 1));
  t.is(other.read(tokens.issue(CLAIMS, ISSUE), HERE), 'signature');
});

test('a token lives for its duration, and clocks may differ', (t) => {
  const token = tokens.issue(CLAIMS, ISSUE);
  const at = (ms: number) => tokens.read(token, { nowMs: NOW_MS + ms, node: NODE });
  t.deepEqual(at(30_000 + CLOCK_TOLERANCE_MS), CLAIMS);
  t.is(at(30_001 + CLOCK_TOLERANCE_MS), 'expired');
  // A gateway whose clock is behind takes it, too.
  t.deepEqual(at(-3_600_000), CLAIMS);
  const never = tokens.issue(CLAIMS, { issuedAtMs: Number.NaN, lifetimeMs: 30_000 });
  t.is(tokens.read(never, HERE), 'expired');
});

test('a redirect is for one gateway', (t) => {
  const claims = { ...CLAIMS, purpose: 'redirect', target: NODE } as const;
  const token = tokens.issue(claims, ISSUE);
  t.deepEqual(tokens.read(token, HERE), claims);
  t.is(tokens.read(token, { nowMs: NOW_MS, node: 6 }), 'target');
});
