/** `worldmesh config check`, `config print` and `config schema`. */
import type { Command } from 'commander';
import { PEER_ADDRESS, nodeName } from '../cluster/node-plan.core.ts';
import type { CheckResult } from '../config/check/check.ts';
import type { Finding } from '../config/check/finding.ts';
import { CLUSTER_NODES_MAX } from '../config/cluster-settings.ts';
import { problemText } from '../config/config-error.ts';
import { hidePassword, printable } from '../config/resolve.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import { settingsJsonSchema } from '../config/settings-schema.ts';
import { SETTING_NAMES, metaOf } from '../config/settings.ts';
import type { SettingName } from '../config/settings.ts';
import { DEFAULT_MODULE } from '../installation.ts';
import { wholeNumber } from './number-argument.ts';
import { EXIT_CODE, examples, print, printJson, styled } from './output.ts';
import { addSettingFlags } from './setting-flags.ts';

const CHECK_HELP = `
Without FILE, the node is checked that would start with these flags, this environment and --config. Each FILE is of one node, or of a
whole cluster (common settings, and each node's own under "nodes"); several are checked together: same world and directory, names,
ports and peers that fit, certificates of one authority that are valid for 30 days and more. World module, page, keys and directory are
looked at where they are, and nothing is written. Flags and environment count for every node, as they would at its start.

Exit codes:
  0  every node would start; there may be warnings
  2  at least one would not, or they would not be one cluster
`;

interface CheckFlags {
  readonly json?: boolean;
  readonly nodes: number;
  readonly gateways: number;
}

export function addConfigCommand(program: Command): void {
  const config = program
    .command('config')
    .description('Check or show the settings of a node, or check those of a whole cluster together');
  addCheck(config);
  addPrint(config);
  config
    .command('schema')
    .description('Print the JSON Schema of a configuration file, for editors')
    .addHelpText('after', examples(['worldmesh config schema > worldmesh.schema.json']))
    .action(() => print(JSON.stringify(settingsJsonSchema(), undefined, 2)));
}

function addCheck(config: Command): void {
  const check = config
    .command('check')
    .description('Check a node, or the files of a cluster together, and say what to change')
    .argument('[file...]', 'YAML or JSON files, each of one node or of a whole cluster')
    .option(
      '--nodes <count>',
      'check what "worldmesh cluster --nodes" would start of it',
      wholeNumber(1, CLUSTER_NODES_MAX),
      0,
    )
    .option('--gateways <count>', 'the same for --gateways', wholeNumber(0, CLUSTER_NODES_MAX - 1), 0)
    .option('--json', 'print the result as JSON');
  const flags = addSettingFlags(check);
  check.addHelpText('after', CHECK_HELP);
  check.addHelpText(
    'after',
    examples([
      'worldmesh config check --config worldmesh.yaml',
      'worldmesh config check a.yaml b.yaml c.yaml',
      'worldmesh config check cluster.yaml --json',
      'worldmesh config check --nodes 3 --port 65534',
    ]),
  );
  check.action(async (files: readonly string[], { json, nodes, gateways }: CheckFlags) => {
    const { checkConfigsOfProcess } = await import('../config/check/check.ts');
    const result = await checkConfigsOfProcess({
      ...flags.given(nodes === 0 ? {} : clusterOverrides(nodes + gateways)),
      files,
      nodes,
      gateways,
      defaultModule: DEFAULT_MODULE,
      folder: process.cwd(),
      now: new Date(),
    });
    if (json === true) printJson(checkJson(result));
    else print(checkText(result));
    if (result.findings.some(({ severity }) => severity === 'error')) process.exitCode = EXIT_CODE.usage;
  });
}

/** What "worldmesh cluster" gives its first node. */
function clusterOverrides(count: number): Partial<Record<SettingName, string>> {
  return {
    node: nodeName(0),
    directory: 'sqlite:.worldmesh/cluster/directory.sqlite',
    listen: PEER_ADDRESS,
    clusterSize: String(Math.min(count, CLUSTER_NODES_MAX)),
  };
}

