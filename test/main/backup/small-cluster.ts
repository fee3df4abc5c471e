/** Two nodes' journals and a directory, as nodes write them, without nodes. Held open they look like a cluster that runs. */
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { EntityId } from '../../../src/base/brand.ts';
import { SqliteDirectory } from '../../../src/peer/directory-sqlite.ts';
import type { EntityRow, OutboxRow, SessionId } from '../../../src/peer/protocol.ts';
import { FACTS, joinRequest } from '../../peer/directory-fixture.ts';
import { listenTo, temporaryFolder } from '../../peer/journal-fixture.ts';
import type { Listening } from '../../peer/journal-fixture.ts';
import { recordOf } from '../audit/cluster-files.ts';

export const NODES = ['a', 'b'] as const;
export type NodeName = (typeof NODES)[number];
export const ENTITIES_PER_NODE = 5;
/** Of entities of the first incarnations. */
export const ID_FIRST = 2 ** 32;

export class SmallCluster implements AsyncDisposable {
  readonly folder: string;
  readonly directory: SqliteDirectory;
  readonly #journals: ReadonlyMap<NodeName, Listening>;
  /** Last ownership sequence by entity, and last transfer by node. */
  readonly #seqs = new Map<number, number>();
  readonly #transferSeqs = new Map<NodeName, number>();

  private constructor(parts: {
    folder: string;
    directory: SqliteDirectory;
    journals: ReadonlyMap<NodeName, Listening>;
  }) {
    this.folder = parts.folder;
    this.directory = parts.directory;
    this.#journals = parts.journals;
  }

  get dataFolder(): string {
    return path.join(this.folder, 'data');
  }

  get directoryFile(): string {
    return path.join(this.folder, 'directory.sqlite');
  }

  get directoryUrl(): string {
    return `sqlite:${this.directoryFile}`;
  }

  static async start(t: ExecutionContext): Promise<SmallCluster> {
    const folder = temporaryFolder(t);
    const directory = await openDirectory(path.join(folder, 'directory.sqlite'));
    const journals = new Map<NodeName, Listening>();
    for (const [index, name] of NODES.entries()) {
      const nodeFolder = path.join(folder, 'data', name);
      const listening = await listenTo(nodeFolder);
      const { ledger } = listening.journal;
      const joined = await directory.join(joinRequest(name, { ledger, folder: nodeFolder }));
      await directory.renew({ node: joined.node, incarnation: joined.incarnation, state: 'active' });
      listening.journal.setIncarnation(joined.incarnation);
      const first = ID_FIRST * (index + 1);
      const rows = Array.from({ length: ENTITIES_PER_NODE }, (_, counter) => entityRow(first + counter + 1, name));
      await listening.write(...rows.map((row) => ({ kind: 'entity', row }) as const));
      journals.set(name, listening);
    }
    await directory.secret('sessionKey', 'ab'.repeat(32));
    await directory.claimBlocks({ expectNodes: 2 });
    return new SmallCluster({ folder, directory, journals });
  }

  journal(name: NodeName): Listening {
    return this.#journals.get(name)!;
  }

  /** An entity leaves a node for the other one, and is on its way. */
  async release(from: NodeName = 'a', id: number = ID_FIRST + 1): Promise<OutboxRow> {
    const to = from === 'a' ? 'b' : 'a';
    const seq = 1 + (this.#seqs.get(id) ?? 1);
    const transferSeq = 1 + (this.#transferSeqs.get(from) ?? 0);
    this.#seqs.set(id, seq);
    this.#transferSeqs.set(from, transferSeq);
    const { passenger } = entityRow(id, 'a');
    const row: OutboxRow = {
      issuer: this.journal(from).journal.ledger,
      target: this.journal(to).journal.ledger,
      transferSeq,
      targetNode: to === 'a' ? 1 : 2,
      targetCell: 0,
      id: id as EntityId,
      seq,
      record: recordOf({ id, seq }),
      passenger,
    };
    await this.journal(from).write({ kind: 'release', row });
    return row;
  }

  /** It has arrived, and its source knows. */
  async resolve({ issuer, target, transferSeq, id, seq, record, passenger }: OutboxRow): Promise<void> {
    const row: EntityRow = { id, seq, record, passenger, atRest: false };
    const journals = [...this.#journals.values()];
    const of = (ledger: string): Listening => journals.find(({ journal }) => journal.ledger === ledger)!;
    await of(target).write({ kind: 'accept', row, from: { source: issuer, transferSeq, id, seq } });
    await of(issuer).write({ kind: 'done', issuer, target, transferSeq });
    await of(target).write({ kind: 'watermark', source: issuer, value: transferSeq });
  }

  /** The processes are gone; directory and journals stay as they are. */
  async stop(): Promise<void> {
    for (const listening of this.#journals.values()) await listening[Symbol.asyncDispose]();
    await this.directory.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export async function openDirectory(file: string): Promise<SqliteDirectory> {
  return await SqliteDirectory.open({ file, facts: FACTS, now: Date.now, random: Math.random });
}

/** The first of a node is a player at rest, the second one who plays. */
function entityRow(id: number, node: NodeName): EntityRow {
  const counter = id % 2 ** 32;
  const account = counter <= 2 ? `player-${node}${counter}` : '';
  const passenger = { lastInput: counter, gateway: 0, session: 0 as SessionId, account, marks: [] };
  return { id: id as EntityId, seq: 1, record: recordOf({ id, seq: 1 }), passenger, atRest: counter === 1 };
}
