/** A clean cluster is proven, and each disproof is found and named; over files of our own SQL. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { audit } from '../../../src/main/audit/audit.ts';
import type { AuditOptions, AuditReport } from '../../../src/main/audit/audit.ts';
import { FixtureJournal, ledgerOf, recordOf, writeDirectory } from './cluster-files.ts';

const A = ledgerOf('a');
const B = ledgerOf('b');
const C = ledgerOf('c');
const RIDER = 3 * 2 ** 32 + 7;
const WALKER = 3 * 2 ** 32 + 8;
const SESSION = 3 * 2 ** 32 + 1;

class Cluster implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'worldmesh-audit-'));
  readonly a = new FixtureJournal(this.folder, { name: 'a', ledger: A, messageNumber: 5 });
  readonly b = new FixtureJournal(this.folder, { name: 'b', ledger: B });
  readonly c = new FixtureJournal(this.folder, { name: 'c', ledger: C });

  [Symbol.dispose](): void {
    for (const journal of [this.a, this.b, this.c]) journal[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }

  /** RIDER has gone from a to b, and is collected; WALKER rests in c. */
  fillCleanly(): void {
    this.a.trace('birth', { id: RIDER, seq: 1 });
    this.a.trace('source released', { id: RIDER, seq: 2, peer: B, transferSeq: 1 });
    this.a.gaveOut(B, 1);
    this.b.trace('target accepted', { id: RIDER, seq: 2, peer: A, transferSeq: 1 });
    this.b.own({ id: RIDER, seq: 2, session: SESSION, lastInput: 40, marks: [{ sender: A, number: 5 }] });
    this.b.take({ source: A, transferSeq: 1, id: RIDER, seq: 2 });
    this.b.watermark(A, 1);
    this.c.own({ id: WALKER, seq: 1, atRest: true });
  }

  async audit(options: Partial<AuditOptions> = {}): Promise<AuditReport> {
    return await audit({
      place: { data: this.folder },
      intervalMs: 1,
      settleMs: undefined,
      outboxAgeMsMax: 10_000,
      censusFile: undefined,
      censusOutFile: undefined,
      inputsFile: undefined,
      ...options,
    });
  }

  file(name: string, lines: readonly object[]): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return file;
  }
}

function codes({ findings }: AuditReport): string[] {
  return [...new Set(findings.map(({ code }) => code))];
}

test('a clean cluster is proven, moving and settled', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  const moving = await cluster.audit();
  t.deepEqual(moving.findings, []);
  t.is(moving.verdict, 'proven');
  t.is(moving.mode, 'moving');
  t.like(moving.counts, { journals: 3, entities: 2, atRest: 1, inTransit: 0, sessions: 1, expected: 2 });
  const settled = await cluster.audit({ settleMs: 100 });
  t.deepEqual([settled.verdict, settled.mode, settled.findings], ['proven', 'settled', []]);
});

test('copies in transit are allowed: before the target took them, after it did, and after it sent them on', async (t) => {
  using cluster = new Cluster();
  cluster.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 1 });
  t.is((await cluster.audit()).verdict, 'proven');
  cluster.b.own({ id: RIDER, seq: 2 });
  cluster.b.take({ source: A, transferSeq: 1, id: RIDER, seq: 2 });
  t.is((await cluster.audit()).verdict, 'proven');
  cluster.b.disown(RIDER);
  cluster.b.send({ id: RIDER, seq: 3, target: C, transferSeq: 1 });
  t.is((await cluster.audit()).verdict, 'proven');
});

test('DOUBLED: owned in two journals, named with its copies and its trace', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  cluster.a.own({ id: RIDER, seq: 1 });
  const report = await cluster.audit();
  t.is(report.verdict, 'disproved');
  t.deepEqual(codes(report), ['DOUBLED']);
  const [finding] = report.findings;
  t.is(finding?.entity, RIDER);
  t.regex(finding?.text ?? '', /^3:7 is owned in a with seq 1 and b with seq 2$/);
  t.deepEqual(finding?.copies, ['owned in a (aaaaaaaa) with seq 1', 'owned in b (bbbbbbbb) with seq 2']);
  t.deepEqual(
    finding?.trace.map(({ node, stage }) => `${node} ${stage}`),
    ['a birth', 'a source released', 'b target accepted'],
  );
});

test('DOUBLED: an older copy is owned beside its own release', async (t) => {
  using cluster = new Cluster();
  cluster.a.send({ id: RIDER, seq: 5, target: B, transferSeq: 1 });
  cluster.c.own({ id: RIDER, seq: 3 });
  const report = await cluster.audit();
  t.deepEqual(codes(report), ['DOUBLED']);
  t.regex(report.findings[0]?.text ?? '', /owned in c with seq 3 beside its release by a with seq 5/);
});

