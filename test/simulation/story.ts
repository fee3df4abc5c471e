/** What happened, to be told after a failure. */
import type { CoreEffect, CoreEvent } from '../../src/peer/protocol.ts';

interface Line {
  readonly atMs: number;
  readonly who: string;
  readonly text: string;
  /** Empty: of interest to all. */
  readonly ids: readonly number[];
}

const QUIET: ReadonlySet<string> = new Set(['time', 'room', 'checkpoint', 'directory', 'fsynced', 'copied']);

export class Story {
  readonly #lines: Line[] = [];

  add(atMs: number, who: string, text: string, id?: number): void {
    this.#lines.push({ atMs, who, text, ids: id === undefined ? [] : [id] });
  }

  addEvent(atMs: number, who: string, event: CoreEvent): void {
    if (QUIET.has(event.kind)) return;
    this.#tell(atMs, who, '◀', event);
  }

  addEffect(atMs: number, who: string, effect: CoreEffect): void {
    this.#tell(atMs, who, '▶', effect);
  }

  #tell(atMs: number, who: string, arrow: string, what: CoreEvent | CoreEffect): void {
    const text = JSON.stringify(what, (key, value: unknown) => {
      if (key === 'writes' && Array.isArray(value))
        return value.filter((write: { kind: string }) => write.kind !== 'entity');
      if (key === 'record' || key === 'passenger' || key === 'leases' || key === 'pendingInputs') return undefined;
      if (typeof value === 'string' && /^0{20}/.test(value)) return `L${Number.parseInt(value, 16)}`;
      return value instanceof Uint8Array ? [...value] : value;
    });
    if (text.includes('"writes":[]')) return;
    const ids = [...text.matchAll(/"(?:id|entity)":(\d+)/g)].map((match) => Number(match[1]));
    const isGeneral =
      what.kind === 'linkUp' || what.kind === 'linkDown' || what.kind === 'protect' || what.kind === 'unprotect';
    if (ids.length === 0 && !isGeneral && what.kind !== 'takeover' && what.kind !== 'stop') {
      this.#lines.push({ atMs, who, text: `${arrow} ${text}`, ids: [-1] });
      return;
    }
    this.#lines.push({ atMs, who, text: `${arrow} ${text}`, ids });
  }

  /** The last lines about one entity, with what concerns everybody; all of them for 0. */
  last(count: number, entity: number): string[] {
    const lines = this.#lines.filter(({ ids }) => entity === 0 || ids.length === 0 || ids.includes(entity));
    return lines.slice(-count).map(({ atMs, who, text }) => `${atMs.toFixed(2).padStart(9)}  ${who.padEnd(6)} ${text}`);
  }
}
