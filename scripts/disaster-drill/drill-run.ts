/**
 * The disaster drill of docs/BACKUP.md with real processes: players walk, the cluster is backed up, they walk on, all nodes are killed and all
 * disks deleted, the backup is restored, the nodes are started, and the players come back. Everything is done by the command line.
 */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { AuditReport } from '../../src/main/audit/audit.ts';
import { readCensus } from '../../src/main/audit/audit-files.ts';
import { journalPlaces } from '../../src/main/audit/cluster-reader.ts';
import type { ClusterPlace } from '../../src/main/audit/cluster-reader.ts';
import { readJournal } from '../../src/main/audit/journal-reader.ts';
import type { Manifest } from '../../src/main/backup/manifest.ts';
import { openReadOnly } from '../../src/main/backup/journal-file.ts';
import type { RestoreReport } from '../../src/main/backup/restore.ts';
import { worldmesh } from '../../test/main/command-line.ts';
import { historyCounts } from '../cluster/cluster-auditor.ts';
import { ProcessCluster } from '../cluster/process-cluster.ts';
import { DrillPlayer } from './drill-player.ts';

export interface DrillOptions {
  readonly players: number;
  /** Players who leave before the backup. */
  readonly resting: number;
  readonly seconds: number;
  readonly seed: number;
  readonly nodes: number;
  readonly keep: boolean;
  readonly onProgress: (text: string) => void;
}

export interface DrillResult {
  readonly seed: number;
  readonly manifest: Manifest;
  readonly restoreMs: number;
  /** From the kill of all nodes until all players see their world again. */
  readonly outageMs: number;
  /** Before the backup, from its begin to its end, and after it. */
  readonly gapsMs: { readonly before: number; readonly during: number; readonly after: number };
  readonly backupMs: number;
  readonly handovers: { readonly before: number; readonly during: number; readonly after: number };
  readonly entities: {
    readonly live: number;
    readonly backup: number;
    readonly restored: number;
    readonly running: number;
  };
  readonly atRest: { readonly live: number; readonly restored: number };
  /** Of a player who rested, between leaving and coming back after the disaster, in metres. */
  readonly farthestMetres: number;
  readonly sessionsLostBefore: number;
  readonly connectionsLostBefore: number;
  /** A login that comes before all nodes are up again may be told to try later, and is a session of its own then. */
  readonly sessionsNewAfter: number;
  /** Players who are in a session of before: the backup had none of the tokens since. */
  readonly withoutNewSession: number;
  readonly playersBack: number;
  readonly verdicts: Readonly<Record<string, AuditReport['verdict']>>;
  /** Everything that is not as it must be. */
  readonly wrong: readonly string[];
}

const WANDERERS_PER_CELL = 8;
const CELLS = 16;
const DEADLINE_MS = 60_000;
const LOOK_MS = 50;
/** A player notices more. Snapshots come ten times a second. */
const GAP_MS_MAX = 1000;
/** On a busy machine gaps are long without a backup, too. */
const GAP_FACTOR_MAX = 2;
const RUNNING_LOOKS = 5;
const RUNNING_LOOK_MS = 200;
const FARTHEST_METRES_MAX = 1;
/** Longer than any stall of a busy machine: a player who is away for a moment does not lose its session. */
const GRACE_MS = 30_000;

export async function runDrill(options: DrillOptions): Promise<DrillResult> {
  const { nodes, keep, onProgress } = options;
  onProgress(`starting ${nodes} nodes`);
  await using cluster = await ProcessCluster.start({
    nodes,
    takeoverAfterMs: 1000,
    leaseMs: 2000,
    wanderersPerCell: WANDERERS_PER_CELL,
    withDisk: false,
    withProxies: false,
    keep,
    settings: { 'resume-grace-ms': GRACE_MS },
  });
  return await new Drill(cluster, options).run();
}

class Drill {
  readonly #cluster: ProcessCluster;
  readonly #options: DrillOptions;
  readonly #wrong: string[] = [];
  readonly #verdicts: Record<string, AuditReport['verdict']> = {};

