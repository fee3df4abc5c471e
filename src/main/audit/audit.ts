/** Reads a cluster twice and judges what it saw; docs/AUDIT.md says what each mode proves. */
import { setTimeout as wait } from 'node:timers/promises';
import { readClientLogs, readCensus, writeCensus } from './audit-files.ts';
import { journalPlaces, readHistories, readPass } from './cluster-reader.ts';
import type { ClusterPlace } from './cluster-reader.ts';
import type { ClusterEvidence, ClusterPass, Settle } from './evidence.ts';
import type { Finding } from './finding.ts';
import { despawned, hasGaps } from './history.core.ts';
import { validJournals } from './instant.core.ts';
import { censusOf, expectedEntities, judge, missingFrom } from './judge.core.ts';
import type { Verdict } from './judge.core.ts';
import { readTimeline } from './timeline.ts';
import type { TimelineLine } from './timeline.ts';

export interface AuditOptions {
  readonly place: ClusterPlace;
  /** Between the two passes. */
  readonly intervalMs: number;
  /** Wait this long for the cluster to be quiet, and judge it as one that is; undefined: it moves. */
  readonly settleMs: number | undefined;
  readonly outboxAgeMsMax: number;
  readonly censusFile: string | undefined;
  /** What is there now, for a later audit to be held against. */
  readonly censusOutFile: string | undefined;
  readonly inputsFile: string | undefined;
}

export interface AuditReport extends Verdict {
  readonly findings: readonly (Finding & { readonly trace: readonly TimelineLine[] })[];
  readonly tookMs: number;
}

/** An entity that moves against the order of reading can be missed once, and hardly this often. */
const LOOKS_MAX = 6;
const LOOK_MS = 400;
const SETTLE_LOOK_MS = 200;
const TRACE_LINES_MAX = 30;
const TRACED_FINDINGS_MAX = 20;

/** @throws AuditError */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const startMs = performance.now();
  const { place, intervalMs, settleMs } = options;
  const census = options.censusFile === undefined ? [] : readCensus(options.censusFile);
  const settled = settleMs === undefined ? undefined : await settle(place, settleMs);
  const first = await readPass(place, 'first');
  await wait(intervalMs);
  const second = await readPass(place, 'second');
  const histories = readHistories(place);
  const sought = await seek(
    place,
    missingFrom(second, expectedEntities({ passes: [first, second], histories, census })),
  );
  const evidence: ClusterEvidence = await withLaterHistories(place, {
    passes: [first, second],
    histories,
    laterHistories: [],
    census,
    // Read last: a client's log may be behind the cluster, and never the other way round.
    clients: options.inputsFile === undefined ? [] : readClientLogs(options.inputsFile),
    sought,
    settle: settled,
    outboxAgeMsMax: options.outboxAgeMsMax,
  });
  const verdict = judge(evidence);
  if (options.censusOutFile !== undefined) writeCensus(options.censusOutFile, censusOf(second));
  const findings = verdict.findings.map((finding, index) => ({
    ...finding,
    trace: index < TRACED_FINDINGS_MAX ? traceOf(place, finding.entity) : [],
  }));
  return { ...verdict, findings, tookMs: performance.now() - startMs };
}

/** Waits until nothing is in transit and nothing waits to be collected, or until the time is over. */
async function settle(place: ClusterPlace, settleMs: number): Promise<Settle> {
  const deadlineMs = performance.now() + settleMs;
  const earliest = await readPass(place, 'second');
  let pass = earliest;
  while (!isQuietIn(pass)) {
    if (performance.now() >= deadlineMs) return { earliest, isQuiet: false };
    await wait(SETTLE_LOOK_MS);
    pass = await readPass(place, 'second');
  }
  return { earliest, isQuiet: true };
}

function isQuietIn(pass: ClusterPass): boolean {
  return validJournals(pass).every(
    ({ outbox, messages, inbox, watermarks }) =>
      outbox.length === 0 &&
      messages.length === 0 &&
      inbox.every(({ source, transferSeq }) => transferSeq <= (watermarks.get(source) ?? 0)),
  );
}

/** Looks again for what a pass missed. Gives the entities that no look found, and how many looks there were. */
async function seek(place: ClusterPlace, missing: ReadonlySet<number>): Promise<Map<number, number>> {
  let left: ReadonlySet<number> = missing;
  for (let look = 0; look < LOOKS_MAX && left.size > 0; look++) {
    await wait(LOOK_MS);
    left = missingFrom(await readPass(place, look % 2 === 0 ? 'first' : 'second'), left);
    const ended = despawned(readHistories(place));
    left = new Set([...left].filter((id) => !ended.has(id)));
  }
  return new Map([...left].map((id) => [id, LOOKS_MAX + 2]));
}

/**
 * Histories are read one after the other, and what happened between may be in none of them, though the next step is. A line is written
 * with the next batch after what it tells of.
 */
async function withLaterHistories(place: ClusterPlace, given: ClusterEvidence): Promise<ClusterEvidence> {
  let evidence = given;
  for (let look = 0; look < LOOKS_MAX && hasGaps(evidence); look++) {
    await wait(LOOK_MS);
    evidence = { ...evidence, laterHistories: readHistories(place) };
  }
  return evidence;
}

function traceOf(place: ClusterPlace, entity: number): readonly TimelineLine[] {
  if (entity === 0) return [];
  return readTimeline(journalPlaces(place), { kind: 'entity', id: entity }).lines.slice(-TRACE_LINES_MAX);
}
