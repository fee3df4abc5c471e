/**
 * A node as its cluster knows it: one journal, one lease, links to all others, and the handover core between them and this
 * process's simulation.
 *
 *   join ──▶ the ledger's lock, the journal's content, a lease with a new incarnation   (before the store is made)
 *   start ─▶ links listen, the core recovers, entities go to the simulation, the lease becomes active
 *   turn  ─▶ departures · gateway's ring · tunnel rings ──▶ core, router, links; woken by the peer bell
 *   stop  ─▶ the last state of every entity on disk, the lease gone
 *
 * While the lease is not valid, what is in rings and links waits, and the simulation stands still. A fenced node ends.
 */
import { Store } from '../memory/store.ts';
import type { StoreHandle } from '../memory/store.ts';
import { CrashPoints } from './crash-point.ts';
import type { DirectoryChange } from './directory.ts';
import { Drain } from './drain.ts';
import { FeatureSwitches } from './feature-switches.ts';
import { HandoverTracer } from './handover-tracer.ts';
import type { JournalEvent } from './journal.ts';
import { lastState, untilDone } from './last-state.ts';
import { leaseView, Membership } from './membership.ts';
import { monotonicMs } from '../base/monotonic.ts';
import { Neighbours } from './neighbours.ts';
import { joinCluster, joinedAs } from './peer-join.ts';
import type { Membered } from './peer-join.ts';
import { PeerParts } from './peer-parts.ts';
import { reportPeers } from './peer-report.ts';
import { knownNode } from './peer-settings.ts';
import type { PeerEvent, PeerJoined, PeerSettings } from './peer-settings.ts';
import { blockGrid } from './placement.core.ts';
import type { BlockGrid } from './placement.core.ts';
import type { PeerIdentity } from './protocol.ts';

const TIMER_MS = 10;
/** A turn is taken at least this often, whether the bell rang or not. */
const BELL_TIMEOUT_MS = 100;
const REPORT_MS = 200;
/** In the time of one lease, by a node that starts. */
const RENEWALS_WHILE_JOINING = 4;

export class PeerNode {
  readonly #settings: PeerSettings;
  readonly #tell: (event: PeerEvent) => void;
  readonly #membered: Membered;
  readonly #me: PeerIdentity;
  readonly #crashPoints: CrashPoints;
  readonly #grid: BlockGrid;
  readonly #tracer: HandoverTracer;
  #store!: Store;
  #parts!: PeerParts;
  #drain!: Drain;
  #neighbours: Neighbours | undefined;
  #membership: Membership | undefined;
  #timer: NodeJS.Timeout | undefined;
  #joiningTimer: NodeJS.Timeout | undefined;
  /** When the renewal was sent that was granted last, before the membership is there. */
  #leaseSentMs = 0;
  #running: Promise<void> | undefined;
  #switches!: FeatureSwitches;
  #isStopping = false;
  #isPaused = false;
  #hasFailed = false;
  #fsyncedPosition = 0;
  #reportDueMs = 0;

  /**
   * Opens the journal and joins the cluster. Waits for the place of a process that died, if a neighbour is about to take it.
   * @throws JournalError, DirectoryError
   */
  static async join(
    settings: PeerSettings,
    tell: (event: PeerEvent) => void,
  ): Promise<{ peer: PeerNode; joined: PeerJoined }> {
    const membered = await joinCluster(settings);
    const peer = new PeerNode(settings, { tell, membered });
    return { peer, joined: joinedAs(membered) };
  }

