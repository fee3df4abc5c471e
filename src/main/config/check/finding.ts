/** What `worldmesh config check` has to say. */
import type { ConfigErrorCode, ConfigProblem } from '../config-error.ts';
import { printable } from '../resolve.ts';
import type { SettingName, Settings } from '../settings.ts';
import { metaOf } from '../settings.ts';

export interface Finding extends ConfigProblem {
  /** A node does not start, or does harm, with an error; it runs with a warning, but hardly as it was meant. */
  readonly severity: 'error' | 'warning';
  /** The file of the node; '' when flags and environment are all there is. */
  readonly file: string;
  /** Name of the node; '' when it has none. */
  readonly node: string;
}

/** What was found to be well. */
export interface CheckNote {
  readonly file: string;
  readonly node: string;
  readonly text: string;
}

/** A configuration whose values are fine one by one, and what its files turned out to hold. */
export interface CheckedNode {
  readonly file: string;
  readonly settings: Settings;
  readonly origins: ReadonlyMap<SettingName, string>;
  readonly world?: WorldFacts | undefined;
  /** Fingerprint of the cluster authority's certificate. */
  readonly authority?: string | undefined;
}

/** What the world module says of itself. */
export interface WorldFacts {
  readonly name: string;
  readonly version: number;
  /** Metres; `worldSize` beats it. */
  readonly size: number;
}

interface FindingText {
  readonly code: ConfigErrorCode;
  readonly severity?: Finding['severity'];
  /** By default the value of the setting. */
  readonly found?: string;
  readonly allowed: string;
  readonly remedy: string;
}

export function findingOf(
  { file, settings, origins }: CheckedNode,
  setting: SettingName,
  { severity = 'error', found, ...text }: FindingText,
): Finding {
  return {
    ...text,
    severity,
    file,
    node: settings.node,
    setting,
    found: found ?? shownValue(setting, settings[setting]),
    source: origins.get(setting) ?? 'default',
  };
}

/** For people; a secret is never in it. */
export function shownValue(setting: SettingName, value: unknown): string {
  const { secret = false } = metaOf(setting);
  if (value === undefined || value === '') return 'not set';
  return printable(value, { secret });
}

/** `node a (a.yaml)`, as much of it as there is. */
export function nodeText({ file, settings: { node } }: Pick<CheckedNode, 'file' | 'settings'>): string {
  if (node === '') return file === '' ? 'this node' : file;
  return file === '' ? `node ${node}` : `node ${node} (${file})`;
}
