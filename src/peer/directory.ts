/**
 * The directory: the few facts on which all nodes of a cluster must agree. Who is a member and until when, who owns which
 * block of cells, where a named player rests, and a few switches. It is not on the path of a handover.
 *
 * Every change is one transaction that compares before it writes; nothing here waits for another node. `version` of a lease
 * comes from one counter of the whole directory, as an etcd revision does: it only grows, and no two leases ever have the
 * same. The embedded implementation (directory-sqlite.ts) serves the processes of one host; test/peer/directory-suite.ts is
 * what every implementation has to pass.
 *
 * Every call may throw DirectoryError ERR_DIRECTORY_BUSY (nothing was changed: try again), ERR_DIRECTORY_FILE,
 * ERR_DIRECTORY_CORRUPT and ERR_DIRECTORY_CLOSED; further ones are named beside the call.
 */
import type { EntityId } from '../base/brand.ts';
import type { NodeLoad, ReportedLoad } from './load-values.core.ts';
import type { Ledger, NodeNumber } from './protocol.ts';

/** Fixed when the directory is made; a node that was set differently is refused. */
export interface WorldFacts {
  /** Name of the world module. */
  readonly world: string;
  /** Metres. */
  readonly worldSize: number;
  readonly cellSize: number;
  /** Side of a block, in cells. */
  readonly blockCells: number;
  /** Hz. Ticks of all nodes are counted from one moment. */
  readonly tickHz: number;
  /** How many blocks the grid has; follows from the above (placement.core.ts). */
  readonly blockCount: number;
}

export interface ClusterFacts extends WorldFacts {
  /** Random, 32 lower-case hex digits. */
  readonly clusterId: string;
  /** When tick 0 was, UTC milliseconds: the moment at which the directory was made. */
  readonly tickEpochMs: number;
}

/** A schema that some node has joined with: needed to read the records it wrote. */
export interface SchemaEntry {
  readonly hash: number;
  readonly version: number;
  /** As JSON, at most SCHEMA_TEXT_MAX characters. */
  readonly text: string;
}

export const MEMBER_STATES = ['joining', 'active', 'draining', 'gone', 'fenced'] as const;
export type MemberState = (typeof MEMBER_STATES)[number];

/** One lease. A node whose journal was taken and that came back with a new one has several: one live, others fenced. */
export interface Member {
  readonly node: NodeNumber;
  readonly name: string;
  readonly ledger: Ledger;
  readonly incarnation: number;
  /** Raised by each change of the lease; what `fence` compares. */
  readonly version: number;
  readonly state: MemberState;
  /** `host:port` for peers. */
  readonly peerAddress: string;
  /** What clients are told, and shown to people. */
  readonly clientUrl: string;
  /** Where its journal lies. */
  readonly folder: string;
  readonly pid: number;
  /** Of Worldmesh. */
  readonly release: string;
  readonly schemaVersion: number;
  /** Weight in placement, above 0. */
  readonly capacity: number;
  /** Of its journal, as last reported. */
  readonly position: number;
  readonly isProtected: boolean;
  /** 0 without one. */
  readonly buddy: NodeNumber;
  /** Of a fenced lease, else 0 and ''. */
  readonly successor: NodeNumber;
  readonly successorLedger: Ledger;
  /** UTC milliseconds by the clock of whoever wrote, for people; nothing decides by them. */
  readonly joinedAtMs: number;
  readonly renewedAtMs: number;
}

export interface JoinRequest {
  /** NODE_NAME */
  readonly name: string;
  readonly ledger: Ledger;
  /** The incarnation that wrote last in this ledger, 0 in a new one: given ones are above it, whatever the directory remembers. */
  readonly incarnationSeen: number;
  /** Position of the last durable batch of the journal. */
  readonly position?: number;
  readonly peerAddress: string;
  readonly clientUrl: string;
  readonly folder: string;
  readonly pid: number;
  readonly release: string;
  readonly capacity: number;
  readonly schema: SchemaEntry;
  /** Of what clients see of that schema (base/view-hash.ts); 0: it is compared with nobody's. */
  readonly viewHash: number;
}

export interface Joined {
  readonly node: NodeNumber;
  /** Larger than any given out before, to anybody. */
  readonly incarnation: number;
  readonly version: number;
  /** The incarnation that this ledger had before; 0 for a ledger that is new here. */
  readonly previousIncarnation: number;
}

