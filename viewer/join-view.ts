/** The join form on the map, and what stands in its place while a client is followed. */
import { NAME_BYTES_MAX } from './clients/join-form.ts';
import { element, setText } from './page-elements.ts';
import { clientColour, cssColour } from './palette.ts';
import type { Player } from './player.ts';

const NAME_KEY = 'worldmesh.name';

export interface Whereabouts {
  readonly cell: string;
  /** Of its owner; undefined outside of a cluster. */
  readonly node: string | undefined;
  readonly x: number;
  readonly z: number;
}

export class JoinView {
  readonly #app = element('app', HTMLElement);
  readonly #form = element('join', HTMLFormElement);
  readonly #name = element('name', HTMLInputElement);
  readonly #button = element('join-button', HTMLButtonElement);
  readonly #error = element('join-error', HTMLElement);
  readonly #hud = element('hud', HTMLElement);
  readonly #hudName = element('hud-name', HTMLElement);
  readonly #hudPlace = element('hud-place', HTMLElement);
  readonly #hudView = element('hud-view', HTMLElement);
  readonly #hudPing = element('hud-ping', HTMLElement);
  #nameProblem: string | undefined;

  constructor({ onJoin, onLeave }: { onJoin: (name: string) => void; onLeave: () => void }) {
    this.#name.value = rememberedName();
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const name = this.#name.value.trim() || 'guest';
      const isTooLong = new TextEncoder().encode(name).length > NAME_BYTES_MAX;
      this.#nameProblem = isTooLong ? `This name is too long: at most ${NAME_BYTES_MAX} bytes.` : undefined;
      if (isTooLong) return;
      rememberName(name);
      onJoin(name);
    });
    this.#name.addEventListener('input', () => (this.#nameProblem = undefined));
    element('leave', HTMLButtonElement).addEventListener('click', onLeave);
  }

  /** `canWalk` is false when the world takes other inputs than this page sends. */
  show(
    player: Player | undefined,
    { isLive, canWalk, place }: { isLive: boolean; canWalk: boolean; place: Whereabouts | undefined },
  ): void {
    const isInWorld = player?.isInWorld === true;
    const isJoining = player?.state.name === 'joining';
    this.#app.classList.toggle('playing', isInWorld);
    this.#form.hidden = isInWorld;
    this.#hud.hidden = !isInWorld;
    this.#button.disabled = isJoining || !isLive;
    setText(this.#button, isJoining ? 'Joining …' : 'Join');
    const problem = this.#nameProblem ?? (player?.state.name === 'away' ? player.state.reason : undefined);
    this.#error.hidden = problem === undefined;
    setText(this.#error, problem ?? '');
    if (isInWorld) this.#showHud(player, { canWalk, place });
  }

  #showHud(player: Player, { canWalk, place }: { canWalk: boolean; place: Whereabouts | undefined }): void {
    const isReconnecting = player.state.name === 'reconnecting';
    const isCut = player.network.cut !== undefined;
    this.#hud.classList.toggle('waiting', isReconnecting || isCut);
    const colour = cssColour(clientColour(player.number));
    if (this.#hud.dataset['colour'] !== colour) {
      this.#hud.dataset['colour'] = colour;
      this.#hud.style.setProperty('--client', colour);
    }
    setText(this.#hudName, player.name);
    if (isReconnecting) setText(this.#hudPlace, 'reconnecting …');
    else if (!canWalk) setText(this.#hudPlace, 'this world is not walked with keys');
    else if (place !== undefined) setText(this.#hudPlace, describePlace(place));
    setText(this.#hudView, `${player.others.length} in view`);
    setText(this.#hudPing, isCut ? 'cut off' : player.pingMs > 0 ? `${Math.round(player.pingMs)} ms` : '');
  }
}

function describePlace({ cell, node, x, z }: Whereabouts): string {
  const owner = node === undefined ? '' : ` · node ${node}`;
  return `cell ${cell}${owner} · ${x.toFixed(1)}, ${z.toFixed(1)}`;
}

function rememberedName(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? '';
  } catch {
    return ''; // Storage may be forbidden; the name is a convenience.
  }
}

function rememberName(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // As above.
  }
}
