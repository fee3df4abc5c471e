/**
 * The entity that was clicked, or chosen by its id: what the nodes' stores have of it, and, until they have answered, what the
 * followed client has in view.
 */
import type { Place } from './camera.ts';
import { idText } from './clients/input-form.core.ts';
import type { EntityWatch } from './entity-watch.ts';
import type { NodeView } from './node-view.ts';
import type { ComponentValues, EntityRow, ShownValue, WorldMessage } from './overview-text.wire.ts';
import type { Player, ViewEntity } from './player.ts';
import type { Roster } from './roster.ts';
import { describeValue } from './shown-value.core.ts';

/** Seen in the overview, and its node has not said yet who it is. */
interface SlotSeen {
  readonly view: NodeView;
  readonly slot: number;
  readonly kind: number;
}

export interface ShownComponent {
  readonly name: string;
  /** all, owner or none. */
  readonly visibility: string;
  readonly fields: readonly (readonly [string, string])[];
}

/** What the inspector shows. */
export interface Inspected {
  readonly id: number;
  readonly title: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly components: readonly ShownComponent[];
  /** Of each client of this page, in their order: its alias there, or undefined. */
  readonly aliases: readonly { readonly player: Player; readonly alias: number | undefined }[];
}

export class Selection {
  readonly #views: () => readonly NodeView[];
  readonly #roster: Roster;
  readonly #watch: EntityWatch;
  #seen: SlotSeen | undefined;
  #isSelected = false;
  #place: Place | undefined;

  constructor(parts: { views: () => readonly NodeView[]; roster: Roster; watch: EntityWatch }) {
    this.#views = parts.views;
    this.#roster = parts.roster;
    this.#watch = parts.watch;
  }

  get place(): Place | undefined {
    return this.#place;
  }

  /** 0: none, or not known yet. */
  get id(): number {
    return this.#isSelected ? this.#watch.id : 0;
  }

  clear(): void {
    this.#isSelected = false;
    this.#seen = undefined;
    this.#place = undefined;
    this.#watch.clear();
  }

  select(id: number, nowMs: number): void {
    this.clear();
    this.#isSelected = true;
    this.#watch.watchId(id, nowMs);
  }

