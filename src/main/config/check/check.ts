/**
 * Checks the configuration of one node or of all nodes of a cluster, as far as it can be checked without starting them: values, what
 * they name (keys, folders, modules), and what they are to each other. Nothing is written, and no secret gets into what is said.
 */
import path from 'node:path';
import { ConfigError } from '../config-error.ts';
import type { ConfigProblem } from '../config-error.ts';
import { readConfigFile, sourcesOfNode } from '../file.ts';
import { configPath, givenSources, nodeNameAmong } from '../read.ts';
import type { ConfigInputs } from '../read.ts';
import { resolveConfig } from '../resolve.ts';
import type { ConfigSource } from '../resolve.ts';
import type { SettingName, Settings } from '../settings.ts';
import { clusterFindings } from './cluster-check.core.ts';
import { findingOf } from './finding.ts';
import type { CheckNote, CheckedNode, Finding } from './finding.ts';
import { checkLinkKeys, checkTokenKeys } from './key-check.ts';
import { checkDataFolder, checkDirectory, checkSecrecy } from './place-check.ts';

export interface CheckRequest extends Omit<ConfigInputs, 'file'> {
  /** From --config. */
  readonly file: string | undefined;
  /** Each of one node or of a whole cluster; without any, the node is checked that would start like this. */
  readonly files: readonly string[];
  /** The world that a node runs when nothing names one. */
  readonly defaultModule: string;
  /** As many nodes as `worldmesh cluster` would start of this configuration, and on how many ports; 0: none. */
  readonly nodes: number;
  readonly gateways: number;
  /** Where relative paths begin. */
  readonly folder: string;
  readonly now: Date;
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  readonly notes: readonly CheckNote[];
  /** Of those whose values are fine. */
  readonly nodes: readonly CheckedNode[];
}

/** Sources of one node, the strongest first. */
interface Candidate {
  readonly file: string;
  readonly name: string;
  readonly sources: readonly ConfigSource[];
}

const PORT_MAX = 65_535;

/** With the environment of this process. */
export async function checkConfigsOfProcess(request: Omit<CheckRequest, 'environment'>): Promise<CheckResult> {
  return await checkConfigs({ ...request, environment: process.env });
}

export async function checkConfigs(request: CheckRequest): Promise<CheckResult> {
  const findings: Finding[] = [];
  const notes: CheckNote[] = [];
  const checked: CheckedNode[] = [];
  for (const candidate of candidatesOf(request, findings)) {
    const node = resolved(candidate, findings);
    if (node !== undefined) checked.push(await looked(node, { request, findings, notes }));
  }
  if (request.nodes > 0) findings.push(...checked.flatMap((node) => [...portFindings(node, request)]));
  findings.push(...clusterFindings(checked, request));
  return { findings: sorted(findings), notes: unique(notes), nodes: checked };
}

function candidatesOf(request: CheckRequest, findings: Finding[]): Candidate[] {
  const given = givenSources(request);
  const name = nodeNameAmong(given);
  const files = request.files.length > 0 ? request.files : [configPath(request)].filter((file) => file !== '');
  if (files.length === 0) return [{ file: '', name: name ?? '', sources: given }];
  return files.flatMap((file) => {
    try {
      const read = readConfigFile(file, request);
      const names = read.nodes === undefined || name !== undefined ? [name] : [...read.nodes.keys()];
      return names.map((one) => ({ file, name: one ?? '', sources: [...given, ...sourcesOfNode(read, one)] }));
    } catch (error) {
      keepProblems(error, { file, node: '' }, findings);
      return [];
    }
  });
}

function resolved({ file, name, sources }: Candidate, findings: Finding[]): CheckedNode | undefined {
  try {
    return { file, ...resolveConfig(sources) };
  } catch (error) {
    keepProblems(error, { file, node: name || (nodeNameAmong(sources) ?? '') }, findings);
    return undefined;
  }
}

function keepProblems(error: unknown, place: { file: string; node: string }, findings: Finding[]): void {
  if (!(error instanceof ConfigError)) throw error;
  findings.push(
    ...error.problems.map((problem: ConfigProblem) => ({ ...problem, ...place, severity: 'error' as const })),
  );
}

/** With what its files turned out to hold. */
async function looked(
  plain: CheckedNode,
  { request, findings, notes }: { request: CheckRequest; findings: Finding[]; notes: CheckNote[] },
): Promise<CheckedNode> {
  const { folder } = request;
  const { settings } = plain;
  const note = (text: string): number => notes.push({ file: plain.file, node: settings.node, text });
  const { checkHook, checkPage, checkWorld } = await import('./world-check.ts');
  const module = settings.module || request.defaultModule;
  const { world, findings: worldFindings } = await checkWorld(plain, { module, folder });
  if (world !== undefined) {
    note(
      `world "${world.schema.name}" version ${world.schema.version}, ${settings.worldSize ?? world.size} m, from ${shownPath(module, folder)}`,
    );
  }
  const keys = checkLinkKeys(plain, request);
  if (keys.validTo !== undefined) note(`certificates are valid until ${keys.validTo.toISOString().slice(0, 10)}`);
  const node: CheckedNode = {
    ...plain,
    authority: keys.authority,
    world: world && { name: world.schema.name, version: world.schema.version, size: world.size },
  };
  const directory = await checkDirectory(node, request);
  if (directory.note !== undefined) notes.push(directory.note);
  findings.push(
    ...worldFindings,
    ...keys.findings,
    ...checkTokenKeys(node, request),
    ...checkDataFolder(node, request),
    ...directory.findings,
    ...checkSecrecy(node, request),
    ...(await checkPage(node, request)),
    ...(await checkHook(node, request)),
  );
  return node;
}

/** As short as it is still found from the folder. */
function shownPath(file: string, folder: string): string {
  const relative = path.relative(folder, path.resolve(folder, file));
  return relative.startsWith('..') ? path.resolve(folder, file) : relative;
}

/** `worldmesh cluster` counts ports up from the one that is set. */
function* portFindings(node: CheckedNode, { nodes, gateways }: CheckRequest): Generator<Finding> {
  const { port }: Settings = node.settings;
  const last = port + nodes - 1 + Math.sign(gateways);
  if (port === 0 || last <= PORT_MAX) return;
  const more = last - port;
  yield findingOf(node, 'port' satisfies SettingName, {
    code: 'ERR_CONFIG_CONFLICT',
    allowed: `a port with ${more} more above it, up to ${PORT_MAX}, for ${nodes} nodes${gateways === 0 ? '' : ' and their gateways'}`,
    remedy: `lower it to ${PORT_MAX - more} or less, or set it to 0 for free ports`,
  });
}

/** Errors first; else in the order in which they were found. What two nodes share is said once. */
function sorted(findings: readonly Finding[]): Finding[] {
  const seen = new Map(
    findings.map((finding) => [
      [finding.setting, finding.found, finding.source, finding.allowed, sharedPlace(finding)].join('\n'),
      finding,
    ]),
  );
  return [...seen.values()].toSorted((first, second) => rank(first) - rank(second));
}

/** What stands in the common part of a cluster's file is wrong once, and not for each node. */
function sharedPlace({ source, file, node }: Finding): string {
  return source === 'default' ? `${file} ${node}` : '';
}

function rank({ severity }: Finding): number {
  return severity === 'error' ? 0 : 1;
}

function unique(notes: readonly CheckNote[]): CheckNote[] {
  return [...new Map(notes.map((note) => [note.text, note])).values()];
}
