/** Two releases of one game in one cluster, as during a rolling upgrade. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { connect } from '../../../src/client/index.ts';
import { namesWithBorder, readyUrl, startNode, until } from '../../fixtures/border-walk.ts';
import type world from '../../fixtures/shuttle-version-2.ts';
import { temporaryFolder, worldmesh } from '../command-line.ts';

const COLOUR_FIRST = 1000;
const SHUTTLES = 40;
const CROSSINGS = 200;

interface Counted {
  readonly counters: Readonly<Record<string, number>>;
}

test('two releases exchange entities: fields that the older does not know come back, the newer migrates', async (t) => {
  t.timeout(150_000);
  const folder = temporaryFolder();
  const [west, east] = namesWithBorder();
  await using older = startNode(west, folder, 'shuttle-version-1.ts');
  await using newer = startNode(east, folder, 'shuttle-version-2.ts');
  const urls = await Promise.all([readyUrl(older), readyUrl(newer)]);
  using client = connect<typeof world>(urls[1]!, { name: 'Ada' });
  await client.whenOnline();
  const wrong = new Set<string>();
  const seen = new Set<number>();
  client.onSnapshot(() => {
    for (const entity of client.entities.values()) {
      // West of the border it is a ghost of the older node, which tells what it knows.
      if (entity.kind !== 'shuttle' || entity.x < 4) continue;
      const { look, purse } = entity.components;
      const isNew = look.colour > COLOUR_FIRST;
      const number = look.colour - COLOUR_FIRST;
      const expected = isNew ? `${number} ${number * 2}` : '5 0';
      const found = `${look.shine} ${purse.coins}`;
      if (found !== expected) wrong.add(`${look.colour}: ${found}, not ${expected}`);
      seen.add(look.colour);
    }
  });
  const handedOver = async (): Promise<number> => {
    const statuses = await Promise.all(
      urls.map(async (url) => (await (await fetch(statusUrl(url))).json()) as Counted),
    );
    return Math.min(...statuses.map(({ counters }) => counters['handoversIn'] ?? 0));
  };
  let crossings = 0;
  const counting = setInterval(() => void handedOver().then((count) => (crossings = count)), 200);
  try {
    await until(
      () => `${seen.size} shuttles seen, ${crossings} crossings`,
      () => seen.size === SHUTTLES && crossings >= CROSSINGS,
    );
  } finally {
    clearInterval(counting);
  }
  t.deepEqual([...wrong], []);
  const directory = `sqlite:${path.join(folder, 'directory.sqlite')}`;
  const audit = await worldmesh(['audit', '--directory', directory]);
  t.is(audit.code, 0, audit.stdout);
  t.log(`${crossings} crossings into each node and more; ${seen.size} shuttles of both releases`);
  await Promise.all([older[Symbol.asyncDispose](), newer[Symbol.asyncDispose]()]);
  rmSync(folder, { recursive: true, force: true });
});

function statusUrl(url: string): string {
  return url.replace('ws://', 'http://').replace('connect', 'status');
}
