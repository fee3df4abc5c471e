/**
 * The messages between a client and a gateway, as values. docs/PROTOCOL.md says what each means; client.wire.ts and
 * snapshot.wire.ts map them to bytes.
 */
import type { EntityId } from '../base/brand.ts';
import type { Values } from '../base/pack.ts';
import type { Schema } from '../base/schema.ts';

export const PROTOCOL_VERSION = 2;

/** Inputs that a client keeps, and an owner waits for, at most: at 20 Hz these are 3.2 s. */
export const INPUT_WINDOW = 64;

/** First byte of every message. Below 16: client to server. */
export const MESSAGE = {
  hello: 1,
  input: 2,
  ping: 3,
  bye: 4,
  handoverAck: 5,
  keyframe: 6,
  welcome: 16,
  snapshot: 17,
  pong: 18,
  error: 19,
  handover: 20,
  handoverStart: 21,
} as const;

/**
 * How a client reaches a player whose owner is another node than its gateway: through the gateway, at the owner itself, or
 * whichever the gateway prefers by its load.
 */
export const CLIENT_MODES = ['tunnel', 'direct', 'auto'] as const;
export type ClientMode = (typeof CLIENT_MODES)[number];

export type ClientMessage =
  | {
      readonly type: 'hello';
      readonly protocolVersion: number;
      /** Hash of the schema that the client was built with, or 0 to be sent the schema. */
      readonly schemaHash: number;
      /** At most 32 bytes of UTF-8. */
      readonly name: string;
      /** A JWT, or empty in open mode. At most 2,048 bytes. */
      readonly token: string;
      /** From the last welcome or handoverStart, or empty. At most 255 bytes. */
      readonly resumeToken: string;
      readonly mode: ClientMode;
      /** What the client believes UTC to be, in milliseconds since 1970; 0: it does not say. Decides nothing but its own refusal. */
      readonly clientTimeMs: number;
      /** Of the last snapshot that was applied to the view which the client still has; 0: it has none. */
      readonly lastKnownTick: number;
    }
  | {
      readonly type: 'input';
      /** 1 for the first of a session's inputs, then without gaps. */
      readonly sequence: number;
      /** `sequence - back` is the oldest input that the client still has and may send again. At most INPUT_WINDOW - 1. */
      readonly back: number;
      readonly input: Values;
    }
  | { readonly type: 'ping'; readonly nonce: number }
  | { readonly type: 'bye' }
  /** The last snapshot does not fit the view: begin anew. */
  | { readonly type: 'keyframe' }
  /** The handover with this seq was noticed. */
  | { readonly type: 'handoverAck'; readonly seq: number };

export interface Welcome {
  readonly type: 'welcome';
  readonly protocolVersion: number;
  readonly session: number;
  readonly resumed: boolean;
  readonly tick: number;
  /** UTC, milliseconds since 1970, when that tick was current. */
  readonly serverTimeMs: number;
  readonly tickHz: number;
  readonly snapshotHz: number;
  readonly aoiRadius: number;
  readonly cellSize: number;
  readonly minX: number;
  readonly minZ: number;
  readonly maxX: number;
  readonly maxZ: number;
  readonly edge: 'bounce' | 'stop';
  readonly resumeGraceMs: number;
  readonly resumeToken: string;
  /** What the client asked for, unless this gateway does not offer it. */
  readonly mode: ClientMode;
  /** WebSocket URLs of other gateways of this world, at most GATEWAYS_MAX, for when this one is gone. */
  readonly gateways: readonly string[];
  readonly schemaHash: number;
  /** Only when the hello's schemaHash was 0. */
  readonly schema: Schema | undefined;
}

/** Positions in whole centimetres, exactly as sent. */
export interface EnterEntry {
  readonly alias: number;
  readonly id: EntityId;
  readonly kind: number;
  readonly xCm: number;
  readonly zCm: number;
  /** Component index → field values; only components this client may see. */
  readonly components: ReadonlyMap<number, Values>;
}

export interface TurnEntry {
  readonly alias: number;
  readonly dxCm: number;
  readonly dzCm: number;
  readonly vx: number;
  readonly vz: number;
}

