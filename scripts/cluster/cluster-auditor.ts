/** Audits a cluster again and again: each time against the census of the time before, at the end with the clients' logs. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { audit } from '../../src/main/audit/audit.ts';
import type { AuditReport } from '../../src/main/audit/audit.ts';
import { journalPlaces } from '../../src/main/audit/cluster-reader.ts';
import { readDirectory } from '../../src/main/audit/directory-reader.ts';
import { isDisproof } from '../../src/main/audit/finding.ts';
import { readJournal } from '../../src/main/audit/journal-reader.ts';
import type { ProcessCluster } from './process-cluster.ts';

/** What `worldmesh audit --inputs` takes, a line for each entity that a player had; `missed` is for us. */
export interface InputLog {
  readonly entity: number;
  readonly session: number;
  sent: number;
  acknowledged: number;
  repeats: number;
  missed: number;
}

/** While faults happen a handover may be in doubt until the node that knows is back. */
const OUTBOX_AGE_MS = 60_000;
const BETWEEN_PASSES_MS = 300;

export class ClusterAuditor {
  /** Every disproof so far. */
  readonly wrong = new Set<string>();
  audits = 0;
  counts: AuditReport['counts'] | undefined;
  readonly #cluster: ProcessCluster;
  readonly #tell: (text: string) => void;
  #hasCensus = false;

  constructor(cluster: ProcessCluster, tell: (text: string) => void) {
    this.#cluster = cluster;
    this.#tell = tell;
  }

  /** @param settleMs how long to wait for rest and then judge the cluster at rest; undefined: it moves. */
  async audit({
    settleMs,
    inputs,
  }: {
    settleMs: number | undefined;
    inputs: readonly InputLog[];
  }): Promise<AuditReport> {
    const censusFile = path.join(this.#cluster.folder, 'census.ndjson');
    const inputsFile = path.join(this.#cluster.folder, 'inputs.ndjson');
    writeFileSync(inputsFile, inputs.map((log) => `${JSON.stringify(log)}\n`).join(''));
    const report = await audit({
      place: { directory: this.#cluster.directoryUrl },
      intervalMs: BETWEEN_PASSES_MS,
      settleMs,
      outboxAgeMsMax: settleMs ?? OUTBOX_AGE_MS,
      censusFile: this.#hasCensus ? censusFile : undefined,
      censusOutFile: censusFile,
      // A log that was written before the stores were read is behind them: only then is "never sent" certain.
      inputsFile: settleMs === undefined ? undefined : inputsFile,
    });
    this.#hasCensus = true;
    this.audits++;
    this.counts = report.counts;
    for (const finding of report.findings) {
      if (!isDisproof(finding)) continue;
      const where = finding.copies.map((copy) => `\n    ${copy}`).join('');
      const trace = finding.trace.map(({ node, stage, seq }) => `\n    ${node} ${stage} ${seq}`).join('');
      this.wrong.add(`${finding.code}: ${finding.text}${where}${trace}`);
    }
    const { entities, inTransit, active } = report.counts;
    const codes = report.findings.length === 0 ? '' : ` (${codesText(report)})`;
    this.#tell(`audit: ${report.verdict}${codes}; ${entities} owned, ${inTransit} in transit, ${active} simulated`);
    return report;
  }
}

export function codesText({ findingCounts }: AuditReport): string {
  return Object.entries(findingCounts)
    .map(([code, count]) => `${count} ${code}`)
    .join(', ');
}

/** By what the ledgers have given out, and by leases that were fenced. */
export function historyCounts(cluster: ProcessCluster): { handovers: number; takeovers: number } {
  const place = { directory: cluster.directoryUrl };
  const last = new Map<string, number>();
  for (const journal of journalPlaces(place).map(readJournal)) {
    for (const row of journal.transferSeqs) {
      const channel = `${row.issuer}>${row.target}`;
      last.set(channel, Math.max(row.last, last.get(channel) ?? 0));
    }
  }
  const takeovers = readDirectory(cluster.directoryUrl).members.filter(({ state }) => state === 'fenced').length;
  return { handovers: [...last.values()].reduce((sum, value) => sum + value, 0), takeovers };
}
