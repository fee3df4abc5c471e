/**
 * Whether clients of two versions of a world understand each other's bytes: a hash over what goes to and from clients. Hidden kinds and
 * components, events, and what systems do are not in it, so a version that changes nothing else is rolled out under playing clients.
 *
 * Numbers of components and kinds are in the bytes of snapshots: a component or kind that clients do not see belongs behind those they do.
 */
import { hashText } from './schema.ts';
import type { Schema } from './schema.ts';

const HASHES = new WeakMap<Schema, number>();

/** 32 bits. */
export function viewHash(schema: Schema): number {
  let hash = HASHES.get(schema);
  if (hash === undefined) {
    hash = hashText(JSON.stringify(viewOf(schema)));
    HASHES.set(schema, hash);
  }
  return hash;
}

function viewOf({ name, components, kinds, input }: Schema): unknown {
  const seen = components.filter(({ visible }) => visible !== 'none');
  const isSeen = new Set(seen.map(({ index }) => index));
  return {
    name,
    components: seen.map(({ name: component, index, visible, fields }) => ({ component, index, visible, fields })),
    kinds: kinds
      .filter(({ hidden }) => !hidden)
      .map((kind) => ({
        kind: kind.name,
        index: kind.index,
        components: kind.components.filter((component) => isSeen.has(component)),
      })),
    input,
  };
}
