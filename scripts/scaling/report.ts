/** The scaling suite's report in Markdown, with its pictures beside it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hardware } from '../../bench/peers/report.ts';
import { tableText } from '../cluster/players-verdict.ts';
import { isKept } from './scenario.ts';
import type { Finished, Rule } from './scenario.ts';

export interface ReportFacts {
  readonly finished: readonly Finished[];
  readonly seed: number;
  readonly isQuick: boolean;
  readonly command: string;
}

export const REPORT_FILE = 'README.md';

/** Into a folder that is made if need be: the report, a picture each, and all as JSON. */
export function writeReport(folder: string, facts: ReportFacts): void {
  mkdirSync(folder, { recursive: true });
  for (const { outcome } of facts.finished) {
    for (const { name, svg } of outcome?.pictures ?? []) writeFileSync(path.join(folder, `${name}.svg`), svg);
  }
  writeFileSync(path.join(folder, REPORT_FILE), reportText(facts));
}

export function reportText({ finished, seed, isQuick, command }: ReportFacts): string {
  const { cpu, cores, memoryGiB, node } = hardware();
  const head = [
    '# Scaling report',
    '',
    `\`${command}\`, seed ${seed}, on ${cpu}, ${cores} cores, ${memoryGiB} GiB, Node ${node}; everything on this one machine.`,
    'A promise holds always; a target is a figure for a machine that has nothing else to do.',
    ...(isQuick ? ['This was a quick run: targets are told, not judged.'] : []),
    '',
    'The load of the machine is how many processes wanted a core, before a scenario and at its end: before, it should be near 0.',
    '',
    '| scenario | verdict | seconds | load before, after |',
    '|---|---|---|---|',
    ...finished.map(
      ({ scenario, verdict, seconds, machineLoad: { before, after } }) =>
        `| [${scenario.title}](#${anchorOf(scenario.title)}) | ${verdict} | ${seconds.toFixed(0)} | ${before.toFixed(1)}, ${after.toFixed(1)} |`,
    ),
  ];
  return `${[...head, ...finished.flatMap(sectionLines)].join('\n')}\n`;
}

function sectionLines({ scenario, outcome, failure, verdict }: Finished): string[] {
  const lines = ['', `## ${scenario.title}`, ''];
  if (outcome === undefined) return [...lines, `**${verdict}**: ${failure ?? ''}`];
  const { done, rules, rows, pictures, text } = outcome;
  return [
    ...lines,
    done,
    '',
    ...pictures.map(({ name }) => `![${scenario.title}](${name}.svg)`),
    ...(pictures.length > 0 ? [''] : []),
    '| limit | measured | at most | |',
    '|---|---|---|---|',
    ...rules.map(ruleLine),
    '',
    ...(rows.length > 0 ? [tableText(rows), ''] : []),
    ...(text === undefined ? [] : [text, '']),
    `Verdict: **${verdict}**`,
  ];
}

function ruleLine(rule: Rule): string {
  const { text, measured, max, unit, kind } = rule;
  const verdict = isKept(rule) ? 'kept' : kind === 'promise' ? '**broken**' : '**missed**';
  return `| ${text} | ${figure(measured, unit)} | ${figure(max, unit)} | ${kind} ${verdict} |`;
}

export function figure(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–';
  const text = Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  return unit === '' ? text : `${text} ${unit}`;
}

/** As GitHub makes it of a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}
