/**
 * `worldmesh status`: what the directory says of a cluster, joined with what each node answers. A node that does not answer
 * has its place in the table all the same.
 */
import type { DirectoryView } from '../audit/directory-reader.ts';
import type { MemberView } from '../audit/evidence.ts';

/** What one node said, or why it said nothing. */
export type NodeAnswer =
  | { readonly ok: true; readonly atMs: number; readonly answer: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: string };

export interface LinkRow {
  readonly peer: string;
  /** Empty when the node does not say. */
  readonly state: string;
  /** NaN before the first measurement. */
  readonly rttMs: number;
  /** Of handovers to it: `closed`, `halfOpen`, `open`; empty when the node does not say. */
  readonly breaker: string;
}

export interface NodeRow {
  readonly node: number;
  readonly name: string;
  readonly state: string;
  readonly incarnation: number;
  readonly pid: number;
  /** Milliseconds since the last renewal, by the clocks of this host. */
  readonly leaseAgeMs: number;
  readonly blocks: number;
  /** Why the node gave no figures; empty when it did. */
  readonly down: string;
  /** NaN where the node says nothing. */
  readonly cells: number;
  readonly entities: number;
  readonly ghosts: number;
  readonly sessions: number;
  readonly inFlight: number;
  readonly inDoubt: number;
  readonly oldestInDoubtMs: number;
  /** By the second; NaN without an earlier answer to compare with. */
  readonly handoversOutHz: number;
  readonly handoversInHz: number;
  readonly ticksHz: number;
  readonly commitsHz: number;
  readonly links: readonly LinkRow[];
}

export interface ClusterStatus {
  readonly atMs: number;
  readonly world: string;
  readonly nodes: readonly NodeRow[];
  /** Ledgers that were taken over. */
  readonly fenced: number;
  /** Blocks that nobody owns. */
  readonly blocksUnowned: number;
  readonly names: number;
  readonly settings: Readonly<Record<string, string>>;
}

export interface StatusSample {
  readonly atMs: number;
  readonly directory: DirectoryView;
  /** By incarnation. */
  readonly answers: ReadonlyMap<number, NodeAnswer>;
}

/** @param before an earlier sample, for rates */
export function clusterStatus(sample: StatusSample, before: StatusSample | undefined): ClusterStatus {
  const { atMs, directory } = sample;
  return {
    atMs,
    world: String(directory.facts.get('world') ?? ''),
    nodes: shownMembers(directory).map((member) => nodeRow(member, { sample, before })),
    fenced: directory.members.filter(({ state }) => state === 'fenced').length,
    blocksUnowned: directory.blocks.get(0) ?? 0,
    names: directory.names,
    settings: Object.fromEntries(directory.settings),
  };
}

/** Of each node the lease that counts: the one that is not fenced, else the last. */
export function shownMembers({ members }: DirectoryView): MemberView[] {
  const shown = new Map<number, MemberView>();
  for (const member of members) {
    const other = shown.get(member.node);
    const isFirst = other === undefined || other.state === 'fenced';
    if (isFirst || (member.state !== 'fenced' && member.incarnation > other.incarnation))
      shown.set(member.node, member);
  }
  return [...shown.values()].sort((left, right) => left.name.localeCompare(right.name));
}

/** A lease that was ended in favour of a successor is that of a node that is gone: drained, or dead and replaced. */
function shownState({ state }: MemberView): string {
  return state === 'fenced' ? 'gone' : state;
}

/** Rows whose state the directory thinks alive. */
export function isExpected({ state }: MemberView): boolean {
  return state === 'joining' || state === 'active' || state === 'draining';
}

function nodeRow(
  member: MemberView,
  { sample, before }: { sample: StatusSample; before: StatusSample | undefined },
): NodeRow {
  const { node, name, incarnation, pid, renewedAtMs } = member;
  const answer = sample.answers.get(incarnation);
  const figures = answer?.ok === true ? figuresOf(answer.answer) : NO_FIGURES;
  const of = (...keys: readonly string[]): number => firstOf(figures, keys);
  const earlier = before?.answers.get(incarnation);
  const rate = (...keys: readonly string[]): number => {
    if (answer?.ok !== true || earlier?.ok !== true) return Number.NaN;
    const seconds = (answer.atMs - earlier.atMs) / 1000;
    return seconds > 0 ? (of(...keys) - firstOf(figuresOf(earlier.answer), keys)) / seconds : Number.NaN;
  };
  return {
    node,
    name,
    state: shownState(member),
    incarnation,
    pid,
    leaseAgeMs: Math.max(0, sample.atMs - renewedAtMs),
    blocks: sample.directory.blocks.get(node) ?? 0,
    down: answer?.ok === false ? answer.reason : '',
    cells: of('owned', 'cellsOwned'),
    entities: of('entities'),
    ghosts: of('ghosts'),
    sessions: of('held', 'sessions'),
    inFlight: of('inFlight', 'handoversInFlight'),
    inDoubt: of('inDoubt', 'handoversInDoubt'),
    oldestInDoubtMs: of('oldestInDoubtSeconds') * 1000,
    handoversOutHz: rate('handoversOut'),
    handoversInHz: rate('handoversIn'),
    ticksHz: rate('tick'),
    commitsHz: rate('journalCommits'),
    links: answer?.ok === true ? linksOf(answer.answer) : [],
  };
}

const NO_FIGURES: ReadonlyMap<string, number> = new Map();
const DEPTH_MAX = 4;

/** Every number of an answer by its own name, wherever it stands: groups may change without this having to know. */
function figuresOf(answer: Readonly<Record<string, unknown>>): ReadonlyMap<string, number> {
  const figures = new Map<string, number>();
  const collect = (value: object, depth: number): void => {
    for (const [key, entry] of Object.entries(value)) {
      if (typeof entry === 'number' && !figures.has(key)) figures.set(key, entry);
      else if (depth < DEPTH_MAX && typeof entry === 'object' && entry !== null && !Array.isArray(entry)) {
        collect(entry, depth + 1);
      }
    }
  };
  collect(answer, 0);
  return figures;
}

function firstOf(figures: ReadonlyMap<string, number>, keys: readonly string[]): number {
  for (const key of keys) {
    const value = figures.get(key);
    if (value !== undefined) return value;
  }
  return Number.NaN;
}

function linksOf({ links }: Readonly<Record<string, unknown>>): LinkRow[] {
  if (!Array.isArray(links)) return [];
  return links.flatMap((link: unknown) => {
    if (typeof link !== 'object' || link === null) return [];
    const { name, node, state, rttMs, breaker } = link as Readonly<Record<string, unknown>>;
    const label = typeof name === 'string' && name !== '' ? name : typeof node === 'number' ? node : '?';
    return [
      {
        peer: String(label),
        state: typeof state === 'string' ? state : '',
        rttMs: typeof rttMs === 'number' ? rttMs : Number.NaN,
        breaker: typeof breaker === 'string' ? breaker : '',
      },
    ];
  });
}