export interface Renewal {
  readonly node: NodeNumber;
  readonly incarnation: number;
  /** What this node knows of its version, for the record; an earlier renewal whose answer was lost has raised it further. */
  readonly version?: number;
  readonly state?: Exclude<MemberState, 'gone' | 'fenced'>;
  readonly isProtected?: boolean;
  readonly buddy?: NodeNumber;
  readonly position?: number;
  readonly capacity?: number;
  /** An address that was only known after listening. */
  readonly clientUrl?: string;
  readonly peerAddress?: string;
}

export interface BlockOwner {
  readonly block: number;
  /** 0: nobody. */
  readonly node: NodeNumber;
  /** Fencing number: one more at each change of owner. */
  readonly epoch: number;
  /** The world's first entities were made here. */
  readonly isPopulated: boolean;
}

/** Where a named player was last: a hint, safety rests on ledgers and sequences. */
export interface NameHome {
  readonly ledger: Ledger;
  readonly entity: EntityId;
}
export interface NameEntry extends NameHome {
  readonly version: number;
}

/** A switch that can be changed while the cluster runs. */
export interface SettingEntry {
  readonly key: string;
  readonly value: string;
  readonly version: number;
}

/** What has changed since the last call; parts that have not are left out. All parts are of one moment. */
export interface DirectoryChange {
  readonly revision: number;
  readonly members?: readonly Member[];
  readonly blocks?: readonly BlockOwner[];
  readonly settings?: readonly SettingEntry[];
  readonly schemas?: readonly SchemaEntry[];
  /** Told only to those who watch them. */
  readonly loads?: readonly ReportedLoad[];
  /** Names are too many to be sent along. */
  readonly names?: true;
}

/** Keys of settings that mean something; others are kept and watched as well. */
export const DIRECTORY_SETTINGS = {
  /** "0" … "100": share of entities that may change node. */
  handoverPercent: 'handoverPercent',
  /** JSON list of block numbers that nothing may be handed into. */
  closedBlocks: 'closedBlocks',
  /** JSON object (handover-pause.core.ts): no handovers for a moment, as a backup needs it. Ends by time, and empty when it is over. */
  handoverPause: 'handoverPause',
  /** BALANCE_MODES: what the balancer does with what it decides. */
  balance: 'balance',
  /** `node:incarnation` of the node that balances; it stands while that lease lives. Taken by compare-and-swap. */
  balancer: 'balancer',
  /** JSON list of the balancer's last decisions, newest last. */
  balancerLog: 'balancerLog',
} as const;

/**
 * `on` (also when it is not set): moves blocks. `gather`: also empties nodes that could be switched off. `dry-run`: says what `on` would move.
 * `off`: only blocks of draining nodes are moved, as in every mode.
 */
export const BALANCE_MODES = ['on', 'gather', 'dry-run', 'off'] as const;
export type BalanceMode = (typeof BALANCE_MODES)[number];

/** `sessionKey`: the seed with which session tokens are signed, as hexadecimal digits. */
export const SECRET_NAMES = ['sessionKey'] as const;
export type SecretName = (typeof SECRET_NAMES)[number];
export const SECRET_VALUE = /^[0-9a-f]{64}$/;

export const NODE_NAME = /^[a-z][a-z0-9-]{0,31}$/;
export const NAME_KEY_MAX = 256;
export const SETTING_KEY_MAX = 64;
export const SETTING_VALUE_MAX = 65_536;
export const SCHEMA_TEXT_MAX = 1 << 20;
/** Schemas that are remembered; the oldest is dropped for a new one. */
export const SCHEMAS_REMEMBERED_MAX = 64;
/** Leases that are remembered, fenced ones included; then a new ledger is refused until some are forgotten. */
export const LEDGERS_MAX = 1024;
/** Blocks of a world; 1,048,576 cells in blocks of one cell. */
export const BLOCKS_MAX = 1 << 20;

export interface WatchOptions {
  /** Hears that the directory cannot be read for now; the watch goes on. */
  readonly onError?: (error: Error) => void;
  /** Tells load reports, too: several a second in a large cluster. Those who do not ask are not woken by them. */
  readonly withLoads?: boolean;
}

export interface Directory extends AsyncDisposable {
  readonly facts: ClusterFacts;

  /**
   * Makes this process a member in the state `joining`, with a new incarnation. Call it with the ledger's lock in hand: a live
   * lease of the same ledger and folder is then of a process that is dead, and is continued.
   * @throws ERR_DIRECTORY_NAME_TAKEN when a live process has the name with another ledger, ERR_DIRECTORY_NAME_UNRESOLVED when a
   *   dead one had it whose ledger nobody has taken (retry: a neighbour may), ERR_DIRECTORY_LEDGER_FENCED when the ledger was
   *   taken (start with a new one), ERR_DIRECTORY_LEDGER_TAKEN for a copied folder, ERR_DIRECTORY_LEDGER_OLDER when the journal is
   *   behind what was once reported, ERR_DIRECTORY_SCHEMA, ERR_DIRECTORY_VIEW, ERR_DIRECTORY_NODES_MAX, ERR_DIRECTORY_LEDGERS_MAX,
   *   ERR_DIRECTORY_INCARNATION_MAX, ERR_DIRECTORY_VALUE.
   */
  join(request: JoinRequest): Promise<Joined>;