test('SEQ_TWICE: one sequence sent to two targets, or owned by another than it was sent to', async (t) => {
  using cluster = new Cluster();
  cluster.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 1 });
  cluster.c.send({ id: RIDER, seq: 2, target: B, transferSeq: 1 });
  t.deepEqual(codes(await cluster.audit()), ['SEQ_TWICE']);
  using other = new Cluster();
  other.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 1 });
  other.c.own({ id: RIDER, seq: 2 });
  t.deepEqual(codes(await other.audit()), ['SEQ_TWICE']);
});

test('LOST: in the census or born, and nowhere now, unless its end is on record', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  const censusFile = path.join(cluster.folder, 'census');
  t.is((await cluster.audit({ censusOutFile: censusFile })).verdict, 'proven');
  cluster.c.disown(WALKER);
  const report = await cluster.audit({ censusFile });
  t.is(report.verdict, 'disproved');
  t.deepEqual(codes(report), ['LOST']);
  t.is(report.findings[0]?.entity, WALKER);
  t.deepEqual(report.findings[0]?.copies, ['no copy of 3:8 anywhere']);
  cluster.c.trace('despawn', { id: WALKER, seq: 1 });
  t.is((await cluster.audit({ censusFile })).verdict, 'proven');
});

test('SEQ_GAP: nobody has a trace of a sequence in between', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  cluster.b.own({ id: RIDER, seq: 5 });
  const report = await cluster.audit();
  t.deepEqual(codes(report), ['SEQ_GAP']);
  t.regex(report.findings[0]?.text ?? '', /^3:7 went from seq 2 to 5; nobody has a trace of 3 to 4$/);
});

test('a sequence that went past the reader of histories is no gap: they are read again', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  cluster.b.own({ id: RIDER, seq: 5 });
  const auditing = cluster.audit();
  await wait(100);
  cluster.b.trace('source released', { id: RIDER, seq: 3 });
  await wait(100);
  cluster.c.trace('source released', { id: RIDER, seq: 4 });
  const report = await auditing;
  t.deepEqual([report.verdict, report.findings], ['proven', []]);
});

test('HISTORY_TORN: a gap around a crash is a doubt; a reclaim acts with the next sequence', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  cluster.b.own({ id: RIDER, seq: 5 });
  cluster.b.trace('recovery', { id: WALKER, seq: 1 });
  const report = await cluster.audit();
  t.deepEqual([report.verdict, ...codes(report)], ['proven', 'HISTORY_TORN']);
  using other = new Cluster();
  other.fillCleanly();
  other.b.trace('source released', { id: RIDER, seq: 3, peer: C, transferSeq: 1 });
  other.b.trace('source reclaimed', { id: RIDER, seq: 4, peer: C, transferSeq: 1 });
  other.b.own({ id: RIDER, seq: 4 });
  t.deepEqual((await other.audit()).findings, []);
});

test('SEQ_BACK: what was written down before is newer than what is there', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  const censusFile = cluster.file('census', [{ id: RIDER, seq: 4, session: 0, lastInput: 0 }]);
  const report = await cluster.audit({ censusFile });
  t.deepEqual(codes(report), ['SEQ_BACK']);
});

test('ACTIVATION_TWICE: two ledgers took the same sequence', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  cluster.c.trace('target accepted', { id: RIDER, seq: 2, peer: A, transferSeq: 1 });
  t.deepEqual(codes(await cluster.audit()), ['ACTIVATION_TWICE']);
});

test('TRANSFER_AHEAD and OUTBOX_COLLECTED: numbers used before they were given out, or after they were collected', async (t) => {
  using cluster = new Cluster();
  cluster.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 4, last: 3 });
  t.deepEqual(codes(await cluster.audit()), ['TRANSFER_AHEAD']);
  cluster.a.gaveOut(B, 4);
  cluster.b.watermark(A, 4);
  t.deepEqual(codes(await cluster.audit()), ['OUTBOX_COLLECTED']);
  using other = new Cluster();
  other.b.own({ id: RIDER, seq: 2 });
  other.b.take({ source: A, transferSeq: 9, id: RIDER, seq: 2 });
  t.deepEqual(codes(await other.audit()), ['TRANSFER_AHEAD']);
});