  private constructor(settings: PeerSettings, parts: { tell: (event: PeerEvent) => void; membered: Membered }) {
    const { joined, journal, setListener } = parts.membered;
    this.#settings = settings;
    this.#tell = parts.tell;
    this.#membered = parts.membered;
    this.#me = { node: joined.node, ledger: journal.ledger, incarnation: joined.incarnation };
    this.#crashPoints = new CrashPoints(settings.crashPoint);
    this.#tracer = new HandoverTracer(settings.traceShare);
    const { gridWidth: width, gridDepth: depth } = settings;
    this.#grid = blockGrid({ width, depth, blockCells: settings.facts.blockCells });
    setListener((event) => this.#hearJournal(event));
    this.#leaseSentMs = parts.membered.joinedMs;
    this.#joiningTimer = setInterval(() => void this.#keepJoining(), settings.leaseMs / RENEWALS_WHILE_JOINING);
  }

  /** Attaches to the store, links up, recovers, and becomes active. @throws LinkError when it cannot listen. */
  async start(handle: StoreHandle): Promise<{ readonly peerAddress: string }> {
    const me = this.#me;
    const { journal, directory } = this.#membered;
    this.#store = Store.attach(handle);
    this.#store.peerTable.setSelf(me.node);
    this.#store.peerStats.setGauge('node', me.node);
    this.#switches = new FeatureSwitches({
      peerTable: this.#store.peerTable,
      grid: this.#grid,
      directory,
      onError: (error) => this.#note('warn', 'a pause of handovers could not be removed', { error: String(error) }),
    });
    this.#parts = this.#createParts();
    this.#drain = this.#createDrain();
    // Before what is recovered: the journal may hold records of another version.
    this.#parts.records.learn(await directory.schemas());
    this.#parts.core.step({ kind: 'start', me, content: journal.content });
    const neighbours = await this.#openNeighbours();
    this.#neighbours = neighbours;
    this.#openMembership();
    this.#timer = setInterval(() => this.#onTimer(), TIMER_MS);
    const peerAddress = neighbours.address;
    await directory.renew({ ...me, state: 'active', peerAddress });
    if (!this.#isPaused) neighbours.listen();
    this.#running = this.#run();
    return { peerAddress };
  }

  /** What clients are told, known once the gateway listens. */
  async setClientUrl(clientUrl: string): Promise<void> {
    await this.#membered.directory.renew({ ...this.#me, clientUrl });
  }

  /** Call it after the simulation has stopped: its last state is written to the journal. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#timer);
    clearInterval(this.#joiningTimer);
    this.#store?.control.ringPeerBell();
    await this.#running;
    const { journal, directory } = this.#membered;
    if (!this.#hasFailed && this.#membership?.mayAct() === true) {
      await this.#writeLastState();
      // While the lock is held: a neighbour that finds it free takes this node for dead.
      if (!(await this.#handIn())) await this.#leave();
    }
    this.#parts?.balancer.close();
    await this.#parts?.desk.stop();
    this.#membership?.stop();
    await this.#neighbours?.close();
    await journal[Symbol.asyncDispose]();
    await directory.close();
  }

  /** Asks that this node may leave; `drained` tells when it can stop. False when nobody is there to give to. @throws DirectoryError */
  async drain(): Promise<boolean> {
    if (!this.#drain.hasSuccessor) return false;
    return await this.#membered.directory.drain({ ...this.#me, isDraining: true });
  }

  #createDrain(): Drain {
    return new Drain({
      store: this.#store,
      me: this.#me,
      name: this.#settings.name,
      directory: this.#membered.directory,
      core: this.#parts.core,
      crashPoints: this.#crashPoints,
      events: {
        over: ({ restarts }) => this.#tell({ type: 'drained', restarts }),
        note: (level, message, details) => this.#note(level, message, details),
      },
    });
  }

