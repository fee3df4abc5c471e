/** The clients of this page, and which of them the camera and the keys are for. */
import { Player, type JoinOptions } from './player.ts';
import { STANDING } from './walk-keys.ts';

/** More than a page can usefully show; `worldmesh bots` makes crowds. */
export const PLAYERS_MAX = 16;

export class Roster {
  readonly #players: Player[] = [];
  #active: Player | undefined;
  #nextNumber = 1;

  /** In the order of joining. */
  get players(): readonly Player[] {
    return this.#players;
  }

  get active(): Player | undefined {
    return this.#active;
  }

  get isFull(): boolean {
    return this.#players.length >= PLAYERS_MAX;
  }

  /** The new one is active; undefined when there are PLAYERS_MAX. */
  join(options: JoinOptions): Player | undefined {
    if (this.isFull) return undefined;
    const player = new Player(this.#nextNumber++, options);
    this.#players.push(player);
    this.activate(player);
    return player;
  }

  /** Also of one that is away: it is not listed any more. */
  leave(player: Player): void {
    const index = this.#players.indexOf(player);
    if (index < 0) return;
    player.leave();
    this.#players.splice(index, 1);
    if (this.#active === player) this.#active = this.#players[Math.min(index, this.#players.length - 1)];
  }

  activate(player: Player): void {
    if (player === this.#active) return;
    // Keys are for one: who was walking stops.
    this.#active?.setDirection(STANDING);
    this.#active = player;
  }

  /** Once a frame. */
  update(nowMs: number): void {
    for (const player of this.#players) player.update(nowMs);
  }
}
