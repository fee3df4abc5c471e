/** `worldmesh config check` and `worldmesh config print`. */
import type { Command } from 'commander';
import { printable } from '../config/resolve.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import { SETTING_NAMES, metaOf } from '../config/settings.ts';
import type { SettingName } from '../config/settings.ts';
import { examples, print, printJson, styled } from './output.ts';
import { addSettingFlags } from './setting-flags.ts';

export function addConfigCommand(program: Command): void {
  const config = program.command('config').description('Check or show the settings that a node would start with');

  const check = config
    .command('check')
    .description('Check flags, environment and file; exit with 2 if a node would not start')
    .option('--json', 'print the result as JSON');
  const checkFlags = addSettingFlags(check);
  check.addHelpText(
    'after',
    examples([
      'worldmesh config check --config worldmesh.yaml',
      'worldmesh config check --tick-hz 30 --snapshot-hz 15',
    ]),
  );
  check.action(({ json }: { json?: boolean }) => {
    const { origins } = checkFlags.read();
    if (json) return printJson({ ok: true, given: Object.fromEntries(origins) });
    print(
      `${styled('green', 'The configuration is valid.')} ${origins.size} settings differ in origin from the default.`,
    );
  });

  const show = config
    .command('print')
    .description('Print every setting, its value and where it came from; secrets are hidden')
    .option('--json', 'print the result as JSON');
  const showFlags = addSettingFlags(show);
  show.addHelpText('after', examples(['worldmesh config print', 'WORLDMESH_TICK_HZ=30 worldmesh config print --json']));
  show.action(({ json }: { json?: boolean }) => {
    const resolved = showFlags.read();
    if (json) printJson(asJson(resolved));
    else print(asText(resolved));
  });
}

function asJson({ settings, origins }: ResolvedConfig): Record<string, unknown> {
  return Object.fromEntries(
    SETTING_NAMES.map((name) => {
      const value = metaOf(name).secret ? hiddenText(settings[name]) : (settings[name] ?? null);
      return [name, { value, source: origins.get(name) ?? 'default', unit: metaOf(name).unit }];
    }),
  );
}

function asText({ settings, origins }: ResolvedConfig): string {
  const nameWidth = Math.max(...SETTING_NAMES.map((name) => name.length));
  const values = new Map(SETTING_NAMES.map((name) => [name, valueText(name, settings[name])]));
  const valueWidth = Math.max(...[...values.values()].map((value) => value.length));
  return SETTING_NAMES.map((name) => {
    const origin = origins.get(name);
    const source = origin ? styled('yellow', origin) : styled('dim', 'default');
    return `${name.padEnd(nameWidth)}  ${(values.get(name) ?? '').padEnd(valueWidth)}  ${source}`;
  }).join('\n');
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
