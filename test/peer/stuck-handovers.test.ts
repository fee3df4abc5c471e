import test from 'ava';
import type { Outgoing } from '../../src/peer/handover-state.core.ts';
import { StuckHandovers } from '../../src/peer/stuck-handovers.ts';

/** As much of a row as is looked at. */
function outgoing(id: number, bornAtMs: number, state: Outgoing['state'] = 'released'): Outgoing {
  const row = { id, seq: 4, transferSeq: 7, passenger: { session: 9 } };
  return { row, channel: { target: { node: 2 } }, state, bornAtMs } as unknown as Outgoing;
}

function create(): { readonly stuck: StuckHandovers; readonly told: string[]; last: () => unknown } {
  const told: string[] = [];
  let last: unknown;
  const stuck = new StuckHandovers((level, message, details) => {
    told.push(`${level} ${message} ${String(details['entity'])}`);
    last = details;
  });
  return { stuck, told, last: () => last };
}

test('each stuck handover is told once, and once more when it is over', (t) => {
  const { stuck, told, last } = create();
  const [slow, quick] = [outgoing(1, 0), outgoing(2, 4000)];
  stuck.look([slow, quick], 4999);
  t.deepEqual(told, []);
  stuck.look([slow, quick], 5250);
  stuck.look([slow], 6000);
  t.deepEqual(told, ['warn a handover is stuck 1']);
  t.deepEqual(last(), { entity: 1, seq: 4, session: 9, target: 2, transferSeq: 7, state: 'released', seconds: 5.3 });
  stuck.look([], 9000);
  stuck.look([], 9250);
  t.deepEqual(told, ['warn a handover is stuck 1', 'info a handover that was stuck is over 1']);
});

test('what is decided is not stuck, and a multitude is not told one by one', (t) => {
  const { stuck, told } = create();
  stuck.look([outgoing(1, 0, 'removing'), outgoing(2, 0, 'reclaiming')], 60_000);
  t.deepEqual(told, []);
  const many = Array.from({ length: 1000 }, (_, index) => outgoing(index + 1, 0));
  stuck.look(many, 60_000);
  stuck.look(many, 61_000);
  t.is(told.length, 64);
});
