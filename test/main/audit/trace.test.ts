/** Timelines over journals of our own SQL, by function and by command. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { journalPlaces } from '../../../src/main/audit/cluster-reader.ts';
import { timelineText } from '../../../src/main/audit/report.ts';
import { parseSubject, readTimeline } from '../../../src/main/audit/timeline.ts';
import type { Timeline } from '../../../src/main/audit/timeline.ts';
import { worldmesh } from '../command-line.ts';
import { FixtureJournal, ledgerOf, writeDirectory } from './cluster-files.ts';

const A = ledgerOf('a');
const B = ledgerOf('b');
const RIDER = 3 * 2 ** 32 + 7;
const SESSION = 5 * 2 ** 32 + 1;

class Crossing implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-trace-'));
  readonly a = new FixtureJournal(this.folder, { name: 'a', ledger: A });
  readonly b = new FixtureJournal(this.folder, { name: 'b', ledger: B });

  /** Rider of a crosses to b, whose clock is behind. */
  constructor() {
    const rider = { id: RIDER, session: SESSION };
    this.a.trace('birth', { ...rider, seq: 1, atMs: 1000 });
    this.a.trace('source released', { ...rider, seq: 2, peer: B, transferSeq: 9, atMs: 2000 });
    this.b.trace('target accepted', { ...rider, seq: 2, peer: A, transferSeq: 9, atMs: 2005 });
    this.b.trace('source released', { ...rider, seq: 3, peer: A, transferSeq: 9, atMs: 1900 });
    this.a.trace('source released', { id: RIDER + 1, seq: 2, peer: B, transferSeq: 10, atMs: 2100 });
    this.b.send({ id: RIDER, seq: 3, target: A, transferSeq: 9, session: SESSION });
  }

  [Symbol.dispose](): void {
    this.a[Symbol.dispose]();
    this.b[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }

  timeline(text: string): Timeline {
    return readTimeline(journalPlaces({ data: this.folder }), parseSubject(text));
  }
}

function steps({ lines }: Timeline): string[] {
  return lines.map(({ node, stage, seq, peer }) => `${node} ${stage} ${seq} ${peer}`.trim());
}

test('an entity by number and by incarnation:counter, in the order of its sequences', (t) => {
  using crossing = new Crossing();
  const timeline = crossing.timeline(String(RIDER));
  t.deepEqual(steps(timeline), [
    'a birth 1',
    'a source released 2 b',
    'b target accepted 2 a',
    'b source released 3 a',
  ]);
  t.deepEqual(crossing.timeline('3:7'), timeline);
  t.deepEqual(timeline.standing, [
    {
      node: 'b',
      table: 'outbox',
      entity: RIDER,
      seq: 3,
      session: SESSION,
      text: 'in transit, transfer bbbbbbbb>aaaaaaaa:9',
    },
  ]);
});

test('a session, and a transfer of one direction only', (t) => {
  using crossing = new Crossing();
  t.is(crossing.timeline('session:5:1').lines.length, 4);
  t.deepEqual(steps(crossing.timeline('aaaaaaaa>bbbbbbbb:9')).slice(0, 2), [
    'a source released 2 b',
    'b target accepted 2 a',
  ]);
  t.deepEqual(crossing.timeline('aaaaaaaa>bbbbbbbb:9').standing, []);
  t.is(crossing.timeline('bbbbbbbb>aaaaaaaa:9').standing.length, 1);
});

test('a journal that dropped lines is named, and its remark is no line of anybody', (t) => {
  using crossing = new Crossing();
  t.deepEqual(crossing.timeline('3:7').dropped, []);
  crossing.b.trace('dropped', { id: 0, seq: 0, atMs: 1500 });
  const timeline = crossing.timeline('3:7');
  t.deepEqual(timeline.dropped, ['b']);
  t.is(timeline.lines.length, 4);
  t.is(crossing.timeline('session:5:1').lines.length, 4);
  t.regex(timelineText(timeline), /^b had more to tell at once/m);
});

test('names of nothing are refused', (t) => {
  for (const text of ['', 'x', '0', '1:4294967296', 'session:', 'a>b:1', 'aaaaaaaa>bbbbbbbb', '-3', '1:2:3']) {
    t.throws(() => parseSubject(text), { code: 'ERR_AUDIT_ID' }, text);
  }
});

test('the command prints the timeline, finds folders by the directory, and says when it knows nothing', async (t) => {
  using crossing = new Crossing();
  const directory = writeDirectory(crossing.folder, [
    { name: 'a', node: 1, ledger: A, folder: crossing.a.folder },
    { name: 'b', node: 2, ledger: B, folder: crossing.b.folder },
  ]);
  const shown = await worldmesh(['trace', '3:7', '--directory', directory]);
  t.is(shown.code, 0, shown.stderr);
  t.regex(shown.stdout, /^entity 3:7\n\n00:00:01\.000 a +birth +3:7 +seq 1/);
  t.regex(shown.stdout, /00:00:02\.005 b +target accepted .*peer a transfer 9/);
  t.regex(shown.stdout, /Now\nb +outbox +3:7 seq 3, session 5:1: in transit/);
  const json = await worldmesh(['trace', '3:7', '--data', crossing.folder, '--json']);
  t.is((JSON.parse(json.stdout) as Timeline).lines.length, 4);
  const unknown = await worldmesh(['trace', '3:99', '--data', crossing.folder]);
  t.is(unknown.code, 1);
  t.regex(unknown.stdout, /No journal has a line of history about it/);
});

test('the audit command prints a table and a verdict, and exits by it', async (t) => {
  using crossing = new Crossing();
  const stale = await worldmesh(['audit', '--data', crossing.folder, '--interval', '1']);
  t.is(stale.code, 1);
  t.regex(stale.stdout, /^OUTBOX_STALE +3:7 has been in the outbox of b/m);
  t.regex(stale.stdout, /^Disproved\./m);
  crossing.b.resolve(RIDER);
  crossing.a.own({ id: RIDER, seq: 3 });
  const fine = await worldmesh(['audit', '--data', crossing.folder, '--interval', '1', '--json']);
  t.is(fine.code, 0, fine.stdout);
  t.is((JSON.parse(fine.stdout) as { verdict: string }).verdict, 'proven');
  const nowhere = await worldmesh(['audit']);
  t.is(nowhere.code, 2);
  t.regex(nowhere.stderr, /which cluster\?/);
});
