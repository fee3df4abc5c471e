/**
 * Local handover: 1,000 entities change cell, against sending the same entities to another thread. The lists move a
 * slot number each and copy no entity; what a thread is sent is copied or transferred, and unpacked again.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Slot } from '../src/base/brand.ts';
import { changeCell } from '../src/memory/entities.ts';
import { RecordEncoder } from '../src/memory/record.ts';
import type { Suite } from './measure.ts';
import { openStore } from './store.ts';

const MOVES = 1000;

export const handoverSuite: Suite = {
  name: 'handover',
  async run({ report }) {
    const store = openStore(10_000, { size: 4096 });
    const { columns, grid } = store;
    const slots = Array.from({ length: MOVES }, (_, index) => (index * 7) as Slot);
    const moveAll = (): void => {
      for (const slot of slots) {
        const step = columns.x[slot]! > 0 ? -grid.cellSize : grid.cellSize;
        columns.x[slot] = columns.x[slot]! + step;
        changeCell(store, slot);
      }
    };
    const player = {
      id: 2 ** 32 + 5,
      x: 1.5,
      z: 2.5,
      vx: 0,
      vz: 1,
      look: { name: 'player 5', colour: 7 },
      body: { health: 1, stamina: 2, heading: 3, target: 0 },
      bag: { items: Array.from({ length: 40 }, (_, what) => ({ what, count: 3 })) },
    };
    // Copies: one object sent a thousand times would be cloned once.
    const players = Array.from({ length: MOVES }, () => structuredClone(player));
    const encoder = new RecordEncoder(store);
    const record = new Uint8Array(encoder.sizeBytes(0));
    encoder.encode(0, record);
    const worker = new Worker(new URL('echo.worker.ts', import.meta.url));
    const sendAll = async (send: (last: boolean) => void): Promise<void> => {
      const answered = once(worker, 'message');
      for (let index = 0; index < MOVES; index++) send(index === MOVES - 1);
      await answered;
    };
    const sendBatch = async (): Promise<void> => {
      const answered = once(worker, 'message');
      worker.postMessage({ last: true, batch: players });
      await answered;
    };
    const transfer = (last: boolean): void => {
      const { buffer } = record.slice();
      worker.postMessage({ last, buffer }, [buffer]);
    };
    await report({
      title: 'local handover: 1,000 entities a tick',
      unit: 'entity',
      cases: [
        { name: 'change of cell: lists, place, home', operations: MOVES, isLimit: true, run: moveAll },
        {
          name: 'postMessage, structured clone',
          operations: MOVES,
          run: () => sendAll((last) => worker.postMessage({ last, player })),
        },
        { name: 'postMessage, one batch of 1,000', operations: MOVES, run: sendBatch },
        { name: 'postMessage, transferred record', operations: MOVES, run: () => sendAll(transfer) },
      ],
    });
    await worker.terminate();
  },
};
