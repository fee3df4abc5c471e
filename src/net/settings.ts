/** What the gateway is told at its start. `main` validates the settings; the gateway believes them. */
import type { StoreHandle } from '../memory/store.ts';
import { PROTECTION_DEFAULTS } from './protection.ts';
import type { ProtectionSettings } from './protection.ts';

export interface GatewaySettings extends ProtectionSettings {
  readonly host: string;
  /** Other gateways of this host listen on the same port. */
  readonly reusePort: boolean;
  /** 0: any free port. */
  readonly port: number;
  readonly tickHz: number;
  readonly snapshotHz: number;
  /** Metres. */
  readonly aoiRadius: number;
  readonly edge: 'bounce' | 'stop';
  /** WebSocket connections, players and viewers together; over it: ERR_LIMIT_CONNECTIONS. */
  readonly connectionsMax: number;
  /** Connections of one address, and sessions of one address; over it: ERR_LIMIT_CONNECTIONS. */
  readonly connectionsPerAddress: number;
  /** The same for 127.0.0.0/8 and ::1. */
  readonly connectionsPerAddressLoopback: number;
  /** Over it: ERR_PROTOCOL_MALFORMED; over twice of it the frame is not even read (close code 1009). */
  readonly maxMessageBytes: number;
  /** Messages of one connection, WebSocket pings and pongs included; over it: ERR_LIMIT_RATE. */
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  /** From the upgrade to a valid hello; over it: ERR_PROTOCOL_HELLO_TIMEOUT. */
  readonly helloTimeoutMs: number;
  /** From the first byte of a TCP connection to the end of the HTTP headers; over it: 408. */
  readonly headersTimeoutMs: number;
  /** Without a sign of life for half of it a connection is pinged, after all of it it is cut. */
  readonly idleTimeoutMs: number;
  /** How long a session outlives its connection. */
  readonly resumeGraceMs: number;
  /** Unsent bytes above which a client is sent no snapshots. */
  readonly backlogBytesSkip: number;
  /** Unsent bytes above which a client is dropped with ERR_LIMIT_BACKLOG. */
  readonly backlogBytesMax: number;
  /** How long a client may stay above `backlogBytesSkip` before it is dropped with ERR_LIMIT_BACKLOG. */
  readonly backlogMsMax: number;
  /** Bytes of other nodes' snapshots above which clients in auto mode are sent to the owners of their players. */
  readonly tunnelBytesPerSecondMax: number;
  /** Serve the viewer's files and its feed. */
  readonly viewer: boolean;
  /** Absolute path of the viewer's files. */
  readonly viewerDirectory: string;
  /** Absolute path of the bundled page that is served at /play/; empty: none. */
  readonly pageDirectory: string;
  readonly viewersMax: number;
  /** Of a node of a cluster; undefined for a node alone. */
  readonly cluster?: GatewayCluster | undefined;
  /** Answer /status and /entities to any address, not only to those of this machine. */
  readonly inspectable?: boolean | undefined;
}

export interface GatewayCluster {
  /** Name of this node. */
  readonly node: string;
  /** Seed of the cluster's session tokens, as hexadecimal digits; without it this gateway's are its own. */
  readonly sessionKey?: string;
  /** Of handovers, that are traced; without it none are. */
  readonly traceShare?: number;
  /** Its journal, for traces in the viewer; without it there are none. */
  readonly journal?: {
    readonly folder: string;
    /** Of the module that reads it, in a thread of its own. */
    readonly readerUrl: string;
  };
}

/** A member of the cluster, as the directory has it. */
export interface ClusterNode {
  /** NodeNumber. */
  readonly node: number;
  readonly name: string;
  /** Under which clients and viewers reach it: http, https, ws or wss. */
  readonly clientUrl: string;
  /** joining, active, draining, gone or fenced. */
  readonly state: string;
  readonly incarnation: number;
}

/** Of the cluster's balancer, for viewers. */
export interface BalancerDecision {
  /** UTC milliseconds. */
  readonly atMs: number;
  readonly kind: string;
  readonly outcome: string;
  readonly text: string;
}

export const GATEWAY_DEFAULTS: GatewaySettings = {
  ...PROTECTION_DEFAULTS,
  host: '127.0.0.1',
  reusePort: false,
  port: 7777,
  tickHz: 20,
  snapshotHz: 10,
  aoiRadius: 128,
  edge: 'bounce',
  connectionsMax: 4096,
  connectionsPerAddress: 64,
  connectionsPerAddressLoopback: 4096,
  maxMessageBytes: 4096,
  messagesPerSecond: 60,
  messagesBurst: 300,
  helloTimeoutMs: 5000,
  headersTimeoutMs: 5000,
  idleTimeoutMs: 30_000,
  resumeGraceMs: 30_000,
  backlogBytesSkip: 65_536,
  backlogBytesMax: 1_048_576,
  backlogMsMax: 10_000,
  tunnelBytesPerSecondMax: 4_194_304,
  viewer: true,
  viewerDirectory: '',
  pageDirectory: '',
  viewersMax: 8,
};

export interface GatewayOptions {
  readonly store: StoreHandle;
  readonly settings: GatewaySettings;
  /** Shown to people in the viewer, as they are: leave secrets out. */
  readonly shownSettings: Readonly<Record<string, string | number | boolean>>;
}

/** Spans that main has brought to the collector, dropped, and posts that failed. */
export interface SpanCounts {
  readonly exported: number;
  readonly dropped: number;
  readonly failures: number;
}

/** A cell that development mode stopped because its world code threw; shown in the viewer. */
export interface PausedCell {
  readonly cell: number;
  readonly system: string;
  readonly entity: number;
  readonly message: string;
}
