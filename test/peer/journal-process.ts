/**
 * A process that is made to be killed. `node journal-process.ts write <folder>`: appends batches without end and notes each
 * position that was acknowledged in the file `acknowledged`. `lock <folder>`: takes the lock, prints `locked` or `refused`, and waits. `watch <folder>`:
 * looks at the lock without end.
 */
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { openJournal, tryLock, watchLock } from '../../src/peer/journal.ts';
import { batchOf } from './journal-fixture.ts';

const [command, folder = ''] = process.argv.slice(2);
/** Batches that wait at a time: some are in a commit, some behind it. */
const AHEAD = 20;

switch (command) {
  case 'write':
    await write();
    break;
  case 'lock': {
    const lock = tryLock(folder);
    say(lock === undefined ? 'refused' : 'locked');
    setInterval(() => lock?.folder, 1000);
    break;
  }
  case 'watch': {
    const watch = watchLock(folder);
    say('watching');
    setInterval(() => {
      for (let look = 0; look < 20; look++) watch.isAlive();
    }, 1);
    break;
  }
  default:
    throw new Error(`no command ${command}`);
}

async function write(): Promise<void> {
  const acknowledged = openSync(path.join(folder, 'acknowledged'), 'a');
  let isWriting = false;
  let position = 0;
  const append = (): void => {
    position++;
    journal.append(position, batchOf(journal.ledger, position));
  };
  const journal = await openJournal({
    folder,
    onEvent: (event) => {
      if (event.type !== 'fsynced') return;
      if (!isWriting) say('writing');
      isWriting = true;
      writeSync(acknowledged, `${event.position}\n`);
      while (position < event.position + AHEAD) append();
    },
  });
  position = journal.content.position;
  for (let batch = 0; batch < AHEAD; batch++) append();
}

/** At once: what was said before a kill was said. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
