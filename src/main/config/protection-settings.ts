/** The settings that protect a node from its clients, and players from each other; docs/SECURITY.md tells how. */
import { readRange } from '../../net/ip-address.core.ts';
import { isOriginRule } from '../../net/origin.core.ts';
import { PROTECTION_DEFAULTS as DEFAULTS } from '../../net/protection.ts';
import { boolean, bytes, choice, integer, text, texts } from './setting.ts';

const MIB = 1024 * 1024;
const PATH_MAX = 4096;
const CLAIM_MAX = 512;
/** HS256 is only as strong as its key: 32 bytes, as RFC 7518 section 3.2 demands. */
export const AUTH_SECRET_BYTES_MIN = 32;
const RULES_MAX = 64;
const RATE_MAX = 1_000_000;

export const PROTECTION_SETTINGS = {
  authMode: choice(DEFAULTS.authMode, ['open', 'token', 'hook'], {
    group: 'Protection',
    about: 'Open admits everybody; token asks for a JWT (authSecret, authKeyFile); hook asks a module (authFile)',
  }),
  authSecret: text(DEFAULTS.authSecret, {
    placeholder: 'secret',
    group: 'Protection',
    secret: true,
    max: 4096,
    about: `Key of HS256 tokens, at least ${AUTH_SECRET_BYTES_MIN} bytes; better in the environment than in a flag`,
  }),
  authKeyFile: text(DEFAULTS.authKeyFile, {
    placeholder: 'file',
    group: 'Protection',
    max: PATH_MAX,
    about: 'File with the keys of tokens: an Ed25519 public key (PEM or JWK) or a JWKS; read again when it changes',
  }),
  authIssuer: text(DEFAULTS.authIssuer, {
    group: 'Protection',
    max: CLAIM_MAX,
    about: 'What the claim iss of tokens must be',
  }),
  authAudience: text(DEFAULTS.authAudience, {
    group: 'Protection',
    max: CLAIM_MAX,
    about: 'What the claim aud of tokens must hold',
  }),
  authToleranceMs: integer(DEFAULTS.authToleranceMs, {
    group: 'Protection',
    unit: 'ms',
    min: 0,
    max: 600_000,
    about: 'By how much the clock of whoever signs tokens may differ',
  }),
  authFile: text(DEFAULTS.authFile, {
    placeholder: 'file',
    group: 'Protection',
    max: PATH_MAX,
    about: 'Module that exports authenticate({ token, name, address, origin })',
  }),
  authTimeoutMs: integer(DEFAULTS.authTimeoutMs, {
    group: 'Protection',
    unit: 'ms',
    min: 10,
    max: 60_000,
    about: 'Time for authenticate to answer; then the client is told to try later',
  }),
  authConcurrencyMax: integer(DEFAULTS.authConcurrencyMax, {
    group: 'Protection',
    unit: 'calls',
    min: 1,
    max: 10_000,
    about: 'Calls of authenticate at once; further logins are told to try later',
  }),
  authFailuresMax: integer(DEFAULTS.authFailuresMax, {
    group: 'Protection',
    unit: 'logins',
    min: 1,
    max: RATE_MAX,
    about:
      'Logins of one address that may fail before the next ones have to wait, 1 s to 60 s; one is forgotten every 30 s',
  }),
  origins: texts({
    group: 'Protection',
    countMax: RULES_MAX,
    accepts: isOriginRule,
    shape: 'an origin, one with * for its first labels, null or *; repeated or separated by commas',
    example: 'https://game.example',
    placeholder: 'origin',
    defaultText: 'the same host, loopback',
    about: 'Pages that may connect; programs that say no origin may in any case, unless originRequired',
  }),
  originRequired: boolean(DEFAULTS.originRequired, {
    group: 'Protection',
    about: 'Refuse clients that say no origin, as all but browsers do',
  }),
  trustProxy: texts({
    group: 'Protection',
    countMax: RULES_MAX,
    accepts: (given) => readRange(given) !== undefined,
    shape: 'an IP address or a range of them, repeated or separated by commas',
    example: '127.0.0.1',
    placeholder: 'address',
    about: 'Proxies whose X-Forwarded-For is believed; without it all their clients are one address',
  }),
  connectionsPerMinute: integer(DEFAULTS.connectionsPerMinute, {
    group: 'Protection',
    unit: '1/min',
    min: 1,
    max: RATE_MAX,
    about: 'New WebSockets of one address, sustained',
  }),
  connectionsBurst: integer(DEFAULTS.connectionsBurst, {
    group: 'Protection',
    unit: 'connections',
    min: 1,
    max: RATE_MAX,
    about: 'New WebSockets of one address at once',
  }),
  connectionsPerMinuteLoopback: integer(DEFAULTS.connectionsPerMinuteLoopback, {
    group: 'Protection',
    unit: '1/min',
    min: 1,
    max: 100 * RATE_MAX,
    about: 'New WebSockets from this machine itself, a minute of them at once',
  }),
  requestsPerSecond: integer(DEFAULTS.requestsPerSecond, {
    group: 'Protection',
    unit: '1/s',
    min: 1,
    max: RATE_MAX,
    about: 'HTTP requests of one address, ten seconds of them at once; fifty times as many from this machine itself',
  }),
  sessionsPerAccount: integer(DEFAULTS.sessionsPerAccount, {
    group: 'Protection',
    unit: 'sessions',
    min: 1,
    max: RATE_MAX,
    about: 'Sessions of one account at this gateway',
  }),
  loginsPerMinute: integer(DEFAULTS.loginsPerMinute, {
    group: 'Protection',
    unit: '1/min',
    min: 1,
    max: RATE_MAX,
    about: 'New sessions of one account, a minute of them at once',
  }),
  bytesPerSecond: bytes(DEFAULTS.bytesPerSecond, {
    group: 'Protection',
    min: 256,
    max: 1024 * MIB,
    about: 'Bytes of messages of one client in a second, sustained',
  }),
  bytesBurst: bytes(DEFAULTS.bytesBurst, {
    group: 'Protection',
    min: 256,
    max: 1024 * MIB,
    about: 'Bytes of messages of one client at once',
  }),
  clockSkewReportMs: integer(DEFAULTS.clockSkewReportMs, {
    group: 'Protection',
    unit: 'ms',
    min: 0,
    max: 86_400_000,
    about: 'A client whose clock is off by more is counted and logged',
  }),
  clockSkewMaxMs: integer(DEFAULTS.clockSkewMaxMs, {
    group: 'Protection',
    unit: 'ms',
    min: 0,
    max: 86_400_000,
    about: 'A client whose clock is off by more is refused until it says a better time; 0: never',
  }),
};