  /** The nearest entity within `reach` metres, those of the followed client's view first; none clears. True for one. */
  pick(place: Place, { reach, nowMs }: { reach: number; nowMs: number }): boolean {
    this.clear();
    const near = nearestOf(viewOf(this.#roster.active), place, reach);
    if (near !== undefined) {
      this.select(near.id, nowMs);
      return true;
    }
    let nearest = reach;
    for (const view of this.#views()) {
      const { crowd, blend } = view;
      const index = crowd.nearest(place, { blend, reach: nearest });
      if (index < 0) continue;
      const { x, z } = crowd.placeAt(index, blend);
      nearest = Math.hypot(x - place.x, z - place.z);
      this.#seen = { view, slot: crowd.slotAt(index), kind: crowd.kindAt(index) };
    }
    if (this.#seen === undefined) return false;
    this.#isSelected = true;
    this.#watch.watchSlot(this.#seen.view, this.#seen.slot, nowMs);
    return true;
  }

  /** Follows the entity; one that no node has any more is deselected. */
  update(world: WorldMessage, nowMs: number): Inspected | undefined {
    if (!this.#isSelected) return undefined;
    this.#watch.refresh();
    if (this.#watch.isGone(nowMs)) {
      this.clear();
      return undefined;
    }
    const { id } = this.#watch;
    const watched = this.#watch.newest();
    const seen = viewOf(this.#roster.active).find((entity) => entity.id === id);
    this.#place = this.#placeOf(seen, watched) ?? this.#place;
    const kind = kindName(world, watched?.row.kind ?? seen?.kind ?? this.#seen?.kind ?? 0);
    const components = watched === undefined ? (seen?.components ?? {}) : watched.row.components;
    return {
      id,
      title: nameOf(components) || kind,
      facts: [...this.#identity({ id, kind, watched }), ...this.#whereabouts(world, watched?.row)],
      components: Object.entries(components).map(([name, values]) => shownComponent(world, name, values)),
      aliases: this.#roster.players.map((player) => ({ player, alias: player.tap.aliases.aliasOf(id) })),
    };
  }

  #identity({
    id,
    kind,
    watched,
  }: {
    id: number;
    kind: string;
    watched: { view: NodeView; row: EntityRow } | undefined;
  }): [string, string][] {
    const slot = watched?.row.slot ?? this.#seen?.slot;
    const facts: [string, string][] = [
      ['id', id > 0 ? `${id} (${idText(id)})` : '…'],
      ['slot', slot === undefined ? '…' : String(slot)],
      ['kind', kind],
    ];
    if (watched === undefined) return facts;
    const { view, row } = watched;
    if (view.name !== '') {
      const ghosts = this.#watch.ghostNodes();
      const owner =
        row.ghostOf === 0 ? view.name : (this.#views().find(({ node }) => node === row.ghostOf)?.name ?? row.ghostOf);
      facts.push(['node', `${owner}${ghosts.length === 0 ? '' : ` · seen by ${ghosts.join(', ')}`}`]);
      facts.push(['ownership seq', String(row.seq)]);
    }
    if (row.session > 0) {
      facts.push(
        ['session', view.name === '' ? String(row.session) : idText(row.session)],
        ['last input', String(row.lastInput)],
      );
    }
    return facts;
  }

  #whereabouts(world: WorldMessage, row: EntityRow | undefined): [string, string][] {
    const place = this.#place;
    if (place === undefined) return [];
    const velocity =
      row === undefined ? [] : [['velocity', `${row.vx.toFixed(2)}, ${row.vz.toFixed(2)} m/s`] as [string, string]];
    return [
      ['cell', cellText(world, place)],
      ['position', `${place.x.toFixed(2)}, ${place.z.toFixed(2)} m`],
      ...velocity,
    ];
  }

  /** Where it is drawn: predicted or interpolated, and the bare row only when it is not drawn. */
  #placeOf(seen: ViewEntity | undefined, watched: { view: NodeView; row: EntityRow } | undefined): Place | undefined {
    if (seen !== undefined) return { x: seen.x, z: seen.z };
    const view = watched?.view ?? this.#seen?.view;
    const slot = watched?.row.slot ?? this.#seen?.slot;
    const kind = watched?.row.kind ?? this.#seen?.kind;
    const index = view === undefined || slot === undefined ? -1 : view.crowd.indexOfSlot(slot);
    if (view !== undefined && index >= 0 && view.crowd.kindAt(index) === kind)
      return view.crowd.placeAt(index, view.blend);
    return watched === undefined ? undefined : { x: watched.row.x, z: watched.row.z };
  }
}

function shownComponent(world: WorldMessage, name: string, values: Readonly<Record<string, unknown>>): ShownComponent {
  const fields = Object.entries(values).map(([field, value]) => [field, describeValue(value as ShownValue)] as const);
  return { name, visibility: world.visibility[name] ?? 'all', fields };
}

/** Of the first component that has a text field `name`. */
function nameOf(components: ComponentValues | ViewEntity['components']): string {
  for (const values of Object.values(components)) if (typeof values['name'] === 'string') return values['name'];
  return '';
}

/** The cell of a place, as "column, row" in cell coordinates. */
export function cellText(world: WorldMessage, place: Place): string {
  const { cellSize } = world.grid;
  return `${Math.floor(place.x / cellSize)}, ${Math.floor(place.z / cellSize)}`;
}

function kindName(world: WorldMessage, kind: number): string {
  return world.kinds[kind]?.name ?? `kind ${kind}`;
}

function viewOf(player: Player | undefined): readonly ViewEntity[] {
  if (player === undefined) return [];
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