  constructor(cluster: ProcessCluster, options: DrillOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  async run(): Promise<DrillResult> {
    const { seed, seconds, players: count, onProgress } = this.#options;
    const rested = await this.#letRest();
    using walking = new Group(await this.#players('walker', count));
    for (const player of walking.players) player.walk();
    await this.#play(seconds);
    const live = this.#journals({ directory: this.#cluster.directoryUrl });
    const before = { gap: walking.takeLongestGapMs(), handovers: historyCounts(this.#cluster).handovers };
    onProgress('backup');
    const { manifest, tookMs: backupMs } = await this.#backup();
    const during = { gap: walking.takeLongestGapMs(), handovers: historyCounts(this.#cluster).handovers };
    await this.#play(seconds);
    const after = { gap: walking.takeLongestGapMs(), handovers: historyCounts(this.#cluster).handovers };
    const lost = { sessions: walking.sum('sessionsNew'), connections: walking.sum('connectionsLost') };
    const killedMs = performance.now();
    await this.#destroy();
    onProgress('restore');
    const restored = await this.#restore(manifest);
    const backup = this.#journals({ data: this.#backupFolder });
    const onDisk = this.#journals({ data: this.#cluster.dataFolder });
    this.#compare(live, backup, onDisk);
    await this.#start();
    await this.#until('all players are back', () => walking.players.every((player) => player.isOnline));
    const outageMs = performance.now() - killedMs;
    this.#tellStories(walking);
    const running = await this.#auditRunning();
    const farthestMetres = await this.#wake(rested);
    const result = {
      seed,
      manifest,
      backupMs,
      restoreMs: restored.tookMs,
      outageMs,
      gapsMs: { before: before.gap, during: during.gap, after: after.gap },
      handovers: {
        before: before.handovers,
        during: during.handovers - before.handovers,
        after: after.handovers - during.handovers,
      },
      entities: { live: live.ids.size, backup: backup.ids.size, restored: onDisk.ids.size, running },
      atRest: { live: live.atRest.size, restored: onDisk.atRest.size },
      farthestMetres,
      sessionsLostBefore: lost.sessions,
      connectionsLostBefore: lost.connections,
      sessionsNewAfter: walking.sum('sessionsNew') - lost.sessions,
      withoutNewSession: walking.players.filter(({ sessionsNew }) => sessionsNew === 0).length,
      playersBack: walking.players.filter((player) => player.isOnline).length,
      verdicts: this.#verdicts,
    };
    return { ...result, wrong: [...this.#wrong, ...this.#ends(), ...brokenRules(result, this.#options)] };
  }

  get #backupFolder(): string {
    return path.join(this.#cluster.folder, 'backup');
  }

  get #censusFile(): string {
    return path.join(this.#cluster.folder, 'census.ndjson');
  }

  /** Players who leave, and where they stood. */
  async #letRest(): Promise<ReadonlyMap<string, { readonly x: number; readonly z: number }>> {
    const { resting, onProgress } = this.#options;
    onProgress(`${resting} players come and go`);
    using group = new Group(await this.#players('rester', resting));
    for (const player of group.players) player.walk();
    await wait(1000);
    for (const player of group.players) player.stand();
    let places = group.places();
    await this.#until('they stand', async () => {
      const earlier = places;
      await wait(500);
      places = group.places();
      return [...places].every(([account, { x, z }]) => earlier.get(account)?.x === x && earlier.get(account)?.z === z);
    });
    group[Symbol.dispose]();
    const isAtRest = (): boolean => this.#journals({ directory: this.#cluster.directoryUrl }).atRest.size === resting;
    await this.#until('they rest', isAtRest);
    return places;
  }

  async #players(prefix: string, count: number): Promise<DrillPlayer[]> {
    const { nodes } = this.#cluster;
    const players = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const account = `${prefix}-${index}`;
        const token = await this.#cluster.token(account);
        const url = nodes[index % nodes.length]!.url;
        return new DrillPlayer({ url, account, token, seed: this.#options.seed + index });
      }),
    );
    try {
      await this.#until(`${count} players are there`, () => players.every((player) => player.isOnline));
    } catch (error) {
      const away = players
        .filter((player) => !player.isOnline)
        .map(({ account, story }) => `${account}: ${story.join('; ')}`);
      const said = this.#cluster.nodes.map(({ name, output }) => `${name}:\n${output.join('\n')}`);
      for (const player of players) player[Symbol.dispose]();
      throw new Error([...away, ...said].join('\n'), { cause: error });
    }
    return players;
  }

  async #play(seconds: number): Promise<void> {
    this.#options.onProgress(`playing for ${seconds} s`);
    await wait(seconds * 1000);
  }

  async #backup(): Promise<{ manifest: Manifest; tookMs: number }> {
    const startMs = performance.now();
    const args = ['--directory', this.#cluster.directoryUrl, '--out', this.#backupFolder, '--json'];
    const manifest = (await this.#command('backup', args)) as Manifest;
    const tookMs = performance.now() - startMs;
    await this.#audit('backup', ['--data', this.#backupFolder, '--census-out', this.#censusFile]);
    return { manifest, tookMs };
  }

  async #destroy(): Promise<void> {
    this.#options.onProgress('kill -9 of all nodes, and all their disks deleted');
    await Promise.all(this.#cluster.nodes.map((node) => node.kill()));
    rmSync(this.#cluster.dataFolder, { recursive: true, force: true });
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(`${path.join(this.#cluster.folder, 'directory.sqlite')}${suffix}`, { force: true });
    }
  }

  async #restore(manifest: Manifest): Promise<RestoreReport> {
    const { dataFolder, directoryUrl } = this.#cluster;
    const args = [this.#backupFolder, '--data', dataFolder, '--directory', directoryUrl, '--json'];
    const report = (await this.#command('restore', args)) as RestoreReport;
    if (report.incarnation <= manifest.incarnation)
      this.#wrong.push('incarnations do not go on above those of the backup');
    await this.#audit('restored', ['--data', dataFolder, '--census', this.#censusFile]);
    return report;
  }

  async #start(): Promise<void> {
    this.#options.onProgress('starting the nodes');
    for (const node of this.#cluster.nodes) node.start();
    const startMs = performance.now();
    const areReady = await Promise.all(
      this.#cluster.nodes.map(async (node) => {
        const isReady = await node.ready();
        this.#options.onProgress(`${node.name} is ready after ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
        return isReady;
      }),
    );
    if (areReady.every(Boolean)) return;
    throw new Error(
      `nodes do not start on the restored data:\n${this.#cluster.nodes.flatMap((node) => node.output).join('\n')}`,
    );
  }

  /** Gives the number of entities that the cluster owns. */
  async #auditRunning(): Promise<number> {
    await this.#audit('running', ['--directory', this.#cluster.directoryUrl, '--census', this.#censusFile]);
    // Nobody ends in this world, and who moves may be missed by one look: what all looks saw is all that there is.
    const ids = new Set<number>();
    for (let look = 0; look < RUNNING_LOOKS; look++) {
      for (const id of this.#journals({ directory: this.#cluster.directoryUrl }).ids) ids.add(id);
      await wait(RUNNING_LOOK_MS);
    }
    return ids.size;
  }

  /** Those who rested come back. Gives how far from where they left the farthest is. */
  async #wake(places: ReadonlyMap<string, { readonly x: number; readonly z: number }>): Promise<number> {
    this.#options.onProgress('the players at rest come back');
    using group = new Group(await this.#players('rester', places.size));
    const distances = group.players.map(({ account, place }) => {
      const left = places.get(account);
      return left === undefined ? Number.POSITIVE_INFINITY : Math.hypot(place.x - left.x, place.z - left.z);
    });
    return Math.max(...distances);
  }

  /** Of those who began more than one session after the disaster. */
  #tellStories({ players }: Group): void {
    for (const { account, sessionsNew, story } of players) {
      if (sessionsNew > 1) this.#options.onProgress(`${account}:\n${story.map((line) => `      ${line}`).join('\n')}`);
    }
  }

  /** Nodes that ended though nobody had ended them. */
  #ends(): string[] {
    const ends = this.#cluster.nodes.flatMap((node) => node.ends);
    return ends.map(
      ({ name, code, signal, output }) => `${name} ended by itself (${signal ?? code}):\n${output.join('\n')}`,
    );
  }

  async #audit(name: string, args: readonly string[]): Promise<AuditReport> {
    const report = (await this.#command('audit', [...args, '--json'], { mayFail: true })) as AuditReport;
    this.#verdicts[name] = report.verdict;
    this.#options.onProgress(`audit ${name}: ${report.verdict}, ${report.counts.entities} entities`);
    for (const { code, text } of report.findings) {
      if (report.verdict !== 'proven') this.#wrong.push(`audit of what is ${name}: ${code} ${text}`);
    }
    return report;
  }

  async #command(name: string, args: readonly string[], { mayFail = false } = {}): Promise<unknown> {
    const { code, stdout, stderr } = await worldmesh([name, ...args]);
    if (code !== 0 && !mayFail) throw new Error(`worldmesh ${name} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  #journals(place: ClusterPlace): Census {
    const ids = new Set<number>();
    const atRest = new Map<string, string>();
    for (const journal of journalPlaces(place)) {
      const view = readJournal(journal);
      if (view.isTaken) continue;
      for (const { id } of [...view.entities.values(), ...view.outbox]) ids.add(id);
      for (const [account, hash] of restingIn(journal.file)) atRest.set(account, hash);
    }
    return { ids, atRest };
  }

  /** What was there, what the backup has, and what lies on the disks that a cluster starts on. */
  #compare(live: Census, backup: Census, onDisk: Census): void {
    const census = new Set(readCensus(this.#censusFile).map(({ id }) => id));
    const sets: [string, ReadonlySet<number>][] = [
      ['the living cluster', live.ids],
      ['the census', census],
      ['the restored cluster', onDisk.ids],
    ];
    for (const [name, ids] of sets) {
      const missing =
        [...backup.ids].filter((id) => !ids.has(id)).length + [...ids].filter((id) => !backup.ids.has(id)).length;
      if (missing > 0) this.#wrong.push(`${missing} entities differ between the backup and ${name}`);
    }
    for (const [account, hash] of live.atRest) {
      if (backup.atRest.get(account) !== hash) this.#wrong.push(`the backup has ${account} otherwise than it rested`);
      if (onDisk.atRest.get(account) !== hash) this.#wrong.push(`${account} came back otherwise than it rested`);
    }
  }

  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + DEADLINE_MS;
    while (!(await isSo())) {
      if (performance.now() > deadlineMs) throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}`);
      await wait(LOOK_MS);
    }
  }
}

interface Census {
  readonly ids: ReadonlySet<number>;
  /** Of players at rest, by account, a hash of everything that they are. */
  readonly atRest: ReadonlyMap<string, string>;
}

class Group implements Disposable {
  readonly players: readonly DrillPlayer[];

