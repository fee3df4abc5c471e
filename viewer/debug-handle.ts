/**
 * `window.worldmesh`: what the page shows, read-only, for tests and for people with the console open.
 * Every reading is a fresh plain object.
 */
import type { Page } from './page.ts';

export interface DebugState {
  readonly feed: string;
  readonly isBannerShown: boolean;
  readonly tick: number;
  readonly entities: number;
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
  /** The first entities of the overview, where they are drawn. */
  readonly overview: readonly { readonly slot: number; readonly x: number; readonly z: number }[];
  readonly camera: { readonly centreX: number; readonly centreZ: number; readonly scale: number };
}

const OVERVIEW_SHOWN_MAX = 50;

export class DebugHandle {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  get state(): DebugState {
    const { world, stats, player, crowd, meter, connection, view } = this.#page;
    const { self } = player;
    const cellSize = world?.grid.cellSize ?? 1;
    return {
      feed: this.#page.feedState,
      isBannerShown: connection.isBannerShown,
      tick: stats?.tick ?? 0,
      entities: crowd.count,
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
    };
  }

  /** Starts a fresh measurement of frames a second. */
  resetFps(): void {
    this.#page.meter.reset();
  }
}
