/** Handovers between nodes on the map: what each node tells of its own, put together. */
import type { ClusterView } from './cluster-view.ts';
import type { NodeView } from './node-view.ts';
import { PEER_HANDOVER, nodeOf, peerKindOf, type PeerHandoversFrame } from './overview.wire.ts';
import { COLOUR } from './palette.ts';

export interface InDoubt {
  readonly x: number;
  readonly z: number;
  readonly colour: number;
}

/** What it draws on. */
export interface TrafficScene {
  /** `atSeconds` on the clock of `performance.now()`. */
  flashPeerHandover(place: { x: number; z: number }, style: { colour: number; atSeconds: number }): void;
  /** Replaces those shown before. */
  setInDoubt(all: readonly InDoubt[]): void;
}

export class PeerTraffic {
  /** Handovers seen, counted once each. */
  handovers = 0;
  cameBack = 0;
  readonly #cluster: ClusterView;
  readonly #scene: TrafficScene;
  readonly #inDoubt = new Map<NodeView, readonly InDoubt[]>();

  constructor(cluster: ClusterView, scene: TrafficScene) {
    this.#cluster = cluster;
    this.#scene = scene;
  }

  /** Of all nodes, now. */
  get inDoubtCount(): number {
    return [...this.#inDoubt.values()].reduce((sum, all) => sum + all.length, 0);
  }

  /** @param shownMs when the entities are drawn as they were at the frame's tick. */
  take(view: NodeView, frame: PeerHandoversFrame, shownMs: number): void {
    const inDoubt: InDoubt[] = [];
    const atSeconds = shownMs / 1000;
    for (let index = 0; index < frame.count; index++) {
      const kindAndNode = frame.kindAndNode[index]!;
      const kind = peerKindOf(kindAndNode);
      const other = nodeOf(kindAndNode);
      const place = { x: frame.x[index]!, z: frame.z[index]! };
      if (kind === PEER_HANDOVER.inDoubt) {
        inDoubt.push({ ...place, colour: COLOUR.doubt });
      } else if (kind === PEER_HANDOVER.arrived) {
        this.#flash(place, { colour: this.#cluster.colourOf(view.node), atSeconds });
      } else if (kind === PEER_HANDOVER.handedOver && this.#cluster.viewOf(other)?.isLive !== true) {
        // Whoever took it does not tell: this node does.
        this.#flash(place, { colour: this.#cluster.colourOf(other), atSeconds });
      } else if (kind === PEER_HANDOVER.cameBack) {
        this.cameBack++;
        this.#scene.flashPeerHandover(place, { colour: COLOUR.doubt, atSeconds });
      }
    }
    this.#setInDoubt(view, inDoubt);
  }

  /** A node that does not answer says nothing of what it had in doubt. */
  forget(view: NodeView): void {
    this.#setInDoubt(view, []);
  }

  #flash(place: { x: number; z: number }, style: { colour: number; atSeconds: number }): void {
    this.handovers++;
    this.#scene.flashPeerHandover(place, style);
  }

  #setInDoubt(view: NodeView, all: readonly InDoubt[]): void {
    if (all.length === 0 && !this.#inDoubt.delete(view)) return;
    if (all.length > 0) this.#inDoubt.set(view, all);
    this.#scene.setInDoubt([...this.#inDoubt.values()].flat());
  }
}
