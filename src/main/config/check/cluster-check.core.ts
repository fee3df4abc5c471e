/** What is fine in each node's configuration, but not among several: they are to be one world on one host. Pure. */
import path from 'node:path';
import { parsePeer } from '../address.ts';
import { metaOf } from '../settings.ts';
import type { SettingName } from '../settings.ts';
import { endpointFindings, peerFindings } from './address-check.core.ts';
import { findingOf, nodeText, shownValue } from './finding.ts';
import type { CheckedNode, Finding } from './finding.ts';

/** A directory refuses a node that has another value. */
const SAME_OR_REFUSED = ['cellSize', 'blockCells', 'tickHz'] as const satisfies readonly SettingName[];
/** A cluster runs with different values, but what a player meets then depends on where. */
const SAME_OR_ODD = [
  'seed',
  'params',
  'snapshotHz',
  'hysteresis',
  'overhang',
  'aoiRadius',
  'aoiHysteresis',
  'clusterSize',
  'leaseMs',
  'resumeGraceMs',
  'authMode',
  'authSecret',
  'authIssuer',
  'authAudience',
] as const satisfies readonly SettingName[];

/** @param folder where relative paths begin. */
export function* clusterFindings(
  nodes: readonly CheckedNode[],
  { folder }: { readonly folder: string },
): Generator<Finding> {
  yield* endpointFindings(nodes);
  if (nodes.length < 2) return;
  yield* folderFindings(nodes, folder);
  const members = nodes.filter(({ settings }) => settings.directory !== '');
  if (members.length < nodes.length) yield* outsiderFindings(nodes);
  yield* nameFindings(members);
  yield* directoryFindings(members, folder);
  yield* sameFindings(members);
  yield* worldFindings(members);
  yield* tlsFindings(members);
  yield* shareFindings(members);
  yield* peerFindings(members);
}

/** Some have no directory: nobody would find them. */
function* outsiderFindings(nodes: readonly CheckedNode[]): Generator<Finding> {
  const member = nodes.find(({ settings }) => settings.directory !== '');
  for (const node of nodes) {
    if (node.settings.directory !== '') continue;
    yield findingOf(node, 'directory', {
      code: 'ERR_CONFIG_CLUSTER',
      severity: member === undefined ? 'warning' : 'error',
      allowed:
        member === undefined
          ? `the directory that all ${nodes.length} share, if they are to be one cluster`
          : `${shownValue('directory', member.settings.directory)}, as ${nodeText(member)} has it`,
      remedy:
        member === undefined
          ? 'give each node a name of its own and all of them one directory, or check the files one by one'
          : 'give it a name and this directory, or leave its file out',
    });
    if (member === undefined) return;
  }
}

function* nameFindings(members: readonly CheckedNode[]): Generator<Finding> {
  for (const [index, node] of members.entries()) {
    const other = members.slice(0, index).find(({ settings }) => settings.node === node.settings.node);
    if (other === undefined) continue;
    yield findingOf(node, 'node', {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: `a name that no other node has; ${other.file || 'another'} has it too`,
      remedy: `give one of them another name, such as ${freeName(members)}`,
    });
  }
}

function freeName(members: readonly CheckedNode[]): string {
  const names = new Set(members.map(({ settings }) => settings.node));
  for (let number = 2; ; number++) if (!names.has(`node-${number}`)) return `node-${number}`;
}

/** An incarnation and a journal belong to one process. */
function* folderFindings(nodes: readonly CheckedNode[], folder: string): Generator<Finding> {
  const folderOf = ({ settings: { dataDir, node } }: CheckedNode): string => path.resolve(folder, dataDir, node);
  for (const [index, node] of nodes.entries()) {
    const other = nodes.slice(0, index).find((earlier) => folderOf(earlier) === folderOf(node));
    // Two nodes of one name are told of by the name.
    if (other === undefined || (other.settings.node === node.settings.node && node.settings.directory !== '')) continue;
    yield findingOf(node, 'dataDir', {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: `a folder for this node alone; ${nodeText(other)} keeps its incarnation and its journal there`,
      remedy: 'give one of them another dataDir',
    });
  }
}

function* directoryFindings(members: readonly CheckedNode[], folder: string): Generator<Finding> {
  const place = ({ settings }: CheckedNode): string => path.resolve(folder, settings.directory.replace(/^sqlite:/, ''));
  const usual = mostCommon(members, place);
  for (const node of members) {
    if (usual === undefined || place(node) === place(usual)) continue;
    yield findingOf(node, 'directory', {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: `the directory of the others, ${shownValue('directory', usual.settings.directory)}, as ${nodeText(usual)} has it`,
      remedy: 'give all nodes of a cluster the same directory',
    });
  }
}

function* sameFindings(members: readonly CheckedNode[]): Generator<Finding> {
  for (const name of [...SAME_OR_REFUSED, ...SAME_OR_ODD]) {
    const usual = mostCommon(members, ({ settings }) => JSON.stringify(settings[name]));
    if (usual === undefined) continue;
    const isRefused = (SAME_OR_REFUSED as readonly SettingName[]).includes(name);
    for (const node of members) {
      if (JSON.stringify(node.settings[name]) === JSON.stringify(usual.settings[name])) continue;
      yield findingOf(node, name, {
        code: 'ERR_CONFIG_CLUSTER',
        severity: isRefused ? 'error' : 'warning',
        allowed:
          metaOf(name).secret === true
            ? `the same that ${nodeText(usual)} has`
            : `${shownValue(name, usual.settings[name])}, as ${nodeText(usual)} has it`,
        remedy: isRefused
          ? `set ${name} to the same on all nodes; the directory refuses a node that differs`
          : `set ${name} to the same on all nodes, unless the difference is meant`,
      });
    }
  }
}

