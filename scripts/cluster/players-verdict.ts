/** The end of a run: players come to rest, handovers end, and what they sent and saw is judged. */
import { setTimeout as wait } from 'node:timers/promises';
import type { AuditReport } from '../../src/main/audit/audit.ts';
import { sum } from '../../src/main/bots/measures.ts';
import type { Percentiles } from '../../src/main/bots/measures.ts';
import type { RedirectCounts } from '../../src/main/bots/redirect-watch.core.ts';
import { codesText, historyCounts } from './cluster-auditor.ts';
import type { ClusterAuditor } from './cluster-auditor.ts';
import type { PlayerLog, Players } from './players.ts';
import type { ProcessCluster } from './process-cluster.ts';

export interface PlayersVerdict {
  readonly clients: number;
  readonly online: number;
  readonly connectionsLost: number;
  readonly connectionsLostByCode: Readonly<Record<string, number>>;
  readonly resumes: number;
  readonly sessionsLost: number;
  readonly reconnectMs: Percentiles;
  readonly longestGapMs: Percentiles;
  readonly intervalMs: Percentiles;
  readonly inputs: {
    readonly sent: number;
    readonly acknowledged: number;
    readonly durable: number;
    readonly repeated: number;
    /** By the world's own count: acted a second time, never acted, and never acted though the client never gave them up. */
    readonly twice: number;
    readonly missed: number;
    readonly givenUp: number;
    readonly lost: number;
  };
  readonly flickers: number;
  readonly seenTwice: number;
  readonly violations: Readonly<Record<string, number>>;
  readonly ownerChanges: number;
  readonly redirects: Readonly<RedirectCounts> & { readonly gapMs: Percentiles };
  readonly redirectPhases: readonly Readonly<RedirectCounts>[];
  readonly handovers: number;
  readonly takeovers: number;
  readonly verdict: AuditReport['verdict'];
  /** The longest gaps, and the first things that players saw wrong. */
  readonly gaps: readonly string[];
  readonly examples: readonly string[];
  /** Everything that breaks a hard rule; empty when nothing does. */
  readonly wrong: readonly string[];
}

/** Everybody is online again, and every input durable. */
const REST_MS_MAX = 45_000;
const SETTLE_MS = 20_000;
/** A checkpoint and a commit after the last input. */
const QUIET_MS = 3000;
const ODD_MAX = 10;

export async function judgePlayers(parts: {
  readonly cluster: ProcessCluster;
  readonly players: Players;
  readonly auditor: ClusterAuditor;
  readonly clients: number;
}): Promise<PlayersVerdict> {
  const { cluster, players, auditor, clients } = parts;
  const waiting = await players.rest(REST_MS_MAX);
  await cluster.setHandoverPercent(0);
  await wait(QUIET_MS);
  const { measures, logs, gaps } = await players.tell();
  const final = await auditor.audit({ settleMs: SETTLE_MS, inputs: logs });
  const total = (of: (log: PlayerLog) => number): number => logs.reduce((all, log) => all + of(log), 0);
  const verdict = {
    clients,
    online: logs.filter(({ isOnline }) => isOnline).length,
    connectionsLost: sum(measures.disconnectsByCode),
    connectionsLostByCode: Object.fromEntries(measures.disconnectsByCode),
    resumes: measures.events.resumes,
    sessionsLost: measures.events.sessionsLost,
    reconnectMs: measures.percentiles('reconnect'),
    longestGapMs: measures.percentiles('longestGap'),
    intervalMs: measures.percentiles('interval'),
    inputs: {
      sent: total((log) => log.sent),
      acknowledged: total((log) => log.acknowledged),
      durable: total((log) => log.durable),
      repeated: measures.events.inputsRepeated,
      twice: total((log) => log.repeats),
      missed: total((log) => log.missed),
      givenUp: measures.events.inputsGivenUp,
      lost: lostInputs(logs, measures.events.inputsGivenUp),
    },
    ...measures.presence,
    violations: Object.fromEntries(measures.violations),
    ownerChanges: measures.events.handovers,
    redirects: { ...measures.redirects, gapMs: measures.percentiles('redirectGap') },
    redirectPhases: measures.redirectPhases,
    ...historyCounts(cluster),
    verdict: final.verdict,
    gaps,
    examples: [...measures.examples, ...logs.filter(isOdd).slice(0, ODD_MAX).map(oddText)],
  };
  const wrong = [...auditor.wrong, ...brokenRules(verdict, waiting)];
  if (final.verdict !== 'proven') wrong.push(`the auditor says "${final.verdict}": ${codesText(final)}`);
  for (const { name, code, signal, output } of cluster.nodes.flatMap(({ ends }) => ends)) {
    wrong.push(`${name} ended by itself (${signal ?? code}):\n${output.map((line) => `    ${line}`).join('\n')}`);
  }
  return { ...verdict, wrong };
}

