/** `worldmesh cells`: who owns which cells at what cost, what the balancer would do, and doing it by hand. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { Directory } from '../../peer/directory.ts';
import { clusterPlace } from './cluster-flags.ts';
import { examples, note, print, printJson, styled } from './output.ts';

interface CellsFlags {
  readonly directory?: string;
  readonly json?: boolean;
  readonly all?: boolean;
}

const DIRECTORY_FLAG = [
  '--directory <url>',
  'directory of the cluster, sqlite:FILE (also WORLDMESH_DIRECTORY)',
] as const;
const JSON_FLAG = ['--json', 'print JSON'] as const;
const MODES = ['on', 'gather', 'dry-run', 'off'] as const;
const BLOCKS_AT_ONCE_MAX = 4096;

export function addCellsCommand(program: Command): void {
  const command = program
    .command('cells')
    .description('Show who owns which cells and what they cost; plan, move and balance them')
    .option(...DIRECTORY_FLAG)
    .option('--all', 'every block, not only the hottest')
    .option(...JSON_FLAG)
    .addHelpText(
      'after',
      examples([
        'worldmesh cells --directory sqlite:data/directory.sqlite',
        'worldmesh cells plan',
        'worldmesh cells move 12,13 b',
        'worldmesh cells balance dry-run',
      ]),
    );
  command.action((flags: CellsFlags) => withDirectory(flags, (directory) => list(directory, flags)));
  addPlan(command);
  addMove(command);
  addBalance(command);
}

function addPlan(cells: Command): void {
  cells
    .command('plan')
    .description('What the balancer would move now, why, and what no move helps')
    .option(...DIRECTORY_FLAG)
    .option(...JSON_FLAG)
    .addHelpText('after', examples(['worldmesh cells plan', 'worldmesh cells plan --json | jq .moves']))
    .action((_flags: CellsFlags, command: Command) => {
      const flags = command.optsWithGlobals<CellsFlags>();
      return withDirectory(flags, (directory) => plan(directory, flags));
    });
}

function addMove(cells: Command): void {
  cells
    .command('move')
    .description('Give blocks of cells to a node; their entities follow by handovers')
    .argument('<blocks>', 'numbers of blocks, separated by commas', blockNumbers)
    .argument('<node>', 'name of the node that is to have them')
    .option(...DIRECTORY_FLAG)
    .option(...JSON_FLAG)
    .addHelpText('after', examples(['worldmesh cells move 12 b', 'worldmesh cells move 12,13,20 b --json']))
    .action((blocks: readonly number[], node: string, _flags: CellsFlags, command: Command) => {
      const flags = command.optsWithGlobals<CellsFlags>();
      return withDirectory(flags, (directory) => move(directory, { blocks, node, flags }));
    });
}

function addBalance(cells: Command): void {
  cells
    .command('balance')
    .description(
      'Say what the balancer may do: on, gather (also empties nodes that could be switched off), dry-run or off',
    )
    .argument('[mode]', MODES.join(', '), balanceModeOf)
    .option(...DIRECTORY_FLAG)
    .option(...JSON_FLAG)
    .addHelpText('after', examples(['worldmesh cells balance', 'worldmesh cells balance off']))
    .action((mode: string | undefined, _flags: CellsFlags, command: Command) => {
      const flags = command.optsWithGlobals<CellsFlags>();
      return withDirectory(flags, (directory) => setMode(directory, { mode, flags }));
    });
}

async function withDirectory(flags: CellsFlags, action: (directory: Directory) => Promise<void>): Promise<void> {
  const place = clusterPlace(flags);
  if (!('directory' in place)) return;
  const { openDirectory } = await import('../../peer/directory-thread.ts');
  await using directory = await openDirectory(place.directory, { facts: undefined });
  await action(directory);
}

async function list(directory: Directory, { json, all }: CellsFlags): Promise<void> {
  const { blockRows, planCells, readCells } = await import('../cells/cells.ts');
  const facts = await readCells(directory);
  const nodes = planCells(facts).before;
  if (json) {
    const { mode, balancer, decisions } = facts;
    return printJson({ mode, balancer, nodes, blocks: blockRows(facts), decisions });
  }
  const { cellsText } = await import('../cells/cells-text.ts');
  print(cellsText(facts, { nodes, isAll: all === true, paint: (style, text) => styled(style, text) }));
}

async function plan(directory: Directory, { json }: CellsFlags): Promise<void> {
  const { planCells, readCells } = await import('../cells/cells.ts');
  const facts = await readCells(directory);
  const planned = planCells(facts);
  if (json) return printJson({ mode: facts.mode, ...planned });
  const { readConfigOfProcess } = await import('../config/read.ts');
  const { settings } = readConfigOfProcess({ flags: new Map(), file: undefined });
  const { planText } = await import('../cells/cells-text.ts');
  const { balanceMovesPerMinute: movesPerMinute } = settings;
  print(planText(planned, { facts, movesPerMinute, paint: (style, text) => styled(style, text) }));
}

async function move(
  directory: Directory,
  { blocks, node, flags }: { readonly blocks: readonly number[]; readonly node: string; readonly flags: CellsFlags },
): Promise<void> {
  const { moveBlocks, readCells } = await import('../cells/cells.ts');
  const moved = await moveBlocks(directory, { blocks, to: node });
  const { mode } = await readCells(directory);
  if (flags.json) return printJson({ to: node, moved: Object.fromEntries(moved), mode });
  for (const [from, numbers] of moved)
    print(`${numbers.join(', ')}: from ${from} to ${node}; entities follow by handovers`);
  if (moved.size === 0) print(`${node} has ${blocks.length === 1 ? 'it' : 'them'} already`);
  else if (mode === 'on' || mode === 'gather') {
    note('The balancer goes on, and may move them again; "worldmesh cells balance off" leaves them there');
  }
}

async function setMode(
  directory: Directory,
  { mode, flags }: { readonly mode: string | undefined; readonly flags: CellsFlags },
): Promise<void> {
  const { DIRECTORY_SETTINGS } = await import('../../peer/directory.ts');
  if (mode !== undefined) await directory.putSetting(DIRECTORY_SETTINGS.balance, mode);
  const { readCells } = await import('../cells/cells.ts');
  const { mode: now, balancer } = await readCells(directory);
  if (flags.json) printJson({ mode: now, balancer });
  else print(`balancing is ${now}, by ${balancer || 'nobody'}`);
}

function blockNumbers(text: string): number[] {
  const numbers = text.split(',').map((part) => (/^\d{1,7}$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (numbers.length > BLOCKS_AT_ONCE_MAX || numbers.some((block) => Number.isNaN(block))) {
    throw new InvalidArgumentError(
      `Write numbers of blocks with commas between them, such as 12,13; at most ${BLOCKS_AT_ONCE_MAX}.`,
    );
  }
  return [...new Set(numbers)];
}

function balanceModeOf(text: string): string {
  if ((MODES as readonly string[]).includes(text)) return text;
  throw new InvalidArgumentError(`One of ${MODES.join(', ')}.`);
}
