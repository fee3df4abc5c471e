/**
 * The entity that was clicked: in the player's view by its id, elsewhere by its slot at its node, for that is all the
 * overview has.
 */
import type { Place } from './camera.ts';
import type { Crowd } from './crowd.ts';
import type { WorldMessage } from './overview-text.wire.ts';
import { describeValues, type Inspected } from './panel.ts';
import type { Player, ViewEntity } from './player.ts';

type Selected =
  | { readonly by: 'id'; readonly id: number }
  | { readonly by: 'slot'; readonly crowd: Crowd; readonly slot: number; readonly kind: number };

/** The entities of one node, and how far they are between their two places. */
export interface CrowdView {
  readonly crowd: Crowd;
  readonly blend: number;
  /** Empty outside of a cluster. */
  readonly name: string;
}

export class Selection {
  readonly #crowds: () => readonly CrowdView[];
  readonly #player: Player;
  #selected: Selected | undefined;
  #place: Place | undefined;

  constructor(crowds: () => readonly CrowdView[], player: Player) {
    this.#crowds = crowds;
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
  pick(place: Place, { reach }: { reach: number }): void {
    this.clear();
    const near = nearestOf(viewOf(this.#player), place, reach);
    if (near !== undefined) {
      this.#selected = { by: 'id', id: near.id };
      return;
    }
    let nearest = reach;
    for (const { crowd, blend } of this.#crowds()) {
      const index = crowd.nearest(place, { blend, reach: nearest });
      if (index < 0) continue;
      const { x, z } = crowd.placeAt(index, blend);
      nearest = Math.hypot(x - place.x, z - place.z);
      this.#selected = { by: 'slot', crowd, slot: crowd.slotAt(index), kind: crowd.kindAt(index) };
    }
  }

  /** Follows the entity; one that left the world or the view is deselected. */
  update(world: WorldMessage): Inspected | undefined {
    const selected = this.#selected;
    if (selected === undefined) return undefined;
    if (selected.by === 'id') {
      const entity = viewOf(this.#player).find(({ id }) => id === selected.id);
      if (entity !== undefined) return this.#inspectView(entity, world);
    } else {
      const view = this.#crowds().find(({ crowd }) => crowd === selected.crowd);
      const index = view?.crowd.indexOfSlot(selected.slot) ?? -1;
      if (view !== undefined && index >= 0 && view.crowd.kindAt(index) === selected.kind) {
        return this.#inspectCrowd(view, index, world);
      }
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

  #inspectCrowd({ crowd, blend, name }: CrowdView, index: number, world: WorldMessage): Inspected {
    const place = crowd.placeAt(index, blend);
    this.#place = place;
    const kind = crowd.kindAt(index);
    return {
      title: kindName(world, kind),
      facts: [
        ['slot', String(crowd.slotAt(index))],
        ...(name === '' ? [] : [['node', name] as const]),
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