function* worldFindings(members: readonly CheckedNode[]): Generator<Finding> {
  const known = members.filter(({ world }) => world !== undefined);
  const usualName = mostCommon(known, ({ world }) => world?.name ?? '');
  const usualSize = mostCommon(known, (node) => String(sizeOf(node)));
  const newest = known.reduce<CheckedNode | undefined>(
    (best, node) => ((node.world?.version ?? 0) > (best?.world?.version ?? -1) ? node : best),
    undefined,
  );
  for (const node of known) {
    if (node.world?.name !== usualName?.world?.name) {
      yield findingOf(node, 'module', {
        code: 'ERR_CONFIG_CLUSTER',
        found: `the world "${node.world?.name}"`,
        allowed: `the world "${usualName?.world?.name}", which ${nodeText(usualName ?? node)} runs`,
        remedy: 'give all nodes of a cluster the same world module',
      });
    } else if (sizeOf(node) !== sizeOf(usualSize ?? node)) {
      yield findingOf(node, 'worldSize', {
        code: 'ERR_CONFIG_CLUSTER',
        found: `${sizeOf(node)} m`,
        allowed: `${sizeOf(usualSize ?? node)} m, as ${nodeText(usualSize ?? node)} has it`,
        remedy: 'set worldSize to the same on all nodes, or on none',
      });
    } else if (newest?.world !== undefined && node.world !== undefined && node.world.version < newest.world.version) {
      const isTooOld = newest.world.version - node.world.version > 1;
      yield findingOf(node, 'module', {
        code: 'ERR_CONFIG_CLUSTER',
        severity: isTooOld ? 'error' : 'warning',
        found: `version ${node.world.version} of the world`,
        allowed: `version ${newest.world.version}, which ${nodeText(newest)} has; one apart only while nodes are upgraded one by one`,
        remedy: 'bring all nodes to the same version',
      });
    }
  }
}

function sizeOf({ settings, world }: CheckedNode): number | undefined {
  return settings.worldSize ?? world?.size;
}

function* tlsFindings(members: readonly CheckedNode[]): Generator<Finding> {
  const usual = mostCommon(members, ({ settings }) => String(settings.tlsCert !== ''));
  const secured = members.find(({ settings }) => settings.tlsCert !== '');
  for (const node of members) {
    if (secured === undefined || usual === undefined || node.settings.tlsCert !== '') continue;
    yield findingOf(node, 'tlsCert', {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: `TLS on all nodes or on none; ${nodeText(secured)} has it`,
      remedy: `make its keys with "worldmesh keys issue ${node.settings.node} --ca FOLDER --out FOLDER", and set tlsCert, tlsKey and tlsCa`,
    });
  }
  const trusting = members.filter(({ authority }) => authority !== undefined);
  const usualAuthority = mostCommon(trusting, ({ authority }) => authority ?? '');
  for (const node of trusting) {
    if (usualAuthority === undefined || node.authority === usualAuthority.authority) continue;
    yield findingOf(node, 'tlsCa', {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: `the authority of the others: the certificate in ${shownValue('tlsCa', usualAuthority.settings.tlsCa)} of ${nodeText(usualAuthority)}`,
      remedy: 'issue the keys of all nodes with one authority ("worldmesh keys issue --ca FOLDER")',
    });
  }
}

/** Who owns what, and when it begins. */
function* shareFindings(members: readonly CheckedNode[]): Generator<Finding> {
  const [first] = members;
  if (first === undefined) return;
  if (members.every(({ settings }) => settings.capacity === 0)) {
    yield findingOf(first, 'capacity', {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: 'more than 0 on at least one node, or nobody owns the world',
      remedy: 'leave capacity out on the nodes that are to simulate',
    });
  }
  const waiting = members.find(({ settings }) => settings.clusterSize > members.length);
  if (waiting !== undefined) {
    yield findingOf(waiting, 'clusterSize', {
      code: 'ERR_CONFIG_CLUSTER',
      severity: 'warning',
      allowed: `at most the ${members.length} nodes that there are`,
      remedy: `set clusterSize to ${members.length}: a new cluster waits 10 s for nodes that do not come, or check the files of all nodes together`,
    });
  }
  const names = new Set(members.map(({ settings }) => settings.node));
  for (const node of members) {
    const strangers = node.settings.peers
      .map((peer) => parsePeer(peer)?.name ?? '')
      .filter((name) => name !== '' && !names.has(name));
    if (strangers.length === 0) continue;
    yield findingOf(node, 'peers', {
      code: 'ERR_CONFIG_CLUSTER',
      severity: 'warning',
      allowed: `nodes of these files: ${[...names].join(', ')}`,
      remedy: `remove ${strangers.join(', ')}, or check the files of all nodes together`,
    });
  }
}

/** A node that has what most have; the first of them, and the first at all when there is no majority. */
function mostCommon(nodes: readonly CheckedNode[], valueOf: (node: CheckedNode) => string): CheckedNode | undefined {
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(valueOf(node), (counts.get(valueOf(node)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return nodes.find((node) => counts.get(valueOf(node)) === most);
}
