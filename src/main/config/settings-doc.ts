/** docs/SETTINGS.md, written from the schema so that it cannot differ from it. */
import { SETTING_NAMES, allowedText, defaultOf, environmentNameOf, flagOf, metaOf } from './settings.ts';
import type { SettingGroup } from './setting.ts';
import type { SettingName } from './settings.ts';

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
configuration or with a whole cluster's, \`worldmesh config print\` shows every value and where it came from. Secrets are never printed.
[CONFIGURATION.md](CONFIGURATION.md) tells more.
`;

const ERRORS = `
## Errors of the command line

Each message says what was found and what to do. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

| code | when |
|---|---|
| \`ERR_CONFIG_UNKNOWN\` | a name that is not a setting; the nearest one is suggested |
| \`ERR_CONFIG_VALUE\` | a value that the setting does not allow |
| \`ERR_CONFIG_CONFLICT\` | settings that do not go together |
| \`ERR_CONFIG_FILE\` | the file is not there, too large, or not YAML or JSON; or it is of a whole cluster and has no such node |
| \`ERR_CONFIG_CLUSTER\` | \`config check\`: what is fine for each node, and not for all of them together |
| \`ERR_CONFIG_KEYS\` | \`config check\`: certificates, private keys and keys of tokens that cannot be used, or not for long |
| \`ERR_CONFIG_PLACE\` | \`config check\`: the directory or the data folder cannot be used, or belongs to another world |
| \`ERR_CONFIG_WORLD\` | \`config check\`: the world module, the page or the login hook cannot be loaded |
| \`ERR_NODE_DATA_DIR\` | the data folder cannot be written |
| \`ERR_NODE_INCARNATION_CORRUPT\` | the file that keeps entity ids from repeating is damaged |
| \`ERR_NODE_INCARNATION_MAX\` | the data folder was started from two million times |
| \`ERR_NODE_INCARNATION_BUSY\` | another process is starting from the same data folder and does not finish |
| \`ERR_NODE_LISTEN\` | host and port cannot be listened on |
| \`ERR_NODE_PARAM\` | a param that the world module does not have |
| \`ERR_NODE_STOPPED\` | a thread ended without saying why: a bug in worldmesh |
| \`ERR_NODE_TLS\` | a file of tlsCert, tlsKey or tlsCa cannot be read |
| \`ERR_NODE_AUTH\` | authKeyFile or authFile cannot be used (\`ERR_AUTH_KEYS\`, \`ERR_AUTH_HOOK\`); the message says why |
| \`ERR_NODE_FENCED\` | another node was given what this one owned, or its journal failed: it ended |
| \`ERR_NODE_RELOAD\` | a node of a cluster does not take another version of its module; restart it |
| \`ERR_NODE_CLUSTER_RUNS\` | "worldmesh cluster" on data that a running cluster uses |
| \`ERR_NODE_PAGE\` | the page of the setting page cannot be read or bundled; the message names file and line |
| \`ERR_RECORDING_FILE\` | a recording cannot be opened, read or written |
| \`ERR_RECORDING_BACKLOG\` | the disk did not keep up: the recording ended, the world went on |
| \`ERR_RECORDING_MAGIC\` | the file is not a recording |
| \`ERR_RECORDING_VERSION\` | the recording has another format version |
| \`ERR_RECORDING_HEADER\` | its header is not that of a recording |
| \`ERR_RECORDING_TRUNCATED\` | it ends within its header or within a tick |
| \`ERR_RECORDING_CHECKSUM\` | bytes of it have changed since it was written |
| \`ERR_RECORDING_RANGE\` | a length in it cannot be |
| \`ERR_RECORDING_MISMATCH\` | it was made with another schema of the module, or world code throws in the replay |
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
  return INTRODUCTION + sections.join('') + ERRORS;
}

/** The default in words, the same on every machine. */
export function defaultText(name: SettingName): string {
  const { defaultText: text, secret } = metaOf(name);
  if (text !== undefined) return text;
  const value = defaultOf(name);
  const isEmpty = value === '' || value === undefined || (Array.isArray(value) && value.length === 0);
  return secret || isEmpty ? 'not set' : String(value as string | number | boolean);
}

function row(name: SettingName): string {
  const meta = metaOf(name);
  const cells = [
    `\`${name}\``,
    `\`${flagOf(name)}\``,
    `\`${environmentNameOf(name)}\``,
    defaultText(name),
    allowedText(meta),
    meta.secret === true ? `${meta.description}. Secret: never printed` : meta.description,
  ];
  return `| ${cells.join(' | ')} |`;
}
