/**
 * Which cells are this node's: claims blocks that nobody owns, has new ones populated, and tells the simulation and the neighbours what
 * follows from it. Blocks that have an owner are moved by the balancer (balancer.ts); only a draining node that finds none gives its
 * own away, where rendezvous puts them.
 *
 * A block that is given away changes owner in the directory at once; its entities then stand in foreign cells and leave by the
 * ordinary handover.
 */
import type { BlockOwner, Directory, Member } from './directory.ts';
import type { BlockGrid } from './placement.core.ts';
import { cellsOfBlock, planGifts } from './placement.core.ts';
import type { NodeNumber } from './protocol.ts';

/** In `owners`: nobody's cell. It is not simulated, and nobody can be handed into it. */
export const NOBODY = 255;
/** In `owners`: this node's. */
export const OURS = 0;

export interface BlockKeeperOptions {
  readonly directory: Directory;
  readonly node: NodeNumber;
  readonly grid: BlockGrid;
  /** Metres. */
  readonly cellSize: number;
  /** Metres around our cells in which we want to know others' entities. */
  readonly reach: number;
  /** Nodes that the first placement waits for, and for how long. */
  readonly clusterSize: number;
  /** Whether some node balances. */
  readonly hasBalancer: () => boolean;
  readonly events: BlockKeeperEvents;
}

export interface BlockKeeperEvents {
  /** One byte per cell: OURS, a node's number, or NOBODY. */
  owners(owners: Uint8Array): void;
  /** Cells of ours whose first entities have to be made. */
  populate(cells: Uint32Array): void;
  /** Which cells of a neighbour we want to see. */
  subscribe(node: NodeNumber, cells: Uint32Array): void;
  note(level: 'info' | 'warn', message: string, details: Readonly<Record<string, unknown>>): void;
}

/** How often unowned blocks are asked for. */
const CLAIM_MS = 200;
/** The first placement waits so long for the expected number of nodes. */
const CLUSTER_WAIT_MS = 15_000;
/** A draining node waits so long for somebody who balances. */
const GIFT_AFTER_MS = 3000;

export class BlockKeeper {
  readonly #options: BlockKeeperOptions;
  readonly #owners: Uint8Array<ArrayBuffer>;
  readonly #subscribed = new Map<NodeNumber, string>();
  #blocks: readonly BlockOwner[] = [];
  #members: readonly Member[] = [];
  #isDraining = false;
  /** Since when this node drains and nobody balances; 0 while that is not so. */
  #aloneSinceMs = 0;
  #claimDueMs = 0;
  #firstClaimMs = 0;
  #isBusy = false;

  constructor(options: BlockKeeperOptions) {
    this.#options = options;
    this.#owners = new Uint8Array(options.grid.width * options.grid.depth).fill(NOBODY);
  }

  get owners(): Uint8Array {
    return this.#owners;
  }