  #createParts(): PeerParts {
    return new PeerParts({
      settings: this.#settings,
      store: this.#store,
      me: this.#me,
      membered: this.#membered,
      crashPoints: this.#crashPoints,
      grid: this.#grid,
      tracer: this.#tracer,
      membership: () => this.#membership,
      neighbours: () => this.#neighbours,
      room: (slots) =>
        this.#parts.core.step({
          kind: 'room',
          entities: this.#hasFailed || this.#drain.isLeaving ? 0 : slots,
          isDraining: this.#drain.isLeaving,
        }),
      tell: this.#tell,
      stopped: (reason) => this.#fail(reason),
    });
  }

  #openNeighbours(): Promise<Neighbours> {
    const { name, listen, tls, peers } = this.#settings;
    return Neighbours.open({
      store: this.#store,
      me: { ...this.#me, name },
      listen,
      tls,
      cluster: this.#membered.directory.facts.clusterId,
      peers,
      mayAct: () => this.#mayAct(),
      events: {
        up: (peer) => {
          this.#parts.core.linkUp(peer);
          this.#parts.subscribe(peer.node);
        },
        down: (peer) => {
          this.#parts.core.linkDown(peer);
          this.#membership?.suspect(peer.node);
        },
        handover: (from, heard) => {
          const message = this.#parts.records.checked(heard);
          this.#parts.core.step({ kind: 'message', from, toIncarnation: this.#me.incarnation, message });
        },
        session: (from, message) => this.#parts.hearSession(from, message),
        ghosts: (from, bytes) => this.#parts.arrivals.ghosts(from, bytes),
        subscribe: (from, cells) => this.#parts.arrivals.subscribe(from, cells),
        note: (level, message, details) => this.#note(level, message, details),
      },
    });
  }

  /** A store of gigabytes takes longer to make than a lease lasts, and nobody else renews it until the membership is there. */
  async #keepJoining(): Promise<void> {
    const sentMs = monotonicMs();
    const renewed = await this.#membered.directory.renew(this.#me).catch(() => 'unreachable' as const);
    if (typeof renewed === 'object') this.#leaseSentMs = Math.max(this.#leaseSentMs, sentMs);
  }

  #openMembership(): void {
    clearInterval(this.#joiningTimer);
    const { leaseMs, takeoverAfterMs } = this.#settings;
    this.#membership = new Membership({
      directory: this.#membered.directory,
      me: this.#me,
      joinedMs: this.#leaseSentMs,
      times: { renewMs: leaseMs / 4, leaseMs, fenceMs: leaseMs * 1.1 },
      takeoverAfterMs,
      nowMs: monotonicMs,
      ledgersToTake: () => this.#parts.core.ledgersToTake(),
      isImported: (ledger) => this.#parts.core.isImported(ledger),
      mayTakeOver: () => !this.#hasFailed,
      crashPoints: this.#crashPoints,
      events: {
        changed: (change) => this.#see(change),
        leaseUntil: (untilMs) => this.#store.control.setLeaseUntilMs(untilMs),
        paused: () => this.#pause(),
        resumed: () => this.#resume(),
        stopped: (reason) => this.#fail(reason),
        takenOver: (_member, content) => this.#parts.core.step({ kind: 'takeover', content }),
        note: (level, message, details) => this.#tell({ type: 'log', level, message, details }),
      },
    });
  }

  // Turns.

  async #run(): Promise<void> {
    const { control } = this.#store;
    while (!this.#isStopping) {
      const seen = control.peerBellCount;
      this.#turn();
      await control.awaitPeerBell(seen, BELL_TIMEOUT_MS);
    }
  }

  #turn(): void {
    if (!this.#mayAct() || this.#isPaused || !this.#parts.core.isRunning) return;
    this.#parts.reader.read();
    this.#parts.router.drain();
    this.#neighbours?.flush();
  }

  #onTimer(): void {
    const nowMs = monotonicMs();
    this.#membership?.time(nowMs);
    if (!this.#mayAct() || this.#isPaused) return;
    this.#parts.arrivals.flush();
    this.#parts.core.step({ kind: 'time', nowMs });
    this.#parts.core.flush();
    this.#parts.router.time(nowMs);
    this.#parts.players.time(nowMs);
    this.#drain.time(nowMs);
    this.#parts.logins.time(nowMs);
    this.#parts.desk.time(nowMs);
    this.#parts.keeper.time(nowMs);
    this.#parts.loads.time(nowMs);
    this.#parts.balancer.time(nowMs);
    this.#switches.time(nowMs);
    this.#neighbours?.time();
    if (nowMs >= this.#reportDueMs) this.#report(nowMs);
    this.#neighbours?.flush();
    // The doorbell is rung by the simulation; what came over links wants to be delivered, too.
    if (this.#store.peerToGateway.fillBytes > 0) this.#store.control.ringDoorbell();
  }

  #report(nowMs: number): void {
    this.#reportDueMs = nowMs + REPORT_MS;
    const spans = this.#tracer.take();
    if (spans !== undefined) this.#tell({ type: 'spans', ...spans });
    this.#parts.core.noteStuck();
    reportPeers(this.#store, {
      core: this.#parts.core,
      keeper: this.#parts.keeper,
      links: this.#neighbours?.stats() ?? [],
      journal: this.#membered.journal,
      players: this.#parts.players,
      orphans: this.#parts.router.orphans,
      isLeaseValid: this.#mayAct(),
    });
  }

  // Directory.

  #see(change: DirectoryChange): void {
    this.#drain.see(change);
    if (change.schemas !== undefined) this.#parts.records.learn(change.schemas);
    if (change.members !== undefined) this.#seeMembers(change.members);
    if (change.blocks !== undefined) {
      this.#parts.balancer.setBlocks(change.blocks);
      this.#parts.keeper.setBlocks(change.blocks);
    }
    if (change.settings === undefined) return;
    this.#parts.balancer.setSettings(change.settings);
    this.#switches.see(change.settings, monotonicMs());
  }

  #seeMembers(members: NonNullable<DirectoryChange['members']>): void {
    this.#parts.keeper.setMembers(members);
    this.#parts.balancer.setMembers(members);
    this.#neighbours?.setMembers(members);
    this.#parts.core.step({ kind: 'directory', leases: members.map(leaseView) });
    this.#tell({
      type: 'nodes',
      nodes: members.map(knownNode),
    });
  }

  // The own life.

  #mayAct(): boolean {
    return !this.#isStopping && (this.#membership?.mayAct() ?? false);
  }

  #pause(): void {
    this.#isPaused = true;
    this.#neighbours?.fallSilent();
    this.#store.peerStats.add('leaseLapses', 1);
    this.#note('warn', 'the lease could not be renewed in time: the world stands still until it is', {});
  }

  #resume(): void {
    this.#isPaused = false;
    this.#note('info', 'the lease is valid again', {});
    this.#neighbours?.listen();
  }

  #hearJournal(event: JournalEvent): void {
    const { peerStats } = this.#store ?? {};
    switch (event.type) {
      case 'fsynced':
        peerStats?.add('journalCommits', 1);
        peerStats?.add('journalRows', event.rows);
        peerStats?.observe('commit', event.commitMs / 1000);
        this.#fsynced(event.position);
        return;
      case 'slow':
        this.#note('warn', 'the journal is slow', { ...event });
        return;
      case 'failed':
        this.#journalFailed(event.error);
        return;
    }
  }

  #fsynced(position: number): void {
    if (this.#parts === undefined) return;
    this.#fsyncedPosition = position;
    this.#membership?.setPosition(position);
    this.#parts.core.fsynced(position);
    this.#parts.desk.fsynced(position);
    for (const number of this.#parts.durables.takeUntil(position)) this.#parts.arrivals.durable(number);
    this.#neighbours?.flush();
  }

  /** A full disk: what is here goes on being simulated, nothing comes or goes. Anything else: the process ends. */
  #journalFailed(error: Error & { readonly code: string }): void {
    this.#hasFailed = true;
    this.#store?.peerStats.setGauge('journalFailed', 1);
    this.#note('error', `the journal failed: ${error.message}`, { code: error.code });
    if (error.code !== 'ERR_JOURNAL_FULL') {
      this.#fail(error.message);
      return;
    }
    this.#switches?.close();
    this.#parts?.core.step({ kind: 'room', entities: 0, isDraining: true });
  }

  #fail(reason: string): void {
    this.#hasFailed = true;
    this.#store?.control.setLeaseUntilMs(1);
    this.#tell({ type: 'stopped', reason });
  }

  #note(level: 'info' | 'warn' | 'error', message: string, details: Readonly<Record<string, unknown>>): void {
    this.#tell({ type: 'log', level, message, details });
  }

  // The end.

  /** False when the journal stays this node's own. */
  async #handIn(): Promise<boolean> {
    if (!this.#drain.isOver || this.#hasFailed) return false;
    // From here on this process hears nobody, says nothing and renews nothing: its last state is what the successor finds.
    this.#membership?.stop();
    await this.#neighbours?.close();
    return await this.#drain.handIn();
  }

  async #leave(): Promise<void> {
    await this.#membered.directory.leave(this.#me).catch((error: unknown) => {
      this.#note('warn', 'the directory could not be told', { error: String(error) });
    });
  }

  /** The simulation has stopped: what it left in the rings, and then every entity once more, on disk. */
  async #writeLastState(): Promise<void> {
    // What the sink took last is noted, too.
    await this.#parts.desk.stop();
    if (this.#parts.core.isRunning) {
      this.#parts.reader.readToEnd();
      const rows = lastState(this.#store, (slot) => this.#parts.players.passengerOf(slot));
      this.#parts.core.step({ kind: 'checkpoint', rows });
    }
    await untilDone(() => this.#fsyncedPosition >= this.#parts.core.position || this.#hasFailed);
  }
}