export interface Snapshot {
  readonly type: 'snapshot';
  /** The client forgets everything it had in view before it reads on. */
  readonly keyframe: boolean;
  /**
   * A delta against the `lastKnownTick` of the hello: every alias that is neither entered nor jumped to here is gone, and
   * an enter replaces whoever had its alias.
   */
  readonly resync: boolean;
  readonly tick: number;
  /** The last input that is contained in this state; 0 for none. */
  readonly inputSequence: number;
  /**
   * `inputSequence - durableLag` is the last input whose effect survives a crash of its owner; later ones are kept and
   * sent again to whoever owns the player after it. 255: at least that far behind.
   */
  readonly durableLag: number;
  /**
   * The client's own entity: its alias in view (0: not in the world), and its exact state for prediction. Undefined: it has
   * gone on with the velocity it had, as `reckonOwn` (motion.core.ts) says.
   */
  readonly self:
    | { readonly alias: number; readonly x: number; readonly z: number; readonly vx: number; readonly vz: number }
    | undefined;
  readonly leaves: readonly number[];
  /** Each stands, unless a turn follows. */
  readonly enters: readonly EnterEntry[];
  /** From where it was reckoned to be at this tick; it stands now. */
  readonly moves: readonly { readonly alias: number; readonly dxCm: number; readonly dzCm: number }[];
  /** To a place; it stands now, unless a turn follows. */
  readonly jumps: readonly { readonly alias: number; readonly xCm: number; readonly zCm: number }[];
  /** From where it was reckoned to be; from now on it has this velocity, in VELOCITY_UNITS. */
  readonly turns: readonly TurnEntry[];
  /** Component fields with new values; those that are not named have the old ones. */
  readonly changes: readonly { readonly alias: number; readonly component: number; readonly values: Values }[];
  readonly events: readonly { readonly alias: number; readonly event: number; readonly values: Values }[];
}

export interface Pong {
  readonly type: 'pong';
  readonly nonce: number;
  readonly serverTimeMs: number;
  readonly tick: number;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: ProtocolErrorCode;
  readonly message: string;
}

/** The own entity has another owner: what follows comes from that node, a keyframe first. */
export interface Handover {
  readonly type: 'handover';
  /** The entity's ownershipSeq there; grows with each change of owner. */
  readonly seq: number;
  /** Name of the owner; at most 64 bytes of UTF-8. */
  readonly node: string;
}

/**
 * Direct mode: the own entity has another owner, which can be reached at `url`. The client says hello there with `token`
 * as its resume token, keeps this connection until the first snapshot came on the new one, and then closes it. Each token
 * opens one connection.
 */
export interface HandoverStart {
  readonly type: 'handoverStart';
  readonly seq: number;
  readonly url: string;
  readonly token: string;
  /** How long the token is good from now on. */
  readonly validMs: number;
}

export type ServerMessage = Welcome | Snapshot | Pong | ErrorMessage | Handover | HandoverStart;

/** Sent in an `error` message; fatal ones are followed by a close with the code in CLOSE_CODE. */
export const PROTOCOL_ERRORS = [
  'ERR_PROTOCOL_MALFORMED',
  'ERR_PROTOCOL_VERSION',
  'ERR_PROTOCOL_SCHEMA',
  'ERR_PROTOCOL_HELLO_EXPECTED',
  'ERR_PROTOCOL_HELLO_TIMEOUT',
  'ERR_PROTOCOL_INPUT_RANGE',
  'ERR_AUTH_TOKEN',
  'ERR_LIMIT_RATE',
  'ERR_LIMIT_CONNECTIONS',
  'ERR_LIMIT_BACKLOG',
  'ERR_LIMIT_SESSIONS',
  'ERR_SERVER_OVERLOADED',
  'ERR_SERVER_STOPPING',
  'ERR_SESSION_REPLACED',
  'ERR_SESSION_EXPIRED',
  'ERR_SESSION_MOVED',
  'ERR_CLOCK_SKEW',
  'ERR_LIMIT_ACCOUNT',
  'ERR_ORIGIN',
] as const;
export type ProtocolErrorCode = (typeof PROTOCOL_ERRORS)[number];

/** WebSocket close codes. 1000 is a normal end; 1012 asks the client to reconnect now, 1013 to try later. */
export const CLOSE_CODE = {
  normal: 1000,
  restart: 1012,
  tryLater: 1013,
  malformed: 4000,
  version: 4001,
  helloTimeout: 4002,
  auth: 4003,
  rate: 4004,
  backlog: 4005,
  replaced: 4006,
  tooManyConnections: 4007,
  clockSkew: 4008,
  moved: 4009,
} as const;
