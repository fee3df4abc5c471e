/** Folders and files that a node needs: its data folder, the directory of its cluster, and who can read its configuration. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { DirectoryView } from '../../audit/directory-reader.ts';
import { SETTING_NAMES, metaOf } from '../settings.ts';
import { findingOf, shownValue } from './finding.ts';
import type { CheckNote, CheckedNode, Finding } from './finding.ts';
import { isReadByOthers, modeText } from './key-check.ts';

const SQLITE = 'sqlite:';

export function* checkDataFolder(node: CheckedNode, { folder }: { folder: string }): Generator<Finding> {
  const problem = folderProblem(path.resolve(folder, node.settings.dataDir));
  if (problem === undefined) return;
  yield findingOf(node, 'dataDir', {
    code: 'ERR_CONFIG_PLACE',
    found: `${shownValue('dataDir', node.settings.dataDir)}: ${problem}`,
    allowed: 'a folder that this user may write to, or may make',
    remedy: 'make it, give this user the right to write there, or name another',
  });
}

/** Opens it for reading, if there is one. */
export async function checkDirectory(
  node: CheckedNode,
  { folder }: { folder: string },
): Promise<{ findings: readonly Finding[]; note?: CheckNote }> {
  const { directory } = node.settings;
  if (directory === '') return { findings: [] };
  const file = path.resolve(folder, directory.slice(SQLITE.length));
  const fail = (found: string, text: { allowed: string; remedy: string }): { findings: readonly Finding[] } => ({
    findings: [
      findingOf(node, 'directory', {
        code: 'ERR_CONFIG_PLACE',
        found: `${JSON.stringify(directory)}: ${found}`,
        ...text,
      }),
    ],
  });
  const noteOf = (text: string): CheckNote => ({
    file: node.file,
    node: node.settings.node,
    text: `directory ${directory}: ${text}`,
  });
  if (!existsSync(file)) {
    const problem = folderProblem(path.dirname(file));
    if (problem === undefined) return { findings: [], note: noteOf('not there yet, the first node makes it') };
    return fail(problem, {
      allowed: 'a file in a folder that this user may write to, or may make',
      remedy: 'make the folder, give this user the right to write there, or name another file',
    });
  }
  const { readDirectory } = await import('../../audit/directory-reader.ts');
  let view: DirectoryView;
  try {
    accessSync(file, constants.W_OK);
    view = readDirectory(`${SQLITE}${file}`);
  } catch (error) {
    return fail(error instanceof Error ? error.message.replaceAll(`${file} `, '') : String(error), {
      allowed: 'a directory of Worldmesh that this user may write to',
      remedy: 'name the directory of the cluster, or a file that is not there yet',
    });
  }
  return {
    findings: [...factFindings(node, view), ...memberFindings(node, { view, folder })],
    note: noteOf(viewText(view)),
  };
}

/** A file with a secret in it is nobody else's business. */
export function* checkSecrecy(node: CheckedNode, { folder }: { folder: string }): Generator<Finding> {
  if (node.file === '') return;
  const file = path.resolve(folder, node.file);
  if (!isReadByOthers(file)) return;
  for (const name of SETTING_NAMES) {
    if (metaOf(name).secret !== true || !node.origins.get(name)?.startsWith('file ') || node.settings[name] === '')
      continue;
    yield findingOf(node, name, {
      code: 'ERR_CONFIG_KEYS',
      severity: 'warning',
      found: `(hidden), in a file of mode ${modeText(file)}`,
      allowed: 'a secret in a file that only its owner can read, or in the environment',
      remedy: `chmod 600 ${node.file}`,
    });
  }
}

function* factFindings(node: CheckedNode, { facts }: DirectoryView): Generator<Finding> {
  const { settings, world } = node;
  const own = {
    worldSize: settings.worldSize ?? world?.size,
    cellSize: settings.cellSize,
    blockCells: settings.blockCells,
    tickHz: settings.tickHz,
  } as const;
  for (const name of ['worldSize', 'cellSize', 'blockCells', 'tickHz'] as const) {
    const fact = facts.get(name);
    if (fact === undefined || own[name] === undefined || fact === own[name]) continue;
    yield findingOf(node, name, {
      code: 'ERR_CONFIG_PLACE',
      found: String(own[name]),
      allowed: `${fact}, with which the cluster in ${settings.directory} was made`,
      remedy: `set ${name} to ${fact}, or begin a new cluster with another directory and dataDir`,
    });
  }
  const name = facts.get('world');
  if (name === undefined || world === undefined || name === world.name) return;
  yield findingOf(node, 'module', {
    code: 'ERR_CONFIG_PLACE',
    found: `the world "${world.name}"`,
    allowed: `the world "${name}", for which the cluster in ${settings.directory} was made`,
    remedy: 'name its module, or begin a new cluster with another directory and dataDir',
  });
}

/** A name stands for a journal. */
function* memberFindings(
  node: CheckedNode,
  { view, folder }: { view: DirectoryView; folder: string },
): Generator<Finding> {
  const { node: name, dataDir } = node.settings;
  const member = view.members.find((one) => one.name === name && one.state !== 'fenced');
  if (member === undefined || path.resolve(folder, member.folder) === path.resolve(folder, dataDir, name)) return;
  yield findingOf(node, 'dataDir', {
    code: 'ERR_CONFIG_PLACE',
    severity: 'warning',
    found: `${shownValue('dataDir', dataDir)}, which makes ${path.join(dataDir, name)}`,
    allowed: `the folder in which node "${name}" has its journal so far, ${member.folder}`,
    remedy: `set dataDir to ${path.dirname(member.folder)}, or give this node another name`,
  });
}

function viewText({ members, blocks, facts }: DirectoryView): string {
  const states = members.filter(({ state }) => state !== 'fenced').map(({ name, state }) => `${name} ${state}`);
  const blockCount = [...blocks.values()].reduce((sum, count) => sum + count, 0);
  return `world "${facts.get('world') ?? ''}", ${blockCount} blocks, ${states.length === 0 ? 'no nodes yet' : `nodes: ${states.join(', ')}`}`;
}

/** Why nothing can be written there; the folder need not be there yet. */
function folderProblem(folder: string): string | undefined {
  let place = folder;
  while (!existsSync(place) && path.dirname(place) !== place) place = path.dirname(place);
  if (!statSync(place).isDirectory()) return `${place === folder ? 'it' : place} is no folder`;
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    return undefined;
  } catch {
    return `this user may not write to ${place === folder ? 'it' : place}`;
  }
}
