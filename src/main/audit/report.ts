/** Reports and timelines for people. */
import type { AuditReport } from './audit.ts';
import { idText, isDisproof } from './finding.ts';
import { subjectText } from './timeline.ts';
import type { Timeline, TimelineLine } from './timeline.ts';

export type Paint = (style: 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', text: string) => string;

const PLAIN: Paint = (_style, text) => text;

export function auditText(report: AuditReport, paint: Paint = PLAIN): string {
  const { counts, findings, findingCounts, mode, verdict, tookMs } = report;
  const lines = [
    row('nodes in the directory', counts.nodes, `${counts.journals} journals, ${counts.stores} stores read`),
    row('entities owned', counts.entities, `${counts.atRest} at rest`),
    row('in transit', counts.inTransit),
    row('simulated', counts.active),
    row('sessions', counts.sessions),
    row('messages on their way', counts.messages),
    row('expected', counts.expected, 'by census, births and the first look'),
    row('lines of history', counts.historyRows),
    '',
  ];
  for (const finding of findings) {
    const colour = isDisproof(finding) ? 'red' : 'yellow';
    lines.push(`${paint(colour, finding.code.padEnd(16))} ${finding.text}`);
    for (const copy of finding.copies) lines.push(paint('dim', `${' '.repeat(17)}${copy}`));
    for (const line of finding.trace) lines.push(paint('dim', `${' '.repeat(17)}${timelineRow(line)}`));
  }
  for (const [code, count] of Object.entries(findingCounts)) {
    const named = findings.filter((finding) => finding.code === code).length;
    if (count > named) lines.push(`${code.padEnd(16)} and ${count - named} more`);
  }
  if (findings.length > 0) lines.push('');
  lines.push(`${verdictText(verdict, paint)} ${paint('dim', `(${mode}, ${(tookMs / 1000).toFixed(1)} s)`)}`);
  return lines.join('\n');
}

function verdictText(verdict: AuditReport['verdict'], paint: Paint): string {
  switch (verdict) {
    case 'proven':
      return `${paint('green', 'Proven:')} every entity is owned exactly once, and nothing acted twice.`;
    case 'unproven':
      return `${paint('yellow', 'Unproven:')} nothing was disproved, and not everything could be judged.`;
    case 'disproved':
      return `${paint('red', 'Disproved.')} The lines above say what and where; docs/AUDIT.md says what each code means.`;
  }
}

export function timelineText(
  { subject, lines, standing, cut, dropped, unread }: Timeline,
  paint: Paint = PLAIN,
): string {
  const text = [paint('bold', subjectText(subject)), ''];
  if (lines.length === 0) text.push('No journal has a line of history about it.');
  const firstMs = lines[0]?.atMs ?? 0;
  for (const line of lines) text.push(`${timelineRow(line)} ${paint('dim', offsetText(line.atMs - firstMs))}`);
  text.push('', paint('bold', 'Now'));
  if (standing.length === 0) text.push('No row of any journal.');
  for (const { node, table, entity, seq, session, text: what } of standing) {
    const ofSession = session === 0 ? '' : `, session ${idText(session)}`;
    text.push(`${node.padEnd(12)} ${table.padEnd(8)} ${idText(entity)} seq ${seq}${ofSession}: ${what}`);
  }
  if (cut.length > 0) {
    text.push('', paint('yellow', `The histories of ${cut.join(', ')} have dropped their oldest lines.`));
  }
  if (dropped.length > 0) {
    text.push(
      '',
      paint('yellow', `${dropped.join(', ')} had more to tell at once than a history takes: lines are missing.`),
    );
  }
  for (const { name, reason } of unread) text.push(paint('yellow', `${name} cannot be read: ${reason}`));
  return text.join('\n');
}

function timelineRow({ atMs, node, stage, entity, seq, peer, transferSeq, session }: TimelineLine): string {
  const time = new Date(atMs).toISOString().slice(11, 23);
  const parts = [time, node.padEnd(12), stage.padEnd(16), idText(entity).padEnd(12), `seq ${String(seq).padEnd(5)}`];
  if (peer !== '') parts.push(`peer ${peer}${transferSeq > 0 ? ` transfer ${transferSeq}` : ''}`);
  if (session > 0) parts.push(`session ${idText(session)}`);
  return parts.join(' ').trimEnd();
}

function offsetText(offsetMs: number): string {
  return `+${offsetMs < 10_000 ? `${offsetMs} ms` : `${(offsetMs / 1000).toFixed(1)} s`}`;
}

function row(label: string, value: number, remark = ''): string {
  return `${label.padEnd(26)}${String(value).padStart(9)}${remark === '' ? '' : `   ${remark}`}`;
}
