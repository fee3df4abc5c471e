/** Which ratios are watched, and how each is measured. */
import { handoverSuite } from '../handover.bench.ts';
import { interestSuite } from '../interest.bench.ts';
import { journalSuite } from '../journal.bench.ts';
import { kernelSuite } from '../kernel.bench.ts';
import { linkSuite } from '../link.bench.ts';
import type { Suite } from '../measure.ts';
import { recordSuite } from '../record.bench.ts';
import { ringSuite } from '../ring.bench.ts';
import { tickSuite } from '../tick.bench.ts';
import type { ClockName } from './pair.ts';

interface Watched {
  readonly name: string;
  /** What over what. */
  readonly about: string;
}

/** Two cases of a group of one of the suites of `npm run bench`. */
export interface SuiteCheck extends Watched {
  readonly kind: 'suite';
  readonly suite: Suite;
  readonly sizes?: readonly number[];
  /** How the group's title begins. */
  readonly title: string;
  readonly subject: string;
  readonly limit: string;
  readonly clock: ClockName;
}

/** CPU of the whole server for a snapshot, over that of bare `ws` for a frame as large: `npm run peers`, short. */
export interface PeersCheck extends Watched {
  readonly kind: 'peers';
  readonly clients: number;
}

export type Check = SuiteCheck | PeersCheck;

const KERNEL = {
  kind: 'suite',
  suite: kernelSuite,
  sizes: [100_000],
  title: 'kernel: ',
  limit: 'raw loop, plain arrays',
  clock: 'cpu',
} as const;
const INTEREST = {
  kind: 'suite',
  suite: interestSuite,
  sizes: [10_000],
  title: 'interest: ',
  subject: "the store's index",
  clock: 'cpu',
} as const;
const RECORD = {
  kind: 'suite',
  suite: recordSuite,
  title: 'record: ',
  limit: 'CRC-32C of the record',
  clock: 'cpu',
} as const;
const JOURNAL = {
  kind: 'suite',
  suite: journalSuite,
  sizes: [64],
  title: 'journal: ',
  limit: 'better-sqlite3 in this thread',
  clock: 'wall',
} as const;
const LINK = {
  kind: 'suite',
  suite: linkSuite,
  title: 'Messages of ',
  clock: 'cpu',
} as const;

export const CHECKS: readonly Check[] = [
  { ...KERNEL, name: 'kernel', about: 'SIMD kernel over a raw loop on plain arrays', subject: 'SIMD kernel in blocks' },
  {
    ...KERNEL,
    name: 'kernel-typescript',
    about: 'TypeScript kernel over the same raw loop',
    subject: 'TypeScript kernel in blocks',
  },
  {
    kind: 'suite',
    name: 'tick',
    about: 'a whole tick of 100,000 that nobody watches over the SIMD kernel alone',
    suite: tickSuite,
    sizes: [100_000],
    title: 'tick: ',
    subject: 'whole tick, nobody watches',
    limit: 'SIMD kernel in blocks',
    clock: 'cpu',
  },
  {
    kind: 'suite',
    name: 'handover',
    about: 'change of cell over postMessage of the entity',
    suite: handoverSuite,
    title: 'local handover: ',
    subject: 'change of cell: lists, place, home',
    limit: 'postMessage, structured clone',
    clock: 'cpu',
  },
  {
    ...INTEREST,
    name: 'interest',
    about: 'index and 1,000 queries over a stand-alone grid',
    limit: 'stand-alone grid, plain arrays',
  },
  { ...INTEREST, name: 'interest-kdbush', about: 'the same over kdbush', limit: 'kdbush' },
  {
    kind: 'suite',
    name: 'snapshots',
    about: 'a whole tick with 1,000 clients over finding and copying what they see',
    suite: interestSuite,
    sizes: [],
    title: 'snapshots: ',
    subject: 'a whole tick: systems, movement, index, snapshots',
    limit: 'grid and three bytes of each, without memory',
    clock: 'cpu',
  },
  { ...RECORD, name: 'record', about: 'encoding a record over the CRC-32C of its bytes', subject: 'encode' },
  {
    kind: 'suite',
    name: 'ring',
    about: 'a frame through a ring over postMessage to a worker',
    suite: ringSuite,
    title: 'ring',
    subject: 'ring: reserve, commit, drain',
    limit: 'postMessage to a worker',
    clock: 'cpu',
  },
  {
    ...JOURNAL,
    name: 'journal',
    about: '8 batches of 64 rows through the journal thread over direct group commits',
    subject: 'journal: 8 such batches appended at once',
  },
  {
    ...JOURNAL,
    name: 'journal-cpu',
    about: 'CPU of one batch of 64 rows through the journal thread over a direct group commit',
    subject: 'journal: append until fsynced',
    clock: 'cpu',
  },
  { ...LINK, name: 'link', about: 'a message by the link over a bare socket', subject: 'link', limit: 'bare socket' },
  {
    ...LINK,
    name: 'link-tls',
    about: 'the same, both with TLS',
    subject: 'link, TLS 1.3',
    limit: 'bare socket, TLS 1.3',
  },
  {
    kind: 'peers',
    name: 'server',
    about: 'CPU of the whole server for a snapshot over bare ws for a frame as large, 200 clients',
    clients: 200,
  },
];
