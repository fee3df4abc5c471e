/**
 * Which records this node can read: those of its own schema, and of the versions next to it that a member has joined with.
 *
 * What cannot be read is refused before it is accepted, so that its source takes it back; and what the conductor will have to
 * read, it is told about first.
 */
import { RecordError } from '../base/errors.ts';
import type { Schema } from '../base/schema.ts';
import { decodeRecord, SchemaRegistry } from '../memory/record.ts';
import { parseSchema } from '../wire/schema.wire.ts';
import type { SchemaEntry } from './directory.ts';
import type { WiredMessage } from './peer-message.wire.ts';
import type { CommitItem, RejectReason } from './protocol.ts';

const VERSION_DISTANCE_MAX = 1;

export class RecordReader {
  readonly #registry: SchemaRegistry;
  readonly #own: Schema;
  readonly #known: Set<number>;
  readonly #onSchema: (text: string) => void;
  readonly #onProblem: (error: Error) => void;

  constructor(own: Schema, events: { onSchema: (text: string) => void; onProblem: (error: Error) => void }) {
    this.#own = own;
    this.#registry = new SchemaRegistry(own);
    this.#known = new Set([own.hash]);
    this.#onSchema = events.onSchema;
    this.#onProblem = events.onProblem;
  }

  /** What the directory knows. A schema that is not one is left out, and told. */
  learn(schemas: readonly SchemaEntry[]): void {
    for (const { hash, version, text } of schemas) {
      if (this.#known.has(hash) || Math.abs(version - this.#own.version) > VERSION_DISTANCE_MAX) continue;
      this.#known.add(hash);
      try {
        this.#registry.add(parseSchema(text));
        this.#onSchema(text);
      } catch (error) {
        this.#onProblem(error as Error);
      }
    }
  }

  /** The message as the core takes it: items of a COMMIT that cannot be read say so. */
  checked(message: WiredMessage): WiredMessage {
    if (message.kind !== 'commit') return message;
    return { ...message, items: message.items.map((item) => this.#check(item)) };
  }

  #check(item: CommitItem): CommitItem {
    const unreadable = this.#problemOf(item.record);
    return unreadable === undefined ? item : { ...item, unreadable };
  }

  #problemOf(record: Uint8Array): Extract<RejectReason, 'schema' | 'corrupt'> | undefined {
    try {
      decodeRecord(record, this.#registry);
      return undefined;
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      return error.code === 'ERR_RECORD_SCHEMA' || error.code === 'ERR_RECORD_VERSION' ? 'schema' : 'corrupt';
    }
  }
}
