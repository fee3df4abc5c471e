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
    const { world, stats, player, cluster, traffic, meter, connection, view } = this.#page;
    const { crowd } = cluster.home;
    const { self } = player;
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
        state: player.state.name,
        id: self?.id,
        x: self?.x,
        z: self?.z,
        cellX: self && Math.floor(self.x / cellSize),
        cellZ: self && Math.floor(self.z / cellSize),
        others: player.others.map(({ id, x, z }) => ({ id, x, z })),
      },
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
