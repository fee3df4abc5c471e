/** The entity that was clicked: in the player's view by its id, elsewhere by its slot, for that is all the overview has. */
import type { Place } from './camera.ts';
import type { Crowd } from './crowd.ts';
import type { WorldMessage } from './overview-text.wire.ts';
import { describeValues, type Inspected } from './panel.ts';
import type { Player, ViewEntity } from './player.ts';

type Selected =
  | { readonly by: 'id'; readonly id: number }
  | { readonly by: 'slot'; readonly slot: number; readonly kind: number };

export class Selection {
  readonly #crowd: Crowd;
  readonly #player: Player;
  #selected: Selected | undefined;
  #place: Place | undefined;

  constructor(crowd: Crowd, player: Player) {
    this.#crowd = crowd;
    this.#player = player;
  }

  get place(): Place | undefined {
    return this.#place;
  }

  clear(): void {
    this.#selected = undefined;
    this.#place = undefined;
  }

  /** The nearest entity within `reach` metres, those of the player's view first; none clears. */
  pick(place: Place, { blend, reach }: { blend: number; reach: number }): void {
    this.clear();
    const near = nearestOf(viewOf(this.#player), place, reach);
    if (near !== undefined) {
      this.#selected = { by: 'id', id: near.id };
      return;
    }
    const index = this.#crowd.nearest(place, { blend, reach });
    if (index < 0) return;
    this.#selected = { by: 'slot', slot: this.#crowd.slotAt(index), kind: this.#crowd.kindAt(index) };
  }

  /** Follows the entity; one that left the world or the view is deselected. */
  update(world: WorldMessage, blend: number): Inspected | undefined {
    const selected = this.#selected;
    if (selected === undefined) return undefined;
    if (selected.by === 'id') {
      const entity = viewOf(this.#player).find(({ id }) => id === selected.id);
      if (entity !== undefined) return this.#inspectView(entity, world);
    } else {
      const index = this.#crowd.indexOfSlot(selected.slot);
      if (index >= 0 && this.#crowd.kindAt(index) === selected.kind) return this.#inspectCrowd(index, world, blend);
    }
    this.clear();
    return undefined;
  }

  #inspectView(entity: ViewEntity, world: WorldMessage): Inspected {
    this.#place = entity;
    const components = Object.entries(entity.components).map(
      ([name, values]) => [name, describeValues(values)] as const,
    );
    return {
      title: entity.name || kindName(world, entity.kind),
      facts: [
        ['id', String(entity.id)],
        ['kind', kindName(world, entity.kind)],
        ...placeFacts(world, entity),
        ...components,
      ],
      note: undefined,
    };
  }

  #inspectCrowd(index: number, world: WorldMessage, blend: number): Inspected {
    const place = this.#crowd.placeAt(index, blend);
    this.#place = place;
    const kind = this.#crowd.kindAt(index);
    return {
      title: kindName(world, kind),
      facts: [
        ['slot', String(this.#crowd.slotAt(index))],
        ['kind', kindName(world, kind)],
        ...placeFacts(world, place),
      ],
      note: 'Its id and components show when it is in your player’s view.',
    };
  }
}

/** The cell of a place, as "column, row" in cell coordinates. */
export function cellText(world: WorldMessage, place: Place): string {
  const { cellSize } = world.grid;
  return `${Math.floor(place.x / cellSize)}, ${Math.floor(place.z / cellSize)}`;
}

function placeFacts(world: WorldMessage, place: Place): (readonly [string, string])[] {
  return [
    ['cell', cellText(world, place)],
    ['position', `${place.x.toFixed(2)}, ${place.z.toFixed(2)} m`],
  ];
}

function kindName(world: WorldMessage, kind: number): string {
  return world.kinds[kind]?.name ?? `kind ${kind}`;
}

function viewOf(player: Player): readonly ViewEntity[] {
  return player.self === undefined ? player.others : [player.self, ...player.others];
}

function nearestOf(entities: readonly ViewEntity[], place: Place, reach: number): ViewEntity | undefined {
  let best: ViewEntity | undefined;
  let bestDistance = reach;
  for (const entity of entities) {
    const distance = Math.hypot(entity.x - place.x, entity.z - place.z);
    if (distance > bestDistance) continue;
    best = entity;
    bestDistance = distance;
  }
  return best;
}
