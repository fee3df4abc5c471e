/** The player of this page: a session of the client SDK, or none. */
import { connect, type Client, type ClientStatus, type UntypedEntity } from '../src/client/index.ts';
import { STANDING, type Direction } from './walk-keys.ts';

/** While a key is held its direction is sent again this often: one lost input must not stop the walk. */
const RESEND_MS = 250;
const NAME_FIELD = 'name';

export interface ViewEntity {
  readonly id: number;
  /** Index in the schema. */
  readonly kind: number;
  /** Where to draw it: predicted or interpolated, in metres. */
  readonly x: number;
  readonly z: number;
  /** m/s. */
  readonly vx: number;
  readonly vz: number;
  /** Of the first component that has a text field `name`. */
  readonly name: string | undefined;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export type PlayerState =
  | { readonly name: 'away'; readonly reason: string | undefined }
  | { readonly name: 'joining' }
  | { readonly name: 'playing' }
  | { readonly name: 'reconnecting' };

export class Player {
  readonly #url: string;
  #client: Client | undefined;
  #state: PlayerState = { name: 'away', reason: undefined };
  #direction = STANDING;
  #directionSentMs = Number.NEGATIVE_INFINITY;
  #self: ViewEntity | undefined;
  #others: readonly ViewEntity[] = [];
  playerName = '';

  constructor(url: string) {
    this.#url = url;
  }

  get state(): PlayerState {
    return this.#state;
  }

  get self(): ViewEntity | undefined {
    return this.#self;
  }

  /** In view, as of the last `update`. */
  get others(): readonly ViewEntity[] {
    return this.#others;
  }

  /** Metres; 0 before the first connection. */
  get aoiRadius(): number {
    return this.#client?.welcome?.aoiRadius ?? 0;
  }

  /** Round trip in milliseconds; 0 while it is not known. */
  get pingMs(): number {
    const rttMs = this.#client?.statistics.rttMs ?? 0;
    return Number.isFinite(rttMs) ? rttMs : 0;
  }

  /** Name of the node that owns the player, once it has changed node. */
  get ownerName(): string | undefined {
    return this.#client?.owner?.node;
  }

  join(name: string): void {
    this.#client?.close();
    this.playerName = name;
    this.#state = { name: 'joining' };
    const client = connect(this.#url, { name });
    this.#client = client;
    client.onStatus((status) => {
      if (client === this.#client) this.#changed(status);
    });
  }

  leave(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.close();
    this.#away(undefined);
  }

  setDirection(direction: Direction): void {
    this.#direction = direction;
    this.#sendDirection(performance.now());
  }

  /** Once a frame. */
  update(nowMs: number): void {
    const client = this.#client;
    if (client === undefined) return;
    const isWalking = this.#direction.moveX !== 0 || this.#direction.moveZ !== 0;
    if (isWalking && nowMs - this.#directionSentMs > RESEND_MS) this.#sendDirection(nowMs);
    client.update(nowMs);
    const { self, entities, schema } = client;
    const kinds = new Map(schema?.kinds.map(({ name, index }) => [name, index]));
    const others: ViewEntity[] = [];
    for (const entity of entities.values()) {
      if (!entity.isSelf) others.push(toView(entity, kinds));
    }
    this.#others = others;
    this.#self = self === undefined ? undefined : toView(self, kinds);
  }

  #sendDirection(nowMs: number): void {
    if (this.#state.name !== 'playing' || this.#client === undefined) return;
    const fields = this.#client.schema?.input ?? [];
    if (!['moveX', 'moveZ'].every((name) => fields.some((field) => field.name === name))) return;
    const { moveX, moveZ } = this.#direction;
    this.#client.input({ moveX, moveZ });
    this.#directionSentMs = nowMs;
  }

  #changed(status: ClientStatus): void {
    switch (status.kind) {
      case 'connecting':
        return;
      case 'online':
        this.#state = { name: 'playing' };
        // Without a resume the server starts a new player; either way it does not know what is held now.
        this.#sendDirection(performance.now());
        return;
      case 'reconnecting':
        // Before the first welcome there is no player to come back to: the form keeps saying "joining".
        if (this.#state.name !== 'joining') this.#state = { name: 'reconnecting' };
        return;
      case 'closed':
        this.#client = undefined;
        this.#away(status.error?.message);
        return;
    }
  }

  #away(reason: string | undefined): void {
    this.#state = { name: 'away', reason };
    this.#self = undefined;
    this.#others = [];
    this.#direction = STANDING;
  }
}

function toView(entity: UntypedEntity, kinds: ReadonlyMap<string, number>): ViewEntity {
  return {
    id: entity.id,
    kind: kinds.get(entity.kind) ?? 0,
    x: entity.renderX,
    z: entity.renderZ,
    vx: entity.vx,
    vz: entity.vz,
    name: nameOf(entity),
    components: entity.components as ViewEntity['components'],
  };
}

function nameOf({ components }: UntypedEntity): string | undefined {
  for (const values of Object.values(components)) {
    const name = values?.[NAME_FIELD];
    if (typeof name === 'string') return name;
  }
  return undefined;
}