test('OUTBOX_STALE: a handover that has been in doubt for longer than allowed', async (t) => {
  using cluster = new Cluster();
  cluster.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 1 });
  cluster.a.trace('source released', { id: RIDER, seq: 2, peer: B, transferSeq: 1, atMs: Date.now() - 60_000 });
  const report = await cluster.audit();
  t.deepEqual(codes(report), ['OUTBOX_STALE']);
  t.regex(report.findings[0]?.text ?? '', /outbox of a for (?:59|6\d)\.\d s; allowed are 10 s/);
  // Without history, what the auditor saw itself counts.
  using other = new Cluster();
  other.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 1 });
  t.deepEqual(codes(await other.audit({ intervalMs: 30, outboxAgeMsMax: 20 })), ['OUTBOX_STALE']);
});

test('settled: what a cluster at rest has no business to keep', async (t) => {
  using cluster = new Cluster();
  cluster.a.send({ id: RIDER, seq: 2, target: B, transferSeq: 2 });
  cluster.b.own({ id: WALKER, seq: 2 });
  cluster.b.take({ source: A, transferSeq: 1, id: WALKER, seq: 2 });
  cluster.c.message({ number: 1, entity: WALKER });
  t.is((await cluster.audit()).verdict, 'proven');
  const report = await cluster.audit({ settleMs: 50 });
  t.deepEqual(codes(report).sort(), ['INBOX_LEFT', 'MESSAGE_LEFT', 'NOT_SETTLED', 'OUTBOX_LEFT']);
});

test('inputs: twice by the world, never sent, taken back, told and lost', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  const log = (entry: object): string =>
    cluster.file('inputs', [{ entity: RIDER, session: SESSION, sent: 41, acknowledged: 39, repeats: 0, ...entry }]);
  t.is((await cluster.audit({ inputsFile: log({}) })).verdict, 'proven');
  t.deepEqual(codes(await cluster.audit({ inputsFile: log({ repeats: 2 }) })), ['INPUT_TWICE']);
  t.deepEqual(codes(await cluster.audit({ inputsFile: log({ sent: 39 }) })), ['INPUT_UNSENT']);
  t.is((await cluster.audit({ inputsFile: log({ acknowledged: 41 }) })).verdict, 'proven');
  t.deepEqual(codes(await cluster.audit({ inputsFile: log({ acknowledged: 41 }), settleMs: 50 })), ['INPUT_LOST']);
  // Of an earlier session nothing can be said.
  t.is((await cluster.audit({ inputsFile: log({ session: 7, sent: 1 }) })).verdict, 'proven');
  const censusFile = cluster.file('census', [{ id: RIDER, seq: 2, session: SESSION, lastInput: 50 }]);
  t.deepEqual(codes(await cluster.audit({ censusFile })), ['INPUT_BACK']);
});

test('MARK_AHEAD: a message acted whose sender has never issued it', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  cluster.b.own({ id: RIDER, seq: 2, marks: [{ sender: A, number: 6 }] });
  const report = await cluster.audit();
  t.deepEqual(codes(report), ['MARK_AHEAD']);
  t.regex(report.findings[0]?.text ?? '', /message 6 of a acted on 3:7, and a has issued 5 only/);
});

test('RECORD_CORRUPT and RECORD_MISMATCH: a record that is none, or of somebody else', async (t) => {
  using cluster = new Cluster();
  const flipped = recordOf({ id: RIDER, seq: 2 });
  flipped[30]! ^= 1;
  cluster.a.own({ id: RIDER, seq: 2, record: flipped });
  cluster.b.own({ id: WALKER, seq: 2, record: recordOf({ id: RIDER, seq: 2 }) });
  const report = await cluster.audit();
  t.deepEqual(codes(report), ['RECORD_CORRUPT', 'RECORD_MISMATCH']);
  t.regex(report.findings[0]?.text ?? '', /checksum does not agree/);
});

test('a ledger that was taken over counts no more, by its own mark or by the import', async (t) => {
  using cluster = new Cluster();
  cluster.a.own({ id: RIDER, seq: 1 });
  cluster.b.own({ id: RIDER, seq: 2 });
  t.is((await cluster.audit()).verdict, 'disproved');
  cluster.b.import(A);
  t.is((await cluster.audit()).verdict, 'proven');
  using other = new Cluster();
  other.a.own({ id: RIDER, seq: 1 });
  other.b.own({ id: RIDER, seq: 2 });
  other.a.meta('taken_by', Buffer.from(B, 'hex'));
  t.is((await other.audit()).verdict, 'proven');
});

test('ACCOUNT_TWICE: a player logged in, and was made anew', async (t) => {
  using cluster = new Cluster();
  cluster.a.own({ id: RIDER, seq: 2, account: 'ada' });
  cluster.b.own({ id: WALKER, seq: 1, account: 'ada', atRest: true });
  const report = await cluster.audit();
  t.deepEqual(codes(report), ['ACCOUNT_TWICE']);
  t.regex(report.findings[0]?.text ?? '', /^account "ada" has two entities: 3:7 in a and 3:8 in b$/);
});