  get cellsOwned(): number {
    let count = 0;
    for (const owner of this.#owners) if (owner === OURS) count++;
    return count;
  }

  ownerOfCell(cell: number): number {
    return this.#owners[cell] ?? NOBODY;
  }

  setMembers(members: readonly Member[]): void {
    this.#members = members.filter(({ state }) => state === 'active');
    this.#isDraining = members.some(({ node, state }) => node === this.#options.node && state === 'draining');
  }

  setBlocks(blocks: readonly BlockOwner[]): void {
    this.#blocks = blocks;
    const { node, grid, events } = this.#options;
    for (const { block, node: owner } of blocks) {
      const value = owner === node ? OURS : owner === 0 ? NOBODY : owner;
      for (const cell of cellsOfBlock(grid, block)) this.#owners[cell] = value;
    }
    events.owners(this.#owners.slice());
    this.#subscribe();
  }

  /** To be called a few times a second. */
  time(nowMs: number): void {
    if (this.#isBusy || nowMs < this.#claimDueMs) return;
    this.#claimDueMs = nowMs + CLAIM_MS;
    if (this.#firstClaimMs === 0) this.#firstClaimMs = nowMs;
    this.#isBusy = true;
    this.#keep(nowMs)
      .catch((error: unknown) => {
        this.#options.events.note('warn', 'blocks could not be kept in order', { error: String(error) });
      })
      .finally(() => {
        this.#isBusy = false;
      });
  }

  async #keep(nowMs: number): Promise<void> {
    const { directory, clusterSize } = this.#options;
    if (this.#blocks.some((block) => block.node === 0)) {
      const isPatient = nowMs - this.#firstClaimMs < CLUSTER_WAIT_MS;
      await directory.claimBlocks({ expectNodes: isPatient ? clusterSize : 1 });
    }
    await this.#populate();
    if (!this.#isDraining || this.#options.hasBalancer()) {
      this.#aloneSinceMs = 0;
      return;
    }
    if (this.#aloneSinceMs === 0) this.#aloneSinceMs = nowMs;
    if (nowMs - this.#aloneSinceMs >= GIFT_AFTER_MS) await this.#giveAll();
  }

  async #giveAll(): Promise<void> {
    const { directory, node } = this.#options;
    const own = this.#blocks.filter((block) => block.node === node);
    const gifts = planGifts({ from: node, owned: own.map(({ block }) => block), nodes: this.#members });
    for (const [to, blocks] of gifts) {
      const given = blocks.map((block) => ({ block, epoch: own.find((owned) => owned.block === block)?.epoch ?? 0 }));
      const isGiven = await directory.giveBlocks({ from: node, to, blocks: given });
      if (isGiven) this.#options.events.note('info', 'blocks were given away', { to, blocks: blocks.length });
    }
  }

  async #populate(): Promise<void> {
    const { directory, node, grid, events } = this.#options;
    const empty = this.#blocks.filter((block) => block.node === node && !block.isPopulated).map(({ block }) => block);
    if (empty.length === 0) return;
    const marked = await directory.markPopulated({ node, blocks: empty });
    const cells = marked.flatMap((block) => cellsOfBlock(grid, block));
    if (cells.length > 0) events.populate(Uint32Array.from(cells));
  }

  #subscribe(): void {
    const { events } = this.#options;
    const wanted = this.#cellsInReach();
    for (const node of this.#subscribed.keys()) if (!wanted.has(node)) wanted.set(node, []);
    for (const [node, cells] of wanted) {
      const key = cells.join();
      if ((this.#subscribed.get(node) ?? '') === key) continue;
      this.#subscribed.set(node, key);
      events.subscribe(node, Uint32Array.from(cells));
    }
  }

  /** What a neighbour has to be told again when its link is new. */
  subscriptionTo(node: NodeNumber): Uint32Array {
    return Uint32Array.from(this.#cellsInReach().get(node) ?? []);
  }

  /** By owner: others' cells that are within reach of one of ours. */
  #cellsInReach(): Map<NodeNumber, number[]> {
    const { cellSize, reach } = this.#options;
    const around = Math.ceil(reach / cellSize);
    const found = new Map<NodeNumber, number[]>();
    for (let cell = 0; cell < this.#owners.length; cell++) {
      const owner = this.#owners[cell] ?? NOBODY;
      if (owner === OURS || owner === NOBODY || !this.#hasOursAround(cell, around)) continue;
      const cells = found.get(owner);
      if (cells) cells.push(cell);
      else found.set(owner, [cell]);
    }
    return found;
  }

  #hasOursAround(cell: number, around: number): boolean {
    const { width, depth } = this.#options.grid;
    const column = cell % width;
    const row = Math.floor(cell / width);
    for (let r = Math.max(0, row - around); r <= Math.min(depth - 1, row + around); r++) {
      for (let c = Math.max(0, column - around); c <= Math.min(width - 1, column + around); c++) {
        if (this.#owners[r * width + c] === OURS) return true;
      }
    }
    return false;
  }
}
