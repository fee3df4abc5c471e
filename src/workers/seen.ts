/**
 * Copies the columns of `shared` components to `seen`, cell by cell, at the end of a tick: what systems of other cells
 * read in the next one.
 */
import { BytesColumn, ListColumn, TextColumn } from '../memory/accessors.ts';
import type { AnyColumn, ScalarColumn } from '../memory/columns.ts';
import type { Store } from '../memory/store.ts';

type CopySlot = (slot: number) => void;

export class SeenCopier {
  readonly #store: Store;
  readonly #copiesByKind: readonly (readonly CopySlot[])[];

  constructor(store: Store) {
    this.#store = store;
    const { schema, columns } = store;
    this.#copiesByKind = schema.kinds.map((kind) =>
      kind.components
        .filter((component) => schema.components[component]!.shared)
        .flatMap((component) =>
          columns.seen[component]!.inOrder.map((seen, field) =>
            copier(columns.components[component]!.inOrder[field]!, seen),
          ),
        ),
    );
  }

  copyCell(cell: number): void {
    const { lists } = this.#store;
    const slots = lists.slots;
    for (let index = 0; index < lists.groupsPerCell; index++) {
      const group = cell * lists.groupsPerCell + index;
      const kind = index % lists.kindCount;
      const first = lists.first[group]!;
      const end = first + lists.count[group]!;
      for (const copy of this.#copiesByKind[kind]!) {
        for (let at = first; at < end; at++) copy(slots[at]!);
      }
    }
  }
}

function copier(source: AnyColumn, target: AnyColumn): CopySlot {
  if (source instanceof TextColumn) return copyRows(source.bytes, (target as TextColumn).bytes);
  if (source instanceof BytesColumn) return copyRows(source, target as BytesColumn);
  if (source instanceof ListColumn) return copyLists(source, target as ListColumn);
  const scalars = target as ScalarColumn;
  return (slot) => {
    scalars[slot] = source[slot]!;
  };
}

function copyRows(source: BytesColumn, target: BytesColumn): CopySlot {
  const { rowBytes } = source;
  return (slot) => {
    const first = slot * rowBytes;
    for (let at = first; at < first + rowBytes; at++) target.raw[at] = source.raw[at]!;
  };
}

function copyLists(source: ListColumn, target: ListColumn): CopySlot {
  return (slot) => {
    const packed = source.packed(slot);
    if (packed.length === 0) target.clear(slot);
    else target.setPacked(slot, packed);
  };
}
