/** What the capacity bench concludes from what it saw. */
import test from 'ava';
import { MetricValues } from '../../bench/limits/metrics-text.ts';
import { degradedIn, recoveredIn } from '../../bench/limits/overload.ts';
import type { Phase, Second } from '../../bench/limits/overload.ts';
import { verdictText } from '../../bench/limits/limits-report.ts';
import { findLargest, nextClients } from '../../bench/limits/search.ts';

const RATES = { tickHz: 20, snapshotHz: 10, inputsHz: 20 };

function second(atSeconds: number, phase: Phase, found: Partial<Second> = {}): Second {
  return {
    atSeconds,
    phase,
    online: 100,
    shedLevel: 0,
    load: 0.5,
    tickMs: 10,
    ticksPerSecond: 20,
    updatesPerSnapshot: 30,
    refused: 0,
    serverCores: 0.8,
    snapshotsPerSecond: 10,
    offNominalP99: 5,
    receiptP99: 10,
    clientCores: 0.5,
    failures: {},
    ...found,
  };
}

test('the search doubles back to the limit, whatever it is, and ends', (t) => {
  for (const limit of [70, 999, 1000, 2730, 7990, 9000]) {
    let clients: number | undefined = 1000;
    let largest = 0;
    let tooMany: number | undefined;
    let trials = 0;
    while (clients !== undefined) {
      t.true(++trials < 20);
      if (clients <= limit) largest = clients;
      else tooMany = clients;
      clients = nextClients({ largest, tooMany, clientsMax: 8000 });
    }
    t.true(largest <= limit);
    t.true(largest === 8000 || limit - largest <= Math.max(50, largest * 0.06), `${largest} of ${limit}`);
  }
});

test('what degraded is told in its order, with the seconds since the load rose', (t) => {
  const timeline = [
    second(1, '100 %'),
    second(2, '100 %'),
    second(3, '150 %', { offNominalP99: 25 }),
    second(4, '150 %', { offNominalP99: 25, shedLevel: 1, updatesPerSnapshot: 20 }),
    second(5, '150 %', { offNominalP99: 60, shedLevel: 2, snapshotsPerSecond: 5, refused: 3 }),
    second(6, 'back at 100 %', { ticksPerSecond: 3 }),
  ];
  t.deepEqual(degradedIn(timeline, RATES), [
    { what: 'interval p99 beyond ±20 ms', afterSeconds: 1 },
    { what: 'shed level 1', afterSeconds: 2 },
    { what: 'fewer entities updated in a snapshot', afterSeconds: 2 },
    { what: 'shed level 2', afterSeconds: 3 },
    { what: 'fewer snapshots a second', afterSeconds: 3 },
    { what: 'new sessions refused', afterSeconds: 3 },
  ]);
});

test('recovered is who is well for good, not for a moment', (t) => {
  const back = (found: Partial<Second>) => second(9, 'back at 100 %', found);
  const well = back({});
  t.is(recoveredIn([back({ shedLevel: 2 }), well, back({ offNominalP99: 40 }), well, well, well], RATES), 3);
  t.is(recoveredIn([well, well, well], RATES), 0);
  t.is(recoveredIn([well, well, back({ snapshotsPerSecond: 5 })], RATES), undefined);
  t.is(recoveredIn([back({ shedLevel: Number.NaN }), well, well], RATES), undefined);
});

test('metrics are read by series, labels included', (t) => {
  const metrics = new MetricValues('# HELP a b\n# TYPE a counter\na 3\nb{code="X Y"} 4.5\n');
  t.is(metrics.of('a'), 3);
  t.is(metrics.of('b{code="X Y"}'), 4.5);
  t.is(metrics.of('c'), 0);
});

test('a search whose time is over says so', async (t) => {
  const options = { ...RATES, start: 100, clientsMax: 200, stepSeconds: 1, onTrial: () => {} };
  const found = await findLargest({ ...options, deadlineMs: performance.now() - 1 });
  t.is(found.largest, 0);
  t.is(
    verdictText(found),
    'No number of clients was tried. The time for searching is over, nothing was tried: --seconds gives it more.',
  );
});
