/** docs/SETTINGS.md, written from the schema so that it cannot differ from it. */
import { SETTING_NAMES, allowedText, environmentNameOf, flagOf, metaOf, settingsSchema } from './settings.ts';
import type { SettingGroup, SettingName } from './settings.ts';

const INTRODUCTION = `# Settings

<!-- Written by "npm run docs:settings" from src/main/config/settings.ts. Do not edit. -->

Every setting can be given as a flag, in the environment, or in a file; a flag beats the environment, which beats the
file, which beats the default:

\`\`\`
worldmesh serve game.ts --tick-hz 30
WORLDMESH_TICK_HZ=30 worldmesh serve game.ts
worldmesh serve game.ts --config worldmesh.yaml      # tickHz: 30
\`\`\`

The file is YAML or JSON, one \`name: value\` a line, with the names of the table; \`WORLDMESH_CONFIG\` names it as well.
A switch is a flag of its own: \`--viewer\` and \`--no-viewer\`. \`worldmesh config check\` says what is wrong with a
configuration, \`worldmesh config print\` shows every value and where it came from. Secrets are never printed.
`;

export function settingsDocument(): string {
  const groups = new Map<SettingGroup, string[]>();
  for (const name of SETTING_NAMES) {
    const { group } = metaOf(name);
    groups.set(group, [...(groups.get(group) ?? []), row(name)]);
  }
  const sections = [...groups].map(
    ([group, rows]) =>
      `\n## ${group}\n\n| name | flag | environment | default | allowed | meaning |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n`,
  );
  return INTRODUCTION + sections.join('');
}

/** The default in words, the same on every machine. */
export function defaultText(name: SettingName): string {
  const { defaultText: text, secret } = metaOf(name);
  if (text !== undefined) return text;
  const result = settingsSchema.shape[name].safeParse(undefined);
  const value = result.success ? result.data : undefined;
  return secret || value === '' || value === undefined ? 'not set' : String(value as string | number | boolean);
}

function row(name: SettingName): string {
  const meta = metaOf(name);
  const cells = [
    `\`${name}\``,
    `\`${flagOf(name)}\``,
    `\`${environmentNameOf(name)}\``,
    defaultText(name),
    allowedText(meta),
    meta.description,
  ];
  return `| ${cells.join(' | ')} |`;
}
