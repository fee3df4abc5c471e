/** `worldmesh outbox list | replay`. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { NodeOutbox } from '../outbox/outbox-list.ts';
import { addClusterPlaceFlags, clusterPlace } from './cluster-flags.ts';
import type { ClusterPlaceFlags } from './cluster-flags.ts';
import { EXIT_CODE, examples, note, print, printJson, styled } from './output.ts';

interface ListFlags extends ClusterPlaceFlags {
  readonly json?: boolean;
}

interface ReplayFlags extends ClusterPlaceFlags {
  readonly all?: boolean;
}

/** A node that runs looks for requests twice a second. */
const TAKEN_MS_MAX = 10_000;
const POLL_MS = 100;
const BODY_LENGTH_SHOWN = 80;

export function addOutboxCommand(program: Command): void {
  const outbox = program
    .command('outbox')
    .description('What the world has told the outside, and the sink has not taken');
  addListCommand(outbox);
  addReplayCommand(outbox);
}

function addListCommand(outbox: Command): void {
  const list = addClusterPlaceFlags(
    outbox.command('list').description("Publications that wait in the nodes' journals, and those that are parked"),
  ).option('--json', 'print them as JSON');
  list.addHelpText('after', examples(['worldmesh outbox list --directory sqlite:data/directory.sqlite']));
  list.action(async (flags: ListFlags) => {
    const { readOutboxes } = await import('../outbox/outbox-list.ts');
    const outboxes = readOutboxes(clusterPlace(flags));
    if (flags.json) printJson(outboxes);
    else print(outboxes.map((found) => outboxText(found, Date.now())).join('\n'));
  });
}

function outboxText({ node, waiting, sizeBytes, oldestMs, parkedCount, parked }: NodeOutbox, nowMs: number): string {
  const age = oldestMs === 0 ? '' : `, the oldest for ${Math.max(0, Math.round((nowMs - oldestMs) / 1000))} s`;
  const head = `${styled('bold', node)}: ${waiting} wait${age}; ${parkedCount} parked; ${sizeBytes} bytes`;
  const lines = parked.map(({ entity, number, name, publishedMs, body }) => {
    const shown = body.length > BODY_LENGTH_SHOWN ? `${body.slice(0, BODY_LENGTH_SHOWN)}…` : body;
    return `  ${entity}:${number}  ${new Date(publishedMs).toISOString()}  ${name} ${shown}`;
  });
  const more = parkedCount > parked.length ? [`  and ${parkedCount - parked.length} more`] : [];
  return [head, ...lines, ...more].join('\n');
}

function addReplayCommand(outbox: Command): void {
  const replay = addClusterPlaceFlags(
    outbox
      .command('replay')
      .description('Have parked publications tried again, five times each')
      .argument('[ids...]', 'as "worldmesh outbox list" prints them: entity:number'),
  ).option('--all', 'all that are parked');
  replay.addHelpText(
    'after',
    examples([
      'worldmesh outbox replay 4294967299:2 --directory sqlite:data/directory.sqlite',
      'worldmesh outbox replay --all',
    ]),
  );
  replay.action(async (texts: readonly string[], flags: ReplayFlags) => {
    if (texts.length > 0 === (flags.all === true)) {
      note('worldmesh: give ids, as "worldmesh outbox list" prints them, or --all');
      process.exitCode = EXIT_CODE.usage;
      return;
    }
    await replayParked(texts, flags);
  });
}

async function replayParked(texts: readonly string[], flags: ReplayFlags): Promise<void> {
  const { parkedIn, readOutboxes } = await import('../outbox/outbox-list.ts');
  const { OutboxError } = await import('../outbox/outbox-error.ts');
  const { publicationFrom } = await import('../../peer/delivery.ts');
  const { writeReplayRequest } = await import('../../peer/replay-request.ts');
  const ids = texts.map((text) => {
    const id = publicationFrom(text);
    if (id === undefined) throw new OutboxError('ERR_OUTBOX_ID', `"${text}" is no publication; write entity:number`);
    return id;
  });
  const found = parkedIn(readOutboxes(clusterPlace(flags)), flags.all ? undefined : ids);
  const missing = ids.filter((id) => !found.some((place) => place.ids?.includes(id)));
  for (const { entity, number } of missing) note(`worldmesh: ${entity}:${number} is not parked`);
  for (const { outbox, ids: here } of found) {
    writeReplayRequest(outbox.folder, { ids: here });
    print(`${outbox.node}: ${here?.length ?? outbox.parkedCount} to be tried again`);
  }
  for (const { outbox } of found) await untilTaken(outbox);
  process.exitCode = missing.length > 0 ? EXIT_CODE.failure : EXIT_CODE.ok;
}

/** A node that does not run takes it at its next start. */
async function untilTaken({ node, folder }: NodeOutbox): Promise<void> {
  const { OutboxError } = await import('../outbox/outbox-error.ts');
  const { hasReplayRequest } = await import('../../peer/replay-request.ts');
  const { isAlive } = await import('../../peer/journal.ts');
  const deadlineMs = performance.now() + TAKEN_MS_MAX;
  while (hasReplayRequest(folder)) {
    if (!isAlive(folder)) return print(`${node}: does not run, and takes it at its next start`);
    if (performance.now() > deadlineMs) {
      throw new OutboxError('ERR_OUTBOX_TIMEOUT', `node ${node} has not taken the request within ${TAKEN_MS_MAX} ms`);
    }
    await wait(POLL_MS);
  }
}