test('LEDGER_TWICE: a copied folder', async (t) => {
  using cluster = new Cluster();
  using _copy = new FixtureJournal(cluster.folder, { name: 'd', ledger: A });
  t.deepEqual(codes(await cluster.audit()), ['LEDGER_TWICE']);
});

test('HISTORY_CUT: sequences from before a beginning that was dropped are not judged', async (t) => {
  using cluster = new Cluster();
  cluster.a.trace('source released', { id: WALKER, seq: 4, atMs: 1000 });
  cluster.b.trace('target accepted', { id: WALKER, seq: 7, atMs: 2000 });
  cluster.c.own({ id: WALKER, seq: 8 });
  t.deepEqual(codes(await cluster.audit()), ['SEQ_GAP']);
  cluster.c.trace('target accepted', { id: RIDER, seq: 1, atMs: 1500 });
  cluster.c.trace('target accepted', { id: RIDER, seq: 1, atMs: 1500 });
  cluster.c.dropHistory(1);
  const report = await cluster.audit();
  t.deepEqual([report.verdict, ...codes(report)], ['proven', 'HISTORY_CUT']);
});

test('HISTORY_CUT: a journal that was taken over and removed took sequences and ends with it', async (t) => {
  using cluster = new Cluster();
  cluster.a.trace('birth', { id: RIDER, seq: 1, atMs: 900 });
  cluster.a.trace('source released', { id: WALKER, seq: 4, atMs: 1000 });
  cluster.b.trace('target accepted', { id: WALKER, seq: 7, atMs: 2000 });
  cluster.c.own({ id: WALKER, seq: 8 });
  t.deepEqual(codes(await cluster.audit()).toSorted(), ['LOST', 'SEQ_GAP']);
  cluster.b.trace('removed', { id: 0, seq: 0, atMs: 1500 });
  const report = await cluster.audit();
  t.deepEqual([report.verdict, ...codes(report)], ['proven', 'HISTORY_CUT']);
});

test('stores of live nodes: active twice, after its release, owned and not simulated, simulated and not recorded', async (t) => {
  using cluster = new Cluster();
  await using a = await serveEntities(1);
  await using b = await serveEntities(2);
  cluster.a.own({ id: RIDER, seq: 2 });
  const place = {
    directory: writeDirectory(cluster.folder, [
      { name: 'a', node: 1, ledger: A, folder: cluster.a.folder, clientUrl: a.url },
      { name: 'b', node: 2, ledger: B, folder: cluster.b.folder, clientUrl: b.url },
    ]),
  };
  a.entities = [{ id: RIDER, seq: 2 }];
  b.entities = [{ id: RIDER, seq: 2, ghostOf: 1 }];
  t.deepEqual((await cluster.audit({ place })).findings, []);
  b.entities = [{ id: RIDER, seq: 3 }];
  t.deepEqual(codes(await cluster.audit({ place })), ['DOUBLED']);
  a.entities = [];
  b.entities = [];
  t.is((await cluster.audit({ place })).verdict, 'proven');
  t.deepEqual(codes(await cluster.audit({ place, settleMs: 50 })), ['NOT_ACTIVE']);
  a.entities = [
    { id: RIDER, seq: 2 },
    { id: WALKER, seq: 1 },
  ];
  t.deepEqual(codes(await cluster.audit({ place, settleMs: 50 })), ['UNRECORDED']);
  cluster.a.disown(RIDER);
  cluster.a.send({ id: RIDER, seq: 3, target: B, transferSeq: 1 });
  t.deepEqual(codes(await cluster.audit({ place })), ['DOUBLED']);
});

test('nodes that do not answer are named, and what they own stays owned', async (t) => {
  using cluster = new Cluster();
  cluster.fillCleanly();
  const place = {
    directory: writeDirectory(cluster.folder, [
      { name: 'a', node: 1, ledger: A, folder: cluster.a.folder, clientUrl: 'http://127.0.0.1:1/' },
      { name: 'b', node: 2, ledger: B, folder: cluster.b.folder, state: 'gone' },
      { name: 'c', node: 3, ledger: C, folder: path.join(cluster.folder, 'nowhere'), state: 'gone' },
    ]),
  };
  const report = await cluster.audit({ place });
  t.is(report.verdict, 'unproven');
  t.deepEqual(codes(report).sort(), ['NODE_DOWN', 'UNREAD']);
});

/** A node's `/entities`, as docs/AUDIT.md has it. */
async function serveEntities(incarnation: number): Promise<{ url: string; entities: object[] } & AsyncDisposable> {
  const state = { entities: [] as object[] };
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ incarnation, entities: state.entities }));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