  /**
   * Grants the lease anew, and changes what is given. `fenced`: it is not this incarnation's any more, and never will be.
   * A node may act until `leaseMs` after it *sent* this (lease.core.ts).
   */
  renew(renewal: Renewal): Promise<{ readonly version: number } | 'fenced'>;

  /** A clean stop: the lease is `gone`, blocks and ledger remain its own. Nothing happens when it was fenced. */
  leave(lease: { readonly node: NodeNumber; readonly incarnation: number }): Promise<void>;

  /**
   * Whether that incarnation is to leave (`draining`) or not any more (`active`); by anybody. False, and nothing is changed, when it is
   * neither of both: it joins, it is gone, or another incarnation has the lease.
   */
  drain(request: {
    readonly node: NodeNumber;
    readonly incarnation: number;
    readonly isDraining: boolean;
  }): Promise<boolean>;

  /** All leases, live ones last, by node number. */
  members(): Promise<Member[]>;

  /**
   * Ends the lease of `node` and gives all its blocks to `successor`, each with its epoch raised, in one transaction, if its
   * version is still `seenVersion` and the successor is a live member. False when not: nothing was changed.
   */
  fence(request: {
    readonly node: NodeNumber;
    readonly seenVersion: number;
    readonly successor: NodeNumber;
  }): Promise<boolean>;

  /** Forgets a fenced ledger to which nothing is in transit any more. False while a lease that is still kept names it as successor. */
  forget(ledger: Ledger): Promise<boolean>;

  /** All blocks, by number. */
  blocks(): Promise<BlockOwner[]>;

  /**
   * Places the blocks that nobody owns on the active members by weighted rendezvous (placement.core.ts), if at least `expectNodes`
   * are active. When the time to wait for them is over, ask with 1.
   */
  claimBlocks(request: { readonly expectNodes: number }): Promise<{ readonly placed: number; readonly active: number }>;

  /** All of the blocks or none: each must be of `from` with this epoch, and `to` must be active. */
  giveBlocks(request: {
    readonly from: NodeNumber;
    readonly to: NodeNumber;
    readonly blocks: readonly { readonly block: number; readonly epoch: number }[];
  }): Promise<boolean>;

  /** The blocks among these that are of `node` and were not populated: they are from now on, and no other caller is told so. */
  markPopulated(request: { readonly node: NodeNumber; readonly blocks: readonly number[] }): Promise<number[]>;

  /**
   * Replaces the node's last report. Not synced to disk: it is old within a second. False when that incarnation has no live lease.
   * @throws ERR_DIRECTORY_VALUE
   */
  reportLoad(report: {
    readonly node: NodeNumber;
    readonly incarnation: number;
    readonly load: NodeLoad;
  }): Promise<boolean>;

  /** The last report of each live member that has made one under its lease, by node number. */
  loads(): Promise<ReportedLoad[]>;

  getName(key: string): Promise<NameEntry | undefined>;
  /**
   * Writes if the version is still `expectedVersion` (0: there is no such name).
   * @returns the new version, or undefined when it was another. @throws ERR_DIRECTORY_VALUE
   */
  putName(
    key: string,
    home: NameHome,
    options: { readonly expectedVersion: number },
  ): Promise<{ readonly version: number } | undefined>;
  deleteName(key: string, options: { readonly expectedVersion: number }): Promise<boolean>;

  settings(): Promise<SettingEntry[]>;
  /** Without `expectedVersion` the last writer wins. @throws ERR_DIRECTORY_VALUE */
  putSetting(
    key: string,
    value: string,
    options?: { readonly expectedVersion?: number },
  ): Promise<{ readonly version: number } | undefined>;

  /**
   * What the cluster has under this name: `candidate` if there was nothing, and then for ever. Told to nodes only, never watched.
   * @throws ERR_DIRECTORY_VALUE
   */
  secret(name: SecretName, candidate: string): Promise<string>;

  schemas(): Promise<SchemaEntry[]>;

  /**
   * Tells at once everything there is, and then each change within some 25 ms of it; several may come as one.
   */
  watch(onChange: (change: DirectoryChange) => void, options?: WatchOptions): () => void;

  close(): Promise<void>;
}
