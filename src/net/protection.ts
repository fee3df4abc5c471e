/** The settings that protect a gateway and its players; docs/SECURITY.md tells what from. */

export interface ProtectionSettings {
  /** Who may play: everybody; who has a token; whom a module of the operator's lets in. */
  readonly authMode: 'open' | 'token' | 'hook';
  /** The key of HS256 tokens; token mode only, '' for none. */
  readonly authSecret: string;
  /** Path of a file with public keys, for tokens in EdDSA; token mode only, '' for none. */
  readonly authKeyFile: string;
  /** What the claim `iss` must be; '': anything. */
  readonly authIssuer: string;
  /** What the claim `aud` must hold; '': anything. */
  readonly authAudience: string;
  /** By how much the clock of whoever signs tokens may differ from ours. */
  readonly authToleranceMs: number;
  /** Path of the module that exports `authenticate`; hook mode only. */
  readonly authFile: string;
  /** Time for `authenticate` to answer; beyond it: ERR_SERVER_OVERLOADED. */
  readonly authTimeoutMs: number;
  /** Calls of `authenticate` at once; beyond it: ERR_SERVER_OVERLOADED. */
  readonly authConcurrencyMax: number;
  /** Failed logins of one address before its next ones have to wait; beyond it: ERR_LIMIT_RATE. */
  readonly authFailuresMax: number;
  /** See origin.core.ts; a page from elsewhere: 403 with ERR_ORIGIN. */
  readonly origins: readonly string[];
  /** Refuse clients that say no Origin, which browsers always do. */
  readonly originRequired: boolean;
  /** Addresses and ranges of proxies whose X-Forwarded-For is believed. */
  readonly trustProxy: readonly string[];
  /** New WebSockets of one address, sustained and at once; beyond it: 429 with ERR_LIMIT_CONNECTIONS. */
  readonly connectionsPerMinute: number;
  readonly connectionsBurst: number;
  /** The same for 127.0.0.0/8 and ::1, where a minute's worth may come at once. */
  readonly connectionsPerMinuteLoopback: number;
  /** HTTP requests of one address, ten seconds' worth at once; beyond it: 429 with ERR_LIMIT_RATE. */
  readonly requestsPerSecond: number;
  /** Sessions of one account at this gateway; beyond it: ERR_LIMIT_ACCOUNT. */
  readonly sessionsPerAccount: number;
  /** New sessions of one account, a minute's worth at once; beyond it: ERR_LIMIT_ACCOUNT. */
  readonly loginsPerMinute: number;
  /** Bytes of messages of one connection, sustained and at once; beyond it: ERR_LIMIT_RATE. */
  readonly bytesPerSecond: number;
  readonly bytesBurst: number;
  /** A client's clock that is off by more is counted and logged. */
  readonly clockSkewReportMs: number;
  /** A client's clock that is off by more is refused: ERR_CLOCK_SKEW. 0: never. */
  readonly clockSkewMaxMs: number;
}

export const PROTECTION_DEFAULTS: ProtectionSettings = {
  authMode: 'open',
  authSecret: '',
  authKeyFile: '',
  authIssuer: '',
  authAudience: '',
  authToleranceMs: 5000,
  authFile: '',
  authTimeoutMs: 5000,
  authConcurrencyMax: 64,
  authFailuresMax: 5,
  origins: [],
  originRequired: false,
  trustProxy: [],
  connectionsPerMinute: 5,
  connectionsBurst: 20,
  connectionsPerMinuteLoopback: 60_000,
  requestsPerSecond: 20,
  sessionsPerAccount: 4,
  loginsPerMinute: 10,
  bytesPerSecond: 32_768,
  bytesBurst: 65_536,
  clockSkewReportMs: 60_000,
  clockSkewMaxMs: 3_600_000,
};

export const PROTECTION_SETTINGS = Object.keys(PROTECTION_DEFAULTS) as readonly (keyof ProtectionSettings)[];