/** What is said with --json. */
export function checkJson({ findings, notes, nodes }: CheckResult): object {
  return {
    ok: findings.every(({ severity }) => severity === 'warning'),
    nodes: nodes.map(({ file, settings, origins }) => ({
      node: settings.node,
      file,
      given: Object.fromEntries(origins),
    })),
    findings,
    notes,
  };
}

/** What is said to people. */
export function checkText({ findings, notes, nodes }: CheckResult): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const names = nodes.map(({ settings }) => settings.node).filter((name) => name !== '');
  const what =
    nodes.length < 2 ? 'The configuration' : `The configuration of ${nodes.length} nodes (${names.join(', ')})`;
  const verdict =
    errors > 0
      ? styled('red', `Not usable: ${count(errors, 'error')}, ${count(warnings, 'warning')}.`)
      : styled('green', `${what} is valid${warnings > 0 ? `, with ${count(warnings, 'warning')}` : ''}.`);
  return [
    ...findings.map((finding) => findingText(finding, { isOneOfMany: nodes.length > 1 })),
    ...notes.map(({ text }) => styled('dim', `found:   ${text}`)),
    verdict,
  ].join('\n');
}

function findingText(finding: Finding, { isOneOfMany }: { isOneOfMany: boolean }): string {
  const { severity, source, file, node } = finding;
  const places = [
    source,
    ...(isOneOfMany && node !== '' ? [`node ${node}`] : []),
    ...(file !== '' && !source.includes(file) && finding.setting !== file ? [file] : []),
  ];
  const head = styled(severity === 'error' ? 'red' : 'yellow', `${severity}:`);
  return `${head}${' '.repeat('warning: '.length - severity.length - 1)}${problemText({ ...finding, source: places.join(', ') })}\n`;
}

function addPrint(config: Command): void {
  const show = config
    .command('print')
    .description('Print every setting, its value and where it came from; secrets are hidden')
    .option('--given', 'only those that are not at their default')
    .option('--json', 'print the result as JSON');
  const flags = addSettingFlags(show);
  show.addHelpText(
    'after',
    examples([
      'worldmesh config print',
      'worldmesh config print --config cluster.yaml --node a --given',
      'WORLDMESH_TICK_HZ=30 worldmesh config print --json',
    ]),
  );
  show.action(({ json, given }: { json?: boolean; given?: boolean }) => {
    const resolved = flags.read();
    const names = SETTING_NAMES.filter((name) => given !== true || resolved.origins.has(name));
    if (json === true) printJson(asJson(resolved, names));
    else print(asText(resolved, names));
  });
}

function asJson({ settings, origins }: ResolvedConfig, names: readonly SettingName[]): Record<string, unknown> {
  return Object.fromEntries(
    names.map((name) => {
      const value = metaOf(name).secret ? hiddenText(settings[name]) : withoutPasswords(settings[name] ?? null);
      return [name, { value, source: origins.get(name) ?? 'default', unit: metaOf(name).unit }];
    }),
  );
}

function asText({ settings, origins }: ResolvedConfig, names: readonly SettingName[]): string {
  const values = new Map(names.map((name) => [name, valueText(name, settings[name])]));
  const nameWidth = Math.max(...names.map((name) => name.length));
  const valueWidth = Math.max(...[...values.values()].map((value) => value.length));
  return names
    .map((name) => {
      const origin = origins.get(name);
      const source = origin ? styled('yellow', origin) : styled('dim', 'default');
      return `${name.padEnd(nameWidth)}  ${(values.get(name) ?? '').padEnd(valueWidth)}  ${source}`;
    })
    .join('\n');
}

function valueText(name: SettingName, value: unknown): string {
  const { secret, unit, defaultText } = metaOf(name);
  if (secret) return hiddenText(value);
  if (value === undefined) return defaultText ?? 'not set';
  return `${printable(value, { secret: false })}${unit === '' ? '' : ` ${unit}`}`;
}

function hiddenText(value: unknown): string {
  return value === '' ? 'not set' : 'set (hidden)';
}

/** A URL that is no secret by its setting may yet hold a password. */
function withoutPasswords(value: unknown): unknown {
  if (typeof value === 'string') return hidePassword(value);
  return Array.isArray(value) ? value.map((item) => withoutPasswords(item)) : value;
}
