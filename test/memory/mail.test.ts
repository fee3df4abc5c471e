/** What waits between ticks: commands, the inbox, announcements, and frames from the gateway. */
import test from 'ava';
import { CapacityError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import { ANNOUNCEMENT_ROWS, Announcements } from '../../src/memory/announcements.ts';
import { COMMAND, COMMAND_HEAD_BYTES, CommandWriter, Commands } from '../../src/memory/commands.ts';
import { Inbox } from '../../src/memory/inbox.ts';
import { readIntake, writeInput, writeJoin, writeLeave } from '../../src/memory/intake.ts';
import { Ring } from '../../src/memory/ring.ts';

const CELLS = 35;

function makeInbox(entriesMax: number): Inbox {
  const options = { cellCount: CELLS, entriesMax };
  return new Inbox(new SharedArrayBuffer(Inbox.sizeBytes(options)), 0, options);
}

function takeAll(inbox: Inbox, cell: number): unknown[] {
  const entries: unknown[] = [];
  inbox.take(cell, {
    event: (slot, worker, at) => entries.push(['event', slot, worker, at]),
    input: (slot, session) => entries.push(['input', slot, session]),
  });
  return entries;
}

test('inbox: each cell gets its entries in the order they were added', (t) => {
  const inbox = makeInbox(500);
  const random = new Random(1);
  for (let round = 0; round < 20; round++) {
    const model: unknown[][] = Array.from({ length: CELLS }, () => []);
    for (let entry = 0; entry < 300; entry++) {
      const cell = random.below(CELLS);
      const slot = random.below(1000);
      if (random.below(2) === 0) {
        t.true(inbox.addEvent(cell, { slot, worker: 65_535, at: entry }));
        model[cell]!.push(['event', slot, 65_535, entry]);
      } else {
        t.true(inbox.addInput(cell, { slot, session: entry }));
        model[cell]!.push(['input', slot, entry]);
      }
    }
    for (let cell = 0; cell < CELLS; cell++) {
      t.is(inbox.isEmpty(cell), model[cell]!.length === 0);
      t.deepEqual(takeAll(inbox, cell), model[cell]!);
      t.true(inbox.isEmpty(cell));
    }
    inbox.reset();
  }
});

test('inbox: a full one refuses and keeps what it has', (t) => {
  const inbox = makeInbox(2);
  t.true(inbox.addInput(3, { slot: 1, session: 1 }));
  t.true(inbox.addInput(3, { slot: 2, session: 2 }));
  t.false(inbox.addInput(4, { slot: 3, session: 3 }));
  t.true(inbox.isEmpty(4));
  t.is(takeAll(inbox, 3).length, 2);
});

test('commands: noted by cell, kept for one more tick, refused when full', (t) => {
  const options = { cellCount: CELLS, workers: 2, commandBytes: 256 };
  const commands = new Commands(new SharedArrayBuffer(Commands.sizeBytes(options)), 0, options);
  const writer = new CommandWriter(commands, 1);
  writer.startTick(8);
  writer.startCell();
  const at = writer.begin(8);
  writer.view.setUint32(at, 77, true);
  writer.finish({ op: COMMAND.despawn, subject: 0, payloadBytes: 5 });
  writer.endCell(34);
  writer.startCell();
  writer.begin(8);
  writer.finish({ op: COMMAND.despawn, subject: 0, payloadBytes: 8 });
  writer.dropCell();
  writer.endCell(2);
  const set = commands.setOf(8);
  t.deepEqual([set.workerOf(34), set.firstOf(34), set.endOf(34)], [1, 0, COMMAND_HEAD_BYTES + 8]);
  t.is(set.endOf(2) - set.firstOf(2), 0);
  writer.startTick(9);
  writer.startCell();
  writer.begin(100);
  t.is(set.views[1]!.getUint32(COMMAND_HEAD_BYTES, true), 77);
  const error = t.throws(() => writer.begin(128), { instanceOf: CapacityError });
  t.is(error?.setting, 'commandBytes');
});

test('announcements: those after a tick, as long as they are kept', (t) => {
  const announcements = new Announcements(new SharedArrayBuffer(Announcements.sizeBytes()), 0);
  for (let tick = 1; tick <= ANNOUNCEMENT_ROWS + 20; tick++) {
    announcements.write({ tick, slot: tick + 1, generation: 2, event: 3, payload: Uint8Array.of(tick & 0xff, 9) });
  }
  const end = announcements.end;
  t.is(announcements.firstAfter(end - 3), end - 3);
  t.is(announcements.firstAfter(end), end);
  t.is(announcements.firstAfter(0), end - ANNOUNCEMENT_ROWS);
  const row = end - 1;
  t.deepEqual(
    [announcements.tick(row), announcements.slot(row), announcements.generation(row), announcements.event(row)],
    [end, end + 1, 2, 3],
  );
  const at = announcements.payloadOffsetBytes(row);
  t.deepEqual([...announcements.bytes.subarray(at, at + announcements.payloadBytes(row))], [end & 0xff, 9]);
});

test('intake: frames come out as they were written, and a full ring refuses them', (t) => {
  const ring = new Ring(new SharedArrayBuffer(Ring.sizeBytes(256)), 0, 256);
  t.true(writeJoin(ring, { session: 1, generation: 2, name: 'Žofie', account: 'acc' }));
  t.true(
    writeInput(ring, { session: 3, generation: 4, sequence: 2 ** 32 - 1, back: 5, payload: Uint8Array.of(1, 2, 3) }),
  );
  t.true(writeLeave(ring, { session: 5, generation: 2 ** 32 - 1 }));
  const frames: unknown[] = [];
  ring.drain((at) =>
    readIntake(ring, at, {
      join: (...frame) => frames.push(['join', ...frame]),
      leave: (...frame) => frames.push(['leave', ...frame]),
      input: (session, generation, { sequence, back, at: first, sizeBytes }) =>
        frames.push(['input', session, generation, sequence, back, [...ring.bytes.subarray(first, first + sizeBytes)]]),
    }),
  );
  t.deepEqual(frames, [
    ['join', 1, 2, { name: 'Žofie', account: 'acc' }],
    ['input', 3, 4, 2 ** 32 - 1, 5, [1, 2, 3]],
    ['leave', 5, 2 ** 32 - 1],
  ]);
  while (writeLeave(ring, { session: 0, generation: 0 }));
  t.false(writeJoin(ring, { session: 0, generation: 0, name: '', account: '' }));
  t.false(writeInput(ring, { session: 0, generation: 0, sequence: 0, back: 5, payload: new Uint8Array() }));
});
