/** Under which alias a client knows each entity in its view, read off the snapshots that it is sent (docs/PROTOCOL.md). */
import type { Snapshot } from '../../src/wire/messages.ts';

export class AliasBook {
  readonly #idOfAlias = new Map<number, number>();
  readonly #aliasOfId = new Map<number, number>();

  get size(): number {
    return this.#aliasOfId.size;
  }

  /** Undefined when it is not in view. */
  aliasOf(id: number): number | undefined {
    return this.#aliasOfId.get(id);
  }

  apply({
    keyframe,
    resync,
    leaves,
    enters,
    jumps,
  }: Pick<Snapshot, 'keyframe' | 'resync' | 'leaves' | 'enters' | 'jumps'>): void {
    if (keyframe) this.clear();
    if (resync) this.#keepOnly(new Set(jumps.map(({ alias }) => alias)));
    for (const alias of leaves) this.#free(alias);
    for (const { alias, id } of enters) {
      this.#free(alias);
      this.#idOfAlias.set(alias, id);
      this.#aliasOfId.set(id, alias);
    }
  }

  clear(): void {
    this.#idOfAlias.clear();
    this.#aliasOfId.clear();
  }

  #keepOnly(kept: ReadonlySet<number>): void {
    for (const alias of this.#idOfAlias.keys()) if (!kept.has(alias)) this.#free(alias);
  }

  #free(alias: number): void {
    const id = this.#idOfAlias.get(alias);
    if (id === undefined) return;
    this.#idOfAlias.delete(alias);
    if (this.#aliasOfId.get(id) === alias) this.#aliasOfId.delete(id);
  }
}
