/**
 * Whether snapshots that were begun one after another are of one moment. Each journal is looked at three times:
 *
 *   look before ─▶ snapshot of a ─▶ snapshot of b ─▶ … ─▶ look after
 *
 * A transfer takes a number of its issuer when it begins, is a row of its outbox until its target has it on disk, and numbers are
 * never used twice. So if no outbox has a row before and after, and no number was given out in between, then no entity was
 * between nodes, left or arrived during all of it: each stands in the snapshot of its owner and in no other.
 *
 * Durable messages need not rest: a message is well if its issuer's snapshot still has it, for it acts after a restore, once; or if it is
 * in the mark of its entity. What is not well: a mark that is ahead of its issuer, and a message that came and went in between.
 */

/** One journal at one moment, as far as entities and messages between nodes are concerned. */
export interface JournalLook {
  readonly name: string;
  readonly file: string;
  readonly ledger: string;
  readonly incarnation: number;
  readonly isTaken: boolean;
  /** Last number given to a message of this ledger. */
  readonly messageNumber: number;
  /** `issuer>target:number` of each entity that is on its way. */
  readonly outbox: readonly string[];
  /** Last number given out, by `issuer>target`. */
  readonly transferSeqs: ReadonlyMap<string, number>;
  /** By `issuer:number`, the entity that it is for. */
  readonly messages: ReadonlyMap<string, number>;
  /** Ledgers taken over. */
  readonly imports: readonly string[];
}

/** A snapshot is looked at more closely: the marks of its entities, by entity, and in them by issuer. */
export interface SnapshotLook extends JournalLook {
  readonly marks: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

export interface Looks {
  readonly before: readonly JournalLook[];
  readonly snapshots: readonly SnapshotLook[];
  readonly after: readonly JournalLook[];
}

/** Entities on their way. What stands in a journal that was taken over counts no more. */
export function inTransit(looks: readonly JournalLook[]): string[] {
  return looks.filter(({ isTaken }) => !isTaken).flatMap(({ outbox }) => outbox);
}

/** Undefined when the snapshots are of one moment; else why not, for people. */
export function whyNotOneMoment({ before, snapshots, after }: Looks): string | undefined {
  for (const snapshot of snapshots) {
    const why = whyMoved(before.find(isOf(snapshot)), snapshot) ?? whyMoved(snapshot, after.find(isOf(snapshot)));
    if (why !== undefined) return why;
  }
  if (before.length !== snapshots.length || after.length !== snapshots.length) return 'there are other journals now';
  return whyMessagesDiffer(before, snapshots);
}

function isOf({ file }: JournalLook): (look: JournalLook) => boolean {
  return (look) => look.file === file;
}

/** Compares two looks at one journal. */
function whyMoved(first: JournalLook | undefined, second: JournalLook | undefined): string | undefined {
  if (first === undefined || second === undefined) return 'there are other journals now';
  const { name } = second;
  if (first.ledger !== second.ledger || first.incarnation !== second.incarnation) return `${name} was started again`;
  if (first.isTaken !== second.isTaken || !areAlike(first.imports, second.imports)) return `${name} was taken over`;
  if (second.isTaken) return undefined;
  if (!areAlike(first.outbox, second.outbox)) return `a handover of ${name} ended`;
  const isSame = [...second.transferSeqs].every(([channel, last]) => (first.transferSeqs.get(channel) ?? 0) === last);
  return isSame ? undefined : `a handover of ${name} began`;
}

function areAlike(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((value, index) => value === right[index]);
}

function whyMessagesDiffer(before: readonly JournalLook[], snapshots: readonly SnapshotLook[]): string | undefined {
  const valid = snapshots.filter(({ isTaken }) => !isTaken);
  const issuers = new Map(valid.map((snapshot) => [snapshot.ledger, snapshot]));
  const kept = new Set(valid.flatMap(({ messages }) => [...messages.keys()]));
  for (const { marks, name } of valid) {
    for (const ofEntity of marks.values()) {
      for (const [issuer, number] of ofEntity) {
        // An issuer that is unknown was taken over long ago: its heir gives out none of its numbers.
        const issued = issuers.get(issuer)?.messageNumber ?? number;
        if (number > issued) return `a durable message reached ${name} in between`;
      }
    }
  }
  for (const look of before) {
    for (const [key, entity] of look.messages) {
      if (!kept.has(key) && !hasActed(valid, key, entity)) return `a durable message of ${look.name} acted in between`;
    }
    const issued = issuers.get(look.ledger)?.messageNumber ?? look.messageNumber;
    for (let number = look.messageNumber + 1; number <= issued; number++) {
      if (!kept.has(`${look.ledger}:${number}`)) return `a durable message of ${look.name} came and went in between`;
    }
  }
  return undefined;
}

/** Its entity remembers it, or is gone: then the message is done with. */
function hasActed(snapshots: readonly SnapshotLook[], key: string, entity: number): boolean {
  const [issuer = '', number = ''] = key.split(':');
  const owners = snapshots.flatMap(({ marks }) => marks.get(entity) ?? []);
  return owners.length === 0 || owners.some((marks) => (marks.get(issuer) ?? 0) >= Number(number));
}
