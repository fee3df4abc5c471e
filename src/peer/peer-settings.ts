/** What the peer thread is told by main; validated there (src/main/config). */
import type { SpanBatch } from '../base/handover-span.ts';
import type { EventSchema } from '../base/schema.ts';
import type { DeliverySettings } from './delivery.ts';
import type { Decision } from './balancer-log.core.ts';
import type { LinkAddress, LinkTls } from './link-tls.ts';
import type { SchemaEntry, WorldFacts } from './directory.ts';

export interface PeerSettings {
  /** Of this node: NODE_NAME. */
  readonly name: string;
  /** Holds the ledger: `<dataDir>/<name>`. */
  readonly folder: string;
  /** `sqlite:FILE`. */
  readonly directory: string;
  readonly facts: WorldFacts;
  readonly schema: SchemaEntry;
  /** Of what clients see of it; 0: compared with nobody's. */
  readonly viewHash: number;
  /** In cells. */
  readonly gridWidth: number;
  readonly gridDepth: number;
  readonly listen: LinkAddress;
  /** Where nodes are found whose address in the directory does not reach them from here. */
  readonly peers: readonly (LinkAddress & { readonly name: string })[];
  readonly tls: LinkTls | undefined;
  readonly release: string;
  /** Weight in placement. */
  readonly capacity: number;
  readonly clusterSize: number;
  readonly balanceMovesPerMinute: number;
  /** A command or a URL; '' for none. */
  readonly capacityHook: string;
  readonly leaseMs: number;
  readonly takeoverAfterMs: number;
  /** Handovers at once, per neighbour. */
  readonly handoversMax: number;
  /** How long a player waits for a client whose gateway is gone. */
  readonly graceMs: number;
  /** Metres around our cells in which others' entities are of interest: view, hysteresis, overhang. */
  readonly reach: number;
  /** Journals of this node that neighbours took over, kept as history. */
  readonly takenJournalsMax: number;
  /** What the world may publish, and where it is delivered. */
  readonly publications: readonly EventSchema[];
  readonly delivery: DeliverySettings;
  /** Of handovers, that are traced. */
  readonly traceShare: number;
  /** See crash-point.ts. */
  readonly crashPoint: string | undefined;
}

/** What this process is in its cluster, known before its store is made. */
export interface PeerJoined {
  readonly node: number;
  readonly incarnation: number;
  readonly clusterId: string;
  /** UTC milliseconds of tick 0. */
  readonly tickEpochMs: number;
  /** Entities in the journal. */
  readonly entities: number;
  /** Seed of the cluster's session tokens, as hexadecimal digits. */
  readonly sessionKey: string;
}

/** A member of the cluster, as the directory has it. */
export interface KnownNode {
  readonly node: number;
  readonly name: string;
  readonly clientUrl: string;
  readonly state: string;
  readonly incarnation: number;
}

/** What the peer thread tells main while it runs. */
export type PeerEvent =
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | ({ readonly type: 'spans' } & SpanBatch)
  /** The members of the cluster, for the viewer. */
  | { readonly type: 'nodes'; readonly nodes: readonly KnownNode[] }
  /** What the balancer decided last, for the viewer. */
  | { readonly type: 'decisions'; readonly decisions: readonly Decision[] }
  /** The node was to leave, and has nothing left: it is to stop. `restarts`: and to be started again. */
  | { readonly type: 'drained'; readonly restarts: boolean }
  /** This process may not go on: it was fenced, or its journal failed beyond repair. */
  | { readonly type: 'stopped'; readonly reason: string };

export function knownNode({ node, name, clientUrl, state, incarnation }: KnownNode): KnownNode {
  return { node, name, clientUrl, state, incarnation };
}