  constructor(players: readonly DrillPlayer[]) {
    this.players = players;
  }

  sum(what: 'sessionsNew' | 'connectionsLost'): number {
    return this.players.reduce((all, player) => all + player[what], 0);
  }

  takeLongestGapMs(): number {
    return Math.max(...this.players.map((player) => player.takeLongestGapMs()));
  }

  places(): Map<string, { readonly x: number; readonly z: number }> {
    return new Map(this.players.map(({ account, place }) => [account, place]));
  }

  [Symbol.dispose](): void {
    for (const player of this.players) player[Symbol.dispose]();
  }
}

function restingIn(file: string): [string, string][] {
  const database = openReadOnly(file);
  try {
    const rows = database
      .prepare<[], { account: string; id: number; seq: number; record: Buffer }>(
        "SELECT account, id, seq, record FROM entity WHERE at_rest <> 0 AND account <> ''",
      )
      .all();
    return rows.map(({ account, id, seq, record }) => [
      account,
      createHash('sha256').update(`${id} ${seq} `).update(record).digest('hex'),
    ]);
  } finally {
    database.close();
  }
}

function brokenRules(result: Omit<DrillResult, 'wrong'>, { players, resting }: DrillOptions): string[] {
  const { manifest, gapsMs, handovers, entities, atRest, farthestMetres } = result;
  const expected = CELLS * WANDERERS_PER_CELL + players + resting;
  const rules: [boolean, string][] = [
    [result.sessionsLostBefore === 0, `${result.sessionsLostBefore} sessions were lost before the disaster`],
    [result.connectionsLostBefore === 0, `${result.connectionsLostBefore} connections were lost before the disaster`],
    [
      gapsMs.during <= Math.max(GAP_MS_MAX, GAP_FACTOR_MAX * gapsMs.before),
      `a player had no snapshot for ${gapsMs.during.toFixed(0)} ms during the backup`,
    ],
    [handovers.before > 0 && handovers.after > 0, 'nobody crossed a border'],
    [
      manifest.total.entities === expected,
      `the manifest has ${manifest.total.entities} entities, and there are ${expected}`,
    ],
    [manifest.total.inTransit === 0, `${manifest.total.inTransit} entities are in transit in the backup`],
    [entities.running === expected, `${entities.running} of ${expected} entities run after the restore`],
    [
      atRest.live === resting && atRest.restored === resting,
      `${atRest.restored} of ${resting} players at rest came back`,
    ],
    [farthestMetres <= FARTHEST_METRES_MAX, `a player came back ${farthestMetres.toFixed(2)} m from where it had left`],
    [result.playersBack === players, `${result.playersBack} of ${players} players came back`],
    [
      result.withoutNewSession === 0,
      `${result.withoutNewSession} players went on with a session of before the disaster`,
    ],
  ];
  return rules.filter(([isMet]) => !isMet).map(([, text]) => text);
}
