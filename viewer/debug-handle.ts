/**
 * `window.worldmesh`: what the page shows, read-only, for tests and for people with the console open.
 * Every reading is a fresh plain object.
 */
import type { DebugState } from './debug-state.ts';
import type { Page } from './page.ts';

const OVERVIEW_SHOWN_MAX = 50;

export class DebugHandle {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  get state(): DebugState {
    const { world, stats, player, playground, cluster, traffic, meter, connection, view } = this.#page;
    const { crowd } = cluster.home;
    const self = player?.self;
    const cellSize = world?.grid.cellSize ?? 1;
    return {
      feed: this.#page.feedState,
      isBannerShown: connection.isBannerShown,
      tick: stats?.tick ?? 0,
      entities: cluster.views.reduce((sum, node) => sum + node.crowd.count, 0),
      frames: meter.frames,
      fps: meter.fps,
      longestFrameMs: meter.longestMs,
      malformedCount: this.#page.malformedCount,
      player: {
        state: player?.state.name ?? 'away',
        id: self?.id,
        x: self?.x,
        z: self?.z,
        cellX: self && Math.floor(self.x / cellSize),
        cellZ: self && Math.floor(self.z / cellSize),
        others: (player?.others ?? []).map(({ id, x, z }) => ({ id, x, z })),
      },
      clients: playground.roster.players.map((client) => ({
        name: client.name,
        state: client.state.name,
        isCut: client.network.cut !== undefined,
        id: client.self?.id,
        x: client.self?.x,
        z: client.self?.z,
        pingMs: client.pingMs,
        bytesIn: client.tap.traffic.bytesIn,
        inputsSent: client.inputsSent,
      })),
      selectedId: playground.selection.id,
      overview: Array.from({ length: Math.min(OVERVIEW_SHOWN_MAX, crowd.count) }, (_, index) => ({
        slot: crowd.slotAt(index),
        ...crowd.placeAt(index, 1),
      })),
      camera: { ...view.camera },
      nodes: cluster.rows().map((row) => ({ ...row })),
      peerHandovers: traffic.handovers,
      peerHandoversInDoubt: traffic.inDoubtCount,
    };
  }

  /** Starts a fresh measurement of frames a second. */
  resetFps(): void {
    this.#page.meter.reset();
  }
}
