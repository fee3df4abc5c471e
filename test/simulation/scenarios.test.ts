/** Scenarios of FAULTS.md by their numbers: each a script over a calm cluster, then everything must come right. */
import test from 'ava';
import type { CoreEffect } from '../../src/peer/protocol.ts';
import { Scenario } from './scenario.ts';
import { leaveForGood, loseMachineBehindRestart } from './scripts.ts';
import type { Leaving } from './scripts.ts';

const isSent = (effect: CoreEffect, kind: string) => effect.kind === 'send' && effect.message.kind === kind;
const writes = (effect: CoreEffect, kind: string) =>
  effect.kind === 'journal' && effect.writes.some((write) => write.kind === kind);
const isConfirming = (effect: CoreEffect) =>
  effect.kind === 'send' && effect.message.kind === 'ack' && effect.message.confirmed.length > 0;

const CRASHES: readonly (readonly [name: string, letter: string, isIt: (effect: CoreEffect) => boolean])[] = [
  ['1: the source ends before RELEASED is written', 'A', (effect) => writes(effect, 'release')],
  ['2: the source ends after RELEASED is stable, before COMMIT', 'A', (effect) => isSent(effect, 'commit')],
  ['4: the source ends after CONFIRMED, before DONE is written', 'A', (effect) => writes(effect, 'done')],
  [
    '5: the target ends when it reads COMMIT',
    'B',
    (effect) => effect.kind === 'activate' && effect.cause === 'handover',
  ],
  ['6: the target ends after activation, before its commit', 'B', (effect) => writes(effect, 'accept')],
  ['7: the target ends after its commit, before it confirms', 'B', isConfirming],
];
for (const [name, letter, isIt] of CRASHES) {
  for (const takeover of ['none', 'file'] as const) {
    test(`${name} (taken over: ${takeover})`, (t) => {
      const scenario = new Scenario({ takeover });
      scenario.move(scenario.entity('A'), 'B');
      scenario.crashBefore(letter, isIt);
      t.is(scenario.finish().failure, undefined);
    });
  }
}

test('16: a machine is lost behind a restart, before the buddy has cut its copy back', (t) => {
  t.is(loseMachineBehindRestart(new Set()).failure, undefined);
});

test('18: a pause past the lease, of the source, in the middle of a handover', (t) => {
  const scenario = new Scenario({ takeover: 'stream' });
  scenario.run(1500);
  scenario.move(scenario.entity('A'), 'B');
  scenario.process('A').pauseCountdown = 2;
  scenario.process('A').pauseForMs = 4000;
  scenario.run(5000);
  t.is(scenario.finish().failure, undefined);
});

test('21: a partition in the middle of a handover, and heals', (t) => {
  const scenario = new Scenario();
  const id = scenario.entity('A');
  scenario.move(id, 'B');
  scenario.run(52);
  scenario.world.network.cut(1, 2, 1500);
  scenario.world.network.cut(2, 1, 1500);
  scenario.run(3000);
  t.is(scenario.finish().failure, undefined);
  t.is(scenario.ownersOf(id), 'B');
});

test('23: cut off from the directory a node pauses, and goes on with the same incarnation', (t) => {
  const scenario = new Scenario();
  const { incarnation } = scenario.process('A');
  scenario.world.directory.cut(1, 2500);
  scenario.run(1500);
  t.true(scenario.process('A').isIdle);
  scenario.run(2000);
  t.false(scenario.process('A').isIdle);
  t.is(scenario.process('A').incarnation, incarnation);
  t.is(scenario.finish().failure, undefined);
});

test('34: A to B to C to A, within a tick each, with a crash of each on the way', (t) => {
  for (const letter of ['A', 'B', 'C']) {
    for (let countdown = 1; countdown <= 12; countdown++) {
      const scenario = new Scenario();
      const id = scenario.entity('A');
      scenario.process(letter).crashCountdown = countdown;
      for (const next of ['B', 'C', 'A']) {
        scenario.move(id, next);
        scenario.run(60);
      }
      t.is(scenario.finish().failure, undefined, `${letter} after ${countdown}`);
    }
  }
});

test('40: the cell moves to another node while the transfer to it is in flight', (t) => {
  const scenario = new Scenario();
  const id = scenario.entity('A');
  scenario.move(id, 'B');
  scenario.run(51);
  scenario.world.directory.moveCell(1, 3);
  scenario.run(2000);
  t.is(scenario.finish().failure, undefined);
  t.is(scenario.ownersOf(id), 'C');
});

test('50: power fails everywhere at once', (t) => {
  const scenario = new Scenario({ entities: 9, clients: 3 });
  scenario.run(500);
  scenario.move(scenario.entity('A'), 'B');
  scenario.run(51);
  for (const machine of scenario.world.machines) machine.crash('power', { keptShare: 0, isSilent: true });
  t.is(scenario.finish().failure, undefined);
});

const LEAVING_SEEDS = 40;
const LEAVINGS: readonly (readonly [what: string, leaving: Leaving])[] = [
  ['and hands its journal in', {}],
  ['and is killed when it has stopped', { crashAt: 'stopped' }],
  ['and is killed when it has handed its journal in', { crashAt: 'fenced' }],
  [
    'and its successor is killed before the import is written',
    { successorCrashesBefore: (effect) => writes(effect, 'import') },
  ],
];
for (const [what, leaving] of LEAVINGS) {
  test(`a node leaves for good, ${what}`, (t) => {
    for (let seed = 1; seed <= LEAVING_SEEDS; seed++) {
      t.is(leaveForGood({ ...leaving, seed }).failure?.message, undefined, `seed ${seed}`);
    }
  });
}
