/** What every part of a gateway works with. */
import type { Store } from '../memory/store.ts';
import type { GatewayCounters } from './counters.ts';
import type { GatewayLog } from './gateway-log.ts';
import type { OwnerSpans } from './owner-spans.ts';
import type { Lateness } from './lateness.core.ts';
import type { SessionTokens } from './session-token.ts';
import type { GatewaySettings } from './settings.ts';

export interface GatewayContext {
  readonly store: Store;
  readonly settings: GatewaySettings;
  readonly counters: GatewayCounters;
  readonly log: GatewayLog;
  readonly sessionTokens: SessionTokens;
  readonly lateness: Lateness;
  readonly ownerSpans: OwnerSpans;
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** UTC milliseconds since 1970, on the clock that tick samples are stamped with. */
  utcMs(): number;
}
