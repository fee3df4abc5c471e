/** `worldmesh drain`: moves everything away from a node, waits until it has gone, and says what is left meanwhile. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { WorldmeshError } from '../../base/errors.ts';
import type { Directory, Member } from '../../peer/directory.ts';
import { clusterPlace } from './cluster-flags.ts';
import { positiveNumber } from './number-argument.ts';
import { examples, note, print, printJson } from './output.ts';

interface DrainFlags {
  readonly directory?: string;
  readonly cancel?: boolean;
  readonly restart?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

const TIMEOUT_SECONDS = 120;
const TIMEOUT_SECONDS_MAX = 86_400;
const LOOK_MS = 200;
/** A node that does not answer shall not hold up the look at the directory. */
const ANSWER_MS_MAX = 800;

/** What is still at the node; NaN where it does not say. */
interface Progress {
  readonly state: string;
  readonly blocks: number;
  readonly entities: number;
  readonly sessions: number;
}

/** A node cannot be drained, or was not. */
export class DrainError extends WorldmeshError {
  override readonly name = 'DrainError';
  override readonly code: 'ERR_DRAIN_NODE' | 'ERR_DRAIN_ALONE' | 'ERR_DRAIN_ENDED' | 'ERR_DRAIN_TIMEOUT';

  constructor(code: DrainError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export function addDrainCommand(program: Command): void {
  program
    .command('drain')
    .description('Move cells, entities and clients away from a node, and wait until it has gone')
    .argument('<node>', 'name of the node')
    .option('--cancel', 'the node is to stay after all')
    .option('--restart', 'its supervisor ("worldmesh cluster") starts it again; waits until it is back')
    .option(
      '--timeout <seconds>',
      'how long to wait; the node goes on draining after that',
      positiveNumber(TIMEOUT_SECONDS_MAX),
      TIMEOUT_SECONDS,
    )
    .option('--directory <url>', 'directory of the cluster, sqlite:FILE (also WORLDMESH_DIRECTORY)')
    .option('--json', 'print JSON: a line for each change, and one at the end')
    .addHelpText(
      'after',
      examples([
        'worldmesh drain a',
        'worldmesh drain a --restart',
        'worldmesh drain a --cancel',
        'worldmesh drain a --timeout 600 --json --directory sqlite:data/directory.sqlite',
      ]),
    )
    .action(async (name: string, flags: DrainFlags) => {
      const place = clusterPlace(flags);
      if (!('directory' in place)) return;
      const { openDirectory } = await import('../../peer/directory-thread.ts');
      await using directory = await openDirectory(place.directory, { facts: undefined });
      if (flags.cancel === true) await cancel(directory, name, flags);
      else await drain(directory, name, flags);
    });
}

async function cancel(directory: Directory, name: string, { json }: DrainFlags): Promise<void> {
  const { node, incarnation, state } = await runningMember(directory, name);
  const isCancelled = await directory.drain({ node, incarnation, isDraining: false });
  if (!isCancelled) throw new DrainError('ERR_DRAIN_NODE', `node "${name}" has gone already, or is just starting`);
  if (json) printJson({ node: name, state: 'active', wasDraining: state === 'draining' });
  else print(state === 'draining' ? `${name} stays` : `${name} was not draining`);
}

async function drain(directory: Directory, name: string, flags: DrainFlags): Promise<void> {
  const startMs = performance.now();
  const member = await runningMember(directory, name);
  await checkOthers(directory, member);
  await wishRestart(directory, member, flags.restart === true);
  const { node, incarnation } = member;
  if (!(await directory.drain({ node, incarnation, isDraining: true }))) {
    throw new DrainError('ERR_DRAIN_NODE', `node "${name}" is ${member.state}: try again when it is active`);
  }
  const deadlineMs = startMs + flags.timeout * 1000;
  const screen = new ProgressScreen(name, flags.json === true);
  try {
    const gone = await awaitGone(directory, { member, deadlineMs, screen });
    const back = flags.restart === true ? await awaitBack(directory, { member, deadlineMs, screen }) : undefined;
    screen.end();
    const successor = (await directory.members()).find(({ ledger }) => ledger === gone.successorLedger)?.name ?? '';
    const tookMs = Math.round(performance.now() - startMs);
    if (flags.json) printJson({ node: name, state: 'gone', successor, tookMs, incarnation: back?.incarnation });
    else {
      const again = back === undefined ? '' : `, and ${name} is back with a new one`;
      print(`${name} has gone after ${(tookMs / 1000).toFixed(1)} s; ${successor} has its journal${again}`);
    }
  } finally {
    screen.end();
  }
}

async function runningMember(directory: Directory, name: string): Promise<Member> {
  const members = await directory.members();
  const live = members.find((member) => member.name === name && isLive(member));
  if (live !== undefined) return live;
  const known = [...new Set(members.filter(isLive).map((member) => member.name))].sort().join(', ');
  const isKnown = members.some((member) => member.name === name);
  throw new DrainError(
    'ERR_DRAIN_NODE',
    `${isKnown ? `node "${name}" does not run` : `there is no node "${name}"`}; running: ${known || 'none'}`,
  );
}

async function checkOthers(directory: Directory, { node, name }: Member): Promise<void> {
  const members = await directory.members();
  if (members.some((member) => member.node !== node && member.state === 'active' && member.capacity > 0)) return;
  throw new DrainError(
    'ERR_DRAIN_ALONE',
    `no other active node could take what "${name}" has; start one first, or stop "${name}" with SIGTERM: it keeps its journal then`,
  );
}

async function wishRestart(directory: Directory, { name, incarnation }: Member, wanted: boolean): Promise<void> {
  const { restartKey } = await import('../../peer/drain.ts');
  const key = restartKey(name);
  const isSet = (await directory.settings()).some((entry) => entry.key === key && entry.value !== '');
  if (wanted) await directory.putSetting(key, String(incarnation));
  else if (isSet) await directory.putSetting(key, '');
}

interface Watched {
  readonly member: Member;
  readonly deadlineMs: number;
  readonly screen: ProgressScreen;
}

/** Gives the lease as it ended. */
async function awaitGone(directory: Directory, { member, deadlineMs, screen }: Watched): Promise<Member> {
  const { name, incarnation } = member;
  for (;;) {
    const now = (await directory.members()).find((candidate) => candidate.incarnation === incarnation);
    if (now?.state === 'fenced' && (await isHandedIn(now))) return now;
    if (now === undefined || now.state === 'gone') {
      const text = `"${name}" was stopped before it was drained, and has kept its journal: start it again, so that nothing of it is missing`;
      throw new DrainError('ERR_DRAIN_ENDED', text);
    }
    if (now.state === 'active') throw new DrainError('ERR_DRAIN_ENDED', `the drain of "${name}" was cancelled`);
    const progress = await progressOf(directory, now);
    screen.show(progress);
    if (performance.now() > deadlineMs) {
      const { blocks, entities, sessions } = progress;
      const left = `${blocks} blocks, ${shown(entities)} entities, ${shown(sessions)} clients left`;
      throw new DrainError(
        'ERR_DRAIN_TIMEOUT',
        `"${name}" still drains (${left}); wait again, or "worldmesh drain ${name} --cancel"`,
      );
    }
    await wait(LOOK_MS);
  }
}

async function awaitBack(directory: Directory, { member, deadlineMs, screen }: Watched): Promise<Member> {
  const { name, incarnation } = member;
  for (;;) {
    const back = (await directory.members()).find((now) => now.name === name && now.incarnation > incarnation);
    if (back?.state === 'active' && back.clientUrl !== '') return back;
    screen.show({ state: back?.state ?? 'gone', blocks: 0, entities: 0, sessions: 0 });
    if (performance.now() > deadlineMs) {
      const text = `"${name}" has gone, and nobody has started it again; only "worldmesh cluster" does that by itself`;
      throw new DrainError('ERR_DRAIN_TIMEOUT', text);
    }
    await wait(LOOK_MS);
  }
}

/**
 * Whether its successor holds the whole of the journal, stably: it marks the file then, and a process that comes back puts it aside. Where
 * the file is out of sight, on another host, the fence has to do.
 */
async function isHandedIn({ folder, ledger }: Member): Promise<boolean> {
  const [{ JOURNAL_FILE }, { openDatabase, close }, { readMeta }, { ledgerFrom }] = await Promise.all([
    import('../../peer/journal-folder.ts'),
    import('../../peer/journal-schema.ts'),
    import('../../peer/journal-meta.ts'),
    import('../../peer/journal-row.wire.ts'),
  ]);
  const file = path.join(folder, JOURNAL_FILE);
  if (existsSync(path.join(folder, `journal-${ledger}.taken.sqlite`)) || !existsSync(file)) return true;
  const database = openDatabase(file, { mustExist: true, readonly: true });
  try {
    const meta = readMeta(database);
    return typeof meta !== 'string' && (meta.taken_by !== undefined || ledgerFrom(meta.ledger) !== ledger);
  } catch {
    // Just being written or moved: the next look tells.
    return false;
  } finally {
    close(database);
  }
}

async function progressOf(directory: Directory, { node, state, clientUrl }: Member): Promise<Progress> {
  const { readStatus } = await import('../audit/live-reader.ts');
  const [blocks, answer] = await Promise.all([
    directory.blocks(),
    readStatus(clientUrl, ANSWER_MS_MAX).catch((): Readonly<Record<string, unknown>> => ({})),
  ]);
  return {
    state,
    blocks: blocks.filter((block) => block.node === node).length,
    entities: numberOf(answer['entities']),
    sessions: numberOf(answer['connections']),
  };
}

/** One line that changes on a terminal; elsewhere a line for each change. */
class ProgressScreen {
  readonly #name: string;
  readonly #isJson: boolean;
  readonly #isDrawn: boolean;
  #last = '';

  constructor(name: string, isJson: boolean) {
    this.#name = name;
    this.#isJson = isJson;
    this.#isDrawn = !isJson && process.stderr.isTTY;
  }

  show({ state, blocks, entities, sessions }: Progress): void {
    const text = `${this.#name} is ${state}: ${blocks} blocks, ${shown(entities)} entities, ${shown(sessions)} clients left`;
    if (text === this.#last) return;
    this.#last = text;
    if (this.#isJson) printJson({ node: this.#name, state, blocks, entities, sessions });
    else if (this.#isDrawn) process.stderr.write(`\r\u001B[K${text}`);
    else note(text);
  }

  /** Can be called again. */
  end(): void {
    if (this.#isDrawn && this.#last !== '') process.stderr.write('\r\u001B[K');
    this.#last = '';
  }
}

function isLive({ state }: Member): boolean {
  return state === 'joining' || state === 'active' || state === 'draining';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN;
}

function shown(count: number): string {
  return Number.isNaN(count) ? '?' : String(count);
}