/** Numbers that the world missed, saw twice, or has not seen though its player rests. */
function isOdd({ missed, repeats, number, last }: PlayerLog): boolean {
  return missed > 0 || repeats > 0 || last < number;
}

function oddText(log: PlayerLog): string {
  const { name, entity, number, last, missed, repeats, sent, acknowledged, durable, undurableGivenUp } = log;
  return (
    `${name} (${entity}) sent number ${number}, the world has ${last}, missed ${missed}, saw ${repeats} again; ` +
    `sequences sent ${sent}, acknowledged ${acknowledged}, durable ${durable}, given up before durable ${undurableGivenUp}`
  );
}

/** Never acted, though no client gave them up. */
function lostInputs(logs: readonly PlayerLog[], givenUp: number): number {
  const never = logs.reduce((all, { missed, number, last }) => all + missed + Math.max(0, number - last), 0);
  return Math.max(0, never - givenUp);
}

function brokenRules(verdict: Omit<PlayersVerdict, 'wrong'>, waiting: number): string[] {
  const { clients, online, sessionsLost, inputs, flickers, seenTwice, redirects, violations } = verdict;
  const wrongSnapshots = Object.values(violations).reduce((all, count) => all + count, 0);
  const rules: [number, string][] = [
    [clients - online, 'players are not online at the end'],
    [waiting, `players are not online with every input durable ${REST_MS_MAX / 1000} s after the end`],
    [sessionsLost, 'sessions were lost'],
    [inputs.twice, 'inputs were applied twice'],
    [inputs.lost, 'inputs never acted, though their clients kept them'],
    [flickers, 'entities flickered'],
    [seenTwice, 'players were seen twice at once'],
    [redirects.lost, 'connections were lost over a redirect'],
    [wrongSnapshots, `snapshots were wrong: ${JSON.stringify(violations)}`],
  ];
  return rules.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
}

export type Row = readonly [label: string, value: string | number];

/** For a table, which Markdown takes, too. */
export function verdictRows(verdict: PlayersVerdict): Row[] {
  const { inputs, redirects, violations } = verdict;
  const rows: Row[] = [
    ['connections lost', `${verdict.connectionsLost} ${JSON.stringify(verdict.connectionsLostByCode)}`],
    ['sessions resumed, **lost**', `${verdict.resumes}, **${verdict.sessionsLost}**`],
    ['online at the end', `${verdict.online} of ${verdict.clients}`],
    ['reconnect p50, p99, max', secondsText(verdict.reconnectMs)],
    ['longest gap of a player without a snapshot p50, p99, max', secondsText(verdict.longestGapMs)],
    ['interval of snapshots p50, p99, max', millisecondsText(verdict.intervalMs)],
    ['inputs sent, acknowledged, durable', `${inputs.sent}, ${inputs.acknowledged}, ${inputs.durable}`],
    ['sent again, given up by a client', `${inputs.repeated}, ${inputs.givenUp}`],
    ['**applied twice, lost** (by the world)', `**${inputs.twice}, ${inputs.lost}**`],
    ['entities flickering, seen twice', `${verdict.flickers}, ${verdict.seenTwice}`],
    ['wrong snapshots', Object.keys(violations).length === 0 ? 0 : JSON.stringify(violations)],
    ['changes of node that players saw', verdict.ownerChanges],
    ['handovers, takeovers', `${verdict.handovers}, ${verdict.takeovers}`],
    ['auditor', verdict.verdict],
  ];
  if (redirects.offered > 0) {
    const { offered, done, fallbacks, lost } = redirects;
    rows.push(['redirects offered, done, fallbacks, lost', `${offered}, ${done}, ${fallbacks}, ${lost}`]);
  }
  return rows;
}

export function tableText(rows: readonly Row[]): string {
  return ['| measured | value |', '|---|---|', ...rows.map(([label, value]) => `| ${label} | ${value} |`)].join('\n');
}

/** What was seen, what was wrong, and how to see it again. */
export function closingText({ gaps, examples, wrong }: PlayersVerdict, replay: string): string {
  return [
    ...gaps.map((text) => `gap    ${text}`),
    ...examples.map((text) => `saw    ${text}`),
    ...wrong.map((text) => `WRONG  ${text}`),
    wrong.length === 0 ? 'Nothing is wrong.' : `Again: ${replay}`,
  ].join('\n');
}

export function secondsText({ p50, p99, max }: Percentiles): string {
  return [p50, p99, max].map((valueMs) => `${(valueMs / 1000).toFixed(2)} s`).join(', ');
}

export function millisecondsText({ p50, p99, max }: Percentiles): string {
  return [p50, p99, max].map((valueMs) => `${valueMs.toFixed(0)} ms`).join(', ');
}
