import type { NodeRow } from './cluster-view.ts';

/** What `window.worldmesh.state` tells of the page. */
export interface DebugState {
  readonly feed: string;
  readonly isBannerShown: boolean;
  readonly tick: number;
  /** Drawn, of all nodes. */
  readonly entities: number;
  /** Drawn since the page was opened. */
  readonly frames: number;
  readonly fps: number;
  readonly longestFrameMs: number;
  readonly malformedCount: number;
  readonly player: {
    readonly state: string;
    readonly id: number | undefined;
    readonly x: number | undefined;
    readonly z: number | undefined;
    /** Cell coordinates. */
    readonly cellX: number | undefined;
    readonly cellZ: number | undefined;
    readonly others: readonly { readonly id: number; readonly x: number; readonly z: number }[];
  };
  /** The clients of this page, in the order of joining. */
  readonly clients: readonly {
    readonly name: string;
    readonly state: string;
    readonly isCut: boolean;
    readonly id: number | undefined;
    readonly x: number | undefined;
    readonly z: number | undefined;
    readonly pingMs: number;
    readonly bytesIn: number;
    readonly inputsSent: number;
  }[];
  readonly selectedId: number;
  /** The first entities of the node that the page came from, where they are drawn. */
  readonly overview: readonly { readonly slot: number; readonly x: number; readonly z: number }[];
  /** Of a cluster, by name; empty for a node alone. */
  readonly nodes: readonly NodeRow[];
  /** Handovers between nodes drawn since the page was opened, and in doubt now. */
  readonly peerHandovers: number;
  readonly peerHandoversInDoubt: number;
  readonly camera: { readonly centreX: number; readonly centreZ: number; readonly scale: number };
}
