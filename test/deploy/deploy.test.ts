/** Rules, dashboard and runbooks name only what there is. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';
import { worldmesh } from '../main/command-line.ts';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const RULES_FOLDER = 'deploy/prometheus/rules';
const TESTS_FOLDER = 'deploy/prometheus/tests';
/** What Prometheus itself makes of its targets and alerts. */
const OF_PROMETHEUS = new Set(['up', 'ALERTS']);

function rules(): Rule[] {
  return readdirSync(path.join(ROOT, RULES_FOLDER)).flatMap((file) => {
    const { groups } = parse(read(`${RULES_FOLDER}/${file}`)) as { groups: { rules: Rule[] }[] };
    return groups.flatMap(({ rules: ofGroup }) => ofGroup);
  });
}

/** As a query may name them: a histogram has three. */
function knownMetrics(): Set<string> {
  const known = new Set(OF_PROMETHEUS);
  for (const [, name, type] of read('docs/METRICS.md').matchAll(/^\| `(\S+)` \| (\S+) \|/gm)) {
    if (type !== 'histogram') known.add(name!);
    else for (const suffix of ['_bucket', '_sum', '_count']) known.add(name! + suffix);
  }
  for (const { record } of rules()) if (record !== undefined) known.add(record);
  return known;
}

/** Names with a prefix of ours or Prometheus' own, wherever they stand in an expression. */
function metricsOf(expression: string): string[] {
  const bare = expression.replaceAll(/"[^"]*"/g, '""');
  return bare.match(/\b(?:worldmesh[a-z0-9_:]*|process_[a-z_]+|up|ALERTS)\b/g) ?? [];
}

const alerts = (): string[] => [...new Set(rules().flatMap(({ alert }) => alert ?? []))].sort();

test('rules name only metrics that are documented, or recorded by other rules', (t) => {
  const known = knownMetrics();
  for (const { record, alert, expr } of rules()) {
    const names = metricsOf(expr);
    t.true(names.length > 0, expr);
    for (const name of names) t.true(known.has(name), `${record ?? alert}: ${name}`);
  }
});

test('each alert has a severity, a summary, a runbook with that very heading, and a promtool test in which it fires', (t) => {
  const headings = [...read('docs/RUNBOOKS.md').matchAll(/^### (\S+)$/gm)].map(([, heading]) => heading!).sort();
  t.deepEqual(headings, alerts());
  for (const { alert, labels, annotations } of rules()) {
    if (alert === undefined) continue;
    t.true(['page', 'ticket'].includes(labels?.['severity'] ?? ''), alert);
    t.truthy(annotations?.['summary'], alert);
    t.is(annotations?.['runbook'], `docs/RUNBOOKS.md#${alert.toLowerCase()}`);
  }
  const fired = new Set<string>();
  const quiet = new Set<string>();
  for (const file of readdirSync(path.join(ROOT, TESTS_FOLDER))) {
    const { tests } = parse(read(`${TESTS_FOLDER}/${file}`)) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts?: unknown[] }[] }[];
    };
    for (const { alert_rule_test: cases } of tests) {
      for (const { alertname, exp_alerts: expected } of cases) {
        (expected === undefined || expected.length === 0 ? quiet : fired).add(alertname);
      }
    }
  }
  t.deepEqual([...fired].sort(), alerts());
  t.deepEqual([...quiet].sort(), alerts());
});

test('commands of runbooks are commands of this command line, with the options that they have', async (t) => {
  const text = read('docs/RUNBOOKS.md');
  const commands = new Map<string, Set<string>>();
  for (const [, command, rest] of text.matchAll(
    /`worldmesh ([a-z]+(?: (?:move|plan|balance|check|print|issue|list|replay))?)([^`]*)`/g,
  )) {
    const options = commands.get(command!) ?? new Set();
    for (const [option] of rest!.matchAll(/--[a-z-]+/g)) options.add(option);
    commands.set(command!, options);
  }
  t.true(commands.size >= 8, [...commands.keys()].join());
  for (const [command, options] of commands) {
    const { code, stdout } = await worldmesh([...command.split(' '), '--help']);
    t.is(code, 0, command);
    for (const option of options) t.true(stdout.includes(option), `${command} ${option}`);
  }
});

test('the dashboard is one that Grafana takes, with metrics that there are, and no panel upon another', (t) => {
  const dashboard = JSON.parse(read('deploy/grafana/worldmesh.json')) as {
    title: string;
    uid: string;
    schemaVersion: number;
    templating: { list: { name: string }[] };
    panels: Panel[];
  };
  t.like(dashboard, { title: 'Worldmesh', uid: 'worldmesh' });
  t.deepEqual(
    dashboard.templating.list.map(({ name }) => name),
    ['datasource', 'instance'],
  );
  t.is(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  const known = knownMetrics();
  const taken = new Set<string>();
  for (const { title, type, targets = [], gridPos } of dashboard.panels) {
    if (type !== 'row') t.true(targets.length > 0, title);
    for (const { expr } of targets) {
      for (const name of metricsOf(expr)) t.true(known.has(name), `${title}: ${name}`);
    }
    t.true(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.false(taken.has(`${x} ${y}`), title);
        taken.add(`${x} ${y}`);
      }
    }
  }
});
