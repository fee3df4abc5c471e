/** What a program may choose when it connects, and what a client tells of itself. */
import type { World } from '../base/world.ts';
import type { ClientMode } from '../wire/messages.ts';
import type { BackoffOptions } from './backoff.core.ts';
import type { ClockQuality } from './clock.core.ts';
import type { ClientInput } from './entity.ts';
import type { Motion } from './prediction.core.ts';
import type { SocketConstructor } from './socket.ts';

export interface ConnectOptions<W = World> {
  /** The world module, for prediction with its `input.apply`. Without it the server sends the schema. */
  readonly world?: W;
  /** Shown to others; at most 32 bytes of UTF-8. */
  readonly name?: string;
  /** A JWT, where the server wants one. */
  readonly token?: string;
  /** From `client.resumeToken` of an earlier client, such as before a reload of the page. */
  readonly resumeToken?: string;
  /** Keeps the resume token, so that the session outlives a reload of the page: `sessionStorage`, for one. */
  readonly storage?: TokenStorage;
  /** Under which the storage has it; by default it names the first URL. */
  readonly storageKey?: string;
  /**
   * How the player is reached once another node owns it: through the gateway, at that node itself, or as the gateway
   * prefers. 'auto' by default.
   */
  readonly mode?: ClientMode;
  /**
   * How an input changes the own entity, if not by the world's `input.apply`; false: no prediction, the own entity is
   * interpolated like the others. Without a world and without this there is no prediction.
   */
  readonly predict?: false | ((self: Motion, input: ClientInput<W>) => void);
  /** False: renderX and renderZ are where the last snapshot had it. Cheaper, for those who draw nothing. */
  readonly interpolate?: boolean;
  /**
   * When the server refuses this computer's clock as more than an hour off: 'correct' (the default) measures it and plays
   * on, 'strict' ends with ERR_CLIENT_CLOCK.
   */
  readonly clock?: 'correct' | 'strict';
  /** 'json' is for looking at the messages. */
  readonly format?: 'binary' | 'json';
  /** For Node before 22, and tests. */
  readonly WebSocket?: SocketConstructor;
  readonly backoff?: BackoffOptions;
  /** Local milliseconds, monotonic; `performance.now` by default. */
  readonly now?: () => number;
  /** What this computer takes for UTC, in milliseconds since 1970; `Date.now` by default. */
  readonly utcNow?: () => number;
  /** Takes what a listener threw, or the world's `apply`; without it, they are thrown again as uncaught errors. */
  readonly onError?: (error: unknown) => void;
  /** Spreads reconnects; `Math.random` by default. */
  readonly random?: () => number;
}

/** The part of the web's Storage that is needed. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** What a snapshot says of the world's time and of the own inputs; each time another object. */
export interface ClientSnapshot {
  /** Counted by the server; goes on when the own entity changes node. */
  readonly tick: number;
  /** The last input that has acted in what is shown now; 0 for none. */
  readonly inputSequence: number;
  /** The last whose effect survives a crash of its server. */
  readonly durableSequence: number;
}

/** Who simulates the own entity. */
export interface Owner {
  /** Name of the node. */
  readonly node: string;
  /** Grows with each change of owner. */
  readonly seq: number;
}

/** What is known of the server's clock and of this computer's. */
export interface ClientClock {
  /** Server UTC minus local monotonic time; NaN before the first sample. */
  readonly offsetMs: number;
  /** How much faster the server's clock goes than the local monotonic one; 0 as long as none is certain. */
  readonly driftPpm: number;
  /** Median of the last pings; 0 before the first. */
  readonly rttMs: number;
  /** This computer's UTC minus the server's; NaN before the first sample. */
  readonly skewMs: number;
  readonly quality: ClockQuality;
  /** Of those that the offset is made of; at most 11. */
  readonly sampleCount: number;
}

export interface ClientStatistics {
  /** Median of the last pings. */
  readonly rttMs: number;
  readonly jitterMs: number;
  /** How far in the past others are drawn. */
  readonly renderDelayMs: number;
  /** Of the last snapshot, or -1. */
  readonly tick: number;
  readonly bytesIn: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Sent, and not in a snapshot yet. */
  readonly inputsUnacknowledged: number;
  /** Kept, because a crash of the owner could still take them back. */
  readonly inputsUndurable: number;
  /** Pushed out of the window of 64 before they were durable. */
  readonly inputsGivenUp: number;
  /** How far the last prediction was off, in metres. */
  readonly correctionMetres: number;
  /** Corrections that were too large to be smoothed: the own entity was drawn elsewhere at once. */
  readonly snaps: number;
  /** Direct mode: connections that went to the player's owner, and those that did not get there. */
  readonly redirects: number;
  readonly redirectsFailed: number;
  /** The longest time between two snapshots so far, with reconnects and changes of owner between them. */
  readonly longestGapMs: number;
}
