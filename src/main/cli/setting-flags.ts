/** Gives a command a flag for each setting it takes, made from the schema of settings. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { readConfigOfProcess } from '../config/read.ts';
import type { ConfigInputs } from '../config/read.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import { defaultText } from '../config/settings-doc.ts';
import { SETTING_NAMES, flagOf, metaOf, optionOf } from '../config/settings.ts';
import type { SettingMeta } from '../config/setting.ts';
import type { SettingName } from '../config/settings.ts';

export interface SettingFlags {
  /** The settings that the flags of this run, the environment and the file give. @throws ConfigError */
  read(overrides?: Partial<Record<SettingName, string>>): ResolvedConfig;
  /** What the flags of this run say. An override counts where there is no flag. */
  given(overrides?: Partial<Record<SettingName, string>>): Pick<ConfigInputs, 'flags' | 'file'>;
}

/** Adds `--config FILE` and a flag for each named setting; all settings by default. */
export function addSettingFlags(command: Command, names: readonly SettingName[] = SETTING_NAMES): SettingFlags {
  command.option('-c, --config <file>', 'YAML or JSON file with settings (also WORLDMESH_CONFIG)');
  for (const name of names) for (const option of optionsFor(name)) command.addOption(option);
  const given: SettingFlags['given'] = (overrides = {}) => {
    const options = command.opts<Record<string, unknown>>();
    const flags = new Map<string, unknown>();
    for (const name of names) {
      const value = options[optionOf(name)];
      if (value !== undefined) flags.set(name, Array.isArray(value) ? value.join(',') : value);
    }
    for (const [name, value] of Object.entries(overrides)) if (!flags.has(name)) flags.set(name, value);
    return { flags, file: options['config'] as string | undefined };
  };
  return { given, read: (overrides) => readConfigOfProcess(given(overrides)) };
}

function optionsFor(name: SettingName): Option[] {
  const { group } = metaOf(name);
  return plainOptions(name).map((option) => option.helpGroup(`${group}:`));
}

function plainOptions(name: SettingName): Option[] {
  const meta = metaOf(name);
  const flag = flagOf(name);
  const unit = meta.unit === '' || meta.unit === 'bytes' ? '' : `, ${meta.unit}`;
  const text = `${meta.description} (default: ${defaultText(name)}${unit})`;
  if (meta.kind === 'boolean') {
    return [new Option(flag, text), new Option(`--no-${flag.slice(2)}`, `The opposite of ${flag}`)];
  }
  if (meta.kind === 'params') {
    return [new Option(`${flag} <name=value>`, text).argParser(collectParam)];
  }
  if (meta.kind === 'list') return [new Option(`${flag} <${meta.placeholder ?? 'text'}>`, text).argParser(collect)];
  return [new Option(`${flag} <${placeholder(meta)}>`, text)];
}

function placeholder({ kind, unit, choices, placeholder: given }: SettingMeta): string {
  if (given !== undefined) return given;
  if (kind === 'choice') return (choices ?? []).join('|');
  if (kind === 'text') return 'text';
  return unit === '' ? 'number' : unit.replaceAll('/', ' per ');
}

function collectParam(value: string, before: unknown): string[] {
  if (!value.includes('=')) throw new InvalidArgumentError('Write it as name=value, such as botsPerCell=20.');
  return collect(value, before);
}

function collect(value: string, before: unknown): string[] {
  return [...(Array.isArray(before) ? (before as string[]) : []), value];
}
