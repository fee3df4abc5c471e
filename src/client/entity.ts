/**
 * What a program sees of an entity, typed by the world module: `kind` tells which components there are. Without a
 * module, kinds and components are plain names and values.
 */
import type { EntityId } from '../base/brand.ts';
import type { COMPONENT_OPTIONS, ValuesOf } from '../base/fields.ts';
import type { Values } from '../base/pack.ts';
import type { ComponentsOf, EventsOf, InputOf, KindNamesOf, World } from '../base/world.ts';

export interface EntityBase {
  readonly id: EntityId;
  /** True for the entity that this client controls. */
  readonly isSelf: boolean;
  /** Metres, at the tick of the last snapshot: as received, or from there by the velocity; the own entity exactly. */
  readonly x: number;
  readonly z: number;
  /** m/s, as received. */
  readonly vx: number;
  readonly vz: number;
  /** Metres: where to draw it, as of the last `client.update()`: predicted or interpolated. */
  readonly renderX: number;
  readonly renderZ: number;
}

/** Whom a component is sent to. */
type VisibilityOf<Component> = typeof COMPONENT_OPTIONS extends keyof Component
  ? NonNullable<Component[typeof COMPONENT_OPTIONS]> extends { readonly visible: infer Visible }
    ? Visible
    : 'all'
  : 'all';

type ComponentNames<W, Kind> =
  W extends World<infer Components, infer Kinds, any, any, any>
    ? Kind extends keyof Kinds
      ? Kinds[Kind] extends { readonly components: readonly (infer Name)[] }
        ? Extract<Name, keyof Components>
        : never
      : never
    : never;

type FieldValues<Fields> = { readonly [Name in Extract<keyof Fields, string>]: ValuesOf<Fields>[Name] };

/** Visible to all: always there. To its owner: of the own entity only. To nobody: not even named. */
type ComponentsOfKind<W, Kind> = {
  readonly [
    Name in ComponentNames<W, Kind> as VisibilityOf<ComponentsOf<W>[Name]> extends 'all' ? Name : never
  ]: FieldValues<ComponentsOf<W>[Name]>;
} & {
  readonly [Name in ComponentNames<W, Kind> as VisibilityOf<ComponentsOf<W>[Name]> extends 'owner' ? Name : never]?:
    | FieldValues<ComponentsOf<W>[Name]>
    | undefined;
};

type TypedEntity<W> = {
  [Kind in KindNamesOf<W>]: EntityBase & { readonly kind: Kind; readonly components: ComponentsOfKind<W, Kind> };
}[KindNamesOf<W>];

export interface UntypedEntity extends EntityBase {
  readonly kind: string;
  readonly components: { readonly [component: string]: Values | undefined };
}

/** One entity in view. Check `kind` to narrow its components. */
export type EntityOf<W> = string extends KindNamesOf<W> ? UntypedEntity : TypedEntity<W>;

/** The input that the world takes. */
export type ClientInput<W> = string extends KindNamesOf<W> ? Values : InputOf<W>;

/** Something that happened to an entity in view: check `name` to narrow the payload. */
export type ClientEvent<W> =
  string extends KindNamesOf<W>
    ? { readonly name: string; readonly entity: UntypedEntity; readonly payload: Values }
    : {
        [Name in Extract<keyof EventsOf<W>, string>]: {
          readonly name: Name;
          readonly entity: EntityOf<W>;
          readonly payload: EventsOf<W>[Name];
        };
      }[Extract<keyof EventsOf<W>, string>];

/** The names of all components, for `onUpdate`. */
export type ComponentName<W> = string extends KindNamesOf<W> ? string : Extract<keyof ComponentsOf<W>, string>;
