import test from 'ava';
import { inTransit, whyNotOneMoment } from '../../../src/main/backup/moment.core.ts';
import type { JournalLook, Looks, SnapshotLook } from '../../../src/main/backup/moment.core.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const NOBODY = 'd'.repeat(32);

function look(name: 'a' | 'b', changes: Partial<JournalLook> = {}): JournalLook {
  return {
    name,
    file: `/data/${name}/journal.sqlite`,
    ledger: name === 'a' ? A : B,
    incarnation: 7,
    isTaken: false,
    messageNumber: 20,
    outbox: [],
    transferSeqs: new Map([[`${name === 'a' ? A : B}>${NOBODY}`, 5]]),
    messages: new Map(),
    imports: [],
    ...changes,
  };
}

function snapshot(
  name: 'a' | 'b',
  changes: Partial<JournalLook> = {},
  marks: readonly (readonly [entity: number, issuer: string, number: number])[] = [],
): SnapshotLook {
  return {
    ...look(name, changes),
    marks: new Map(marks.map(([entity, issuer, number]) => [entity, new Map([[issuer, number]])])),
  };
}

/** Looks at two journals; what is given replaces what is quiet. */
function looks(changes: Partial<Looks> = {}): Looks {
  return {
    before: [look('a'), look('b')],
    snapshots: [snapshot('a'), snapshot('b')],
    after: [look('a'), look('b')],
    ...changes,
  };
}

test('snapshots between two looks at a cluster in which nothing happened are of one moment', (t) => {
  t.is(whyNotOneMoment(looks()), undefined);
});

test('a handover that began or ended between the looks makes them of several moments, on whichever side of the snapshot', (t) => {
  const began = { transferSeqs: new Map([[`${A}>${NOBODY}`, 6]]) };
  t.is(whyNotOneMoment(looks({ after: [look('a', began), look('b')] })), 'a handover of a began');
  t.is(
    whyNotOneMoment(looks({ snapshots: [snapshot('a', began), snapshot('b')], after: [look('a', began), look('b')] })),
    'a handover of a began',
  );
  const first = { transferSeqs: new Map([[`${A}>${B}`, 1]]) };
  t.is(whyNotOneMoment(looks({ after: [look('a', first), look('b')] })), 'a handover of a began');
  const sent = { outbox: [`${A}>${B}:5`] };
  t.is(whyNotOneMoment(looks({ before: [look('a', sent), look('b')] })), 'a handover of a ended');
});

test('what does not move is of one moment also in transit, and what was taken over counts no more', (t) => {
  const sent = { outbox: [`${A}>${B}:5`] };
  const stuck = looks({
    before: [look('a', sent), look('b')],
    snapshots: [snapshot('a', sent), snapshot('b')],
    after: [look('a', sent), look('b')],
  });
  t.is(whyNotOneMoment(stuck), undefined);
  t.deepEqual(inTransit(stuck.before), [`${A}>${B}:5`]);
  t.deepEqual(inTransit([look('a', { ...sent, isTaken: true })]), []);
});

test('a start, a takeover and a journal that came or went are told', (t) => {
  t.is(whyNotOneMoment(looks({ after: [look('a'), look('b', { incarnation: 8 })] })), 'b was started again');
  t.is(whyNotOneMoment(looks({ after: [look('a'), look('b', { ledger: NOBODY })] })), 'b was started again');
  t.is(whyNotOneMoment(looks({ after: [look('a'), look('b', { isTaken: true })] })), 'b was taken over');
  t.is(whyNotOneMoment(looks({ after: [look('a'), look('b', { imports: [NOBODY] })] })), 'b was taken over');
  t.is(whyNotOneMoment(looks({ after: [look('a')] })), 'there are other journals now');
  t.is(whyNotOneMoment(looks({ before: [look('a')] })), 'there are other journals now');
  t.is(
    whyNotOneMoment(looks({ after: [look('a'), look('b'), look('b', { file: '/data/c/journal.sqlite' })] })),
    'there are other journals now',
  );
});

test('a durable message may wait or have acted; it may not have acted before it was sent, nor be lost in between', (t) => {
  const waiting = { messages: new Map([[`${A}:20`, 99]]) };
  const acted = [[99, A, 20]] as const;
  const of = (
    before: Partial<JournalLook>,
    inSnapshot: Partial<JournalLook>,
    marks: Parameters<typeof snapshot>[2],
  ): Looks =>
    looks({ before: [look('a', before), look('b')], snapshots: [snapshot('a', inSnapshot), snapshot('b', {}, marks)] });

  t.is(whyNotOneMoment(of(waiting, waiting, [])), undefined, 'it acts after a restore');
  t.is(whyNotOneMoment(of(waiting, waiting, acted)), undefined, 'its repeat does nothing');
  t.is(whyNotOneMoment(of(waiting, {}, acted)), undefined, 'it acted');
  t.is(
    whyNotOneMoment(of(waiting, {}, [[99, A, 19]])),
    'a durable message of a acted in between',
    'its effect is missing',
  );
  t.is(whyNotOneMoment(of(waiting, {}, [])), undefined, 'its entity is gone');
  t.is(
    whyNotOneMoment(of({}, {}, [[99, A, 21]])),
    'a durable message reached b in between',
    'its sender knows nothing of it',
  );
  t.is(whyNotOneMoment(of({}, {}, [[99, NOBODY, 2 ** 40]])), undefined, 'its sender was taken over long ago');
  const another = { messageNumber: 21 };
  t.is(whyNotOneMoment(of({}, another, [])), 'a durable message of a came and went in between');
  t.is(whyNotOneMoment(of({}, { ...another, messages: new Map([[`${A}:21`, 99]]) }, [])), undefined);
});
