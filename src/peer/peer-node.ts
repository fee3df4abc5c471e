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
import { ArrivalQueue } from './arrival-queue.ts';
import { BlockKeeper } from './block-keeper.ts';
import { CrashPoints } from './crash-point.ts';
import { DepartureReader } from './departure-reader.ts';
import type { DirectoryChange, SettingEntry } from './directory.ts';
import { DurableWishes } from './durable-wishes.ts';
import { applySwitches } from './feature-switches.ts';
import { HandoverTracer } from './handover-tracer.ts';
import { HandoverShell } from './handover-shell.ts';
import type { JournalEvent } from './journal.ts';
import { lastState, untilDone } from './last-state.ts';
import { Logins } from './logins.ts';
import { leaseView, Membership } from './membership.ts';
import { monotonicMs } from '../base/monotonic.ts';
import { Neighbours } from './neighbours.ts';
import { joinCluster, joinedAs } from './peer-join.ts';
import type { Membered } from './peer-join.ts';
import { reportPeers } from './peer-report.ts';
import { knownNode } from './peer-settings.ts';
import type { PeerEvent, PeerJoined, PeerSettings } from './peer-settings.ts';
import { Players } from './players.ts';
import { blockGrid } from './placement.core.ts';
import type { BlockGrid } from './placement.core.ts';
import type { EntityRow, NodeNumber, PeerIdentity } from './protocol.ts';
import { RecordReader } from './record-reader.ts';
import { SessionRouter } from './session-router.ts';
import type { SessionMessage } from './session-message.wire.ts';

const TIMER_MS = 10;
/** A turn is taken at least this often, whether the bell rang or not. */
const BELL_TIMEOUT_MS = 100;
const REPORT_MS = 200;

export class PeerNode {
  readonly #settings: PeerSettings;
  readonly #tell: (event: PeerEvent) => void;
  readonly #membered: Membered;
  readonly #me: PeerIdentity;
  readonly #crashPoints: CrashPoints;
  readonly #grid: BlockGrid;
  readonly #durables = new DurableWishes();
  #store!: Store;
  #core!: HandoverShell;
  #arrivals!: ArrivalQueue;
  #router!: SessionRouter;
  #players!: Players;
  #logins!: Logins;
  readonly #tracer: HandoverTracer;
  #records!: RecordReader;
  #reader!: DepartureReader;
  #keeper!: BlockKeeper;
  #neighbours: Neighbours | undefined;
  #membership: Membership | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #switches: readonly SettingEntry[] = [];
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
  }

  /** Attaches to the store, links up, recovers, and becomes active. @throws LinkError when it cannot listen. */
  async start(handle: StoreHandle): Promise<{ readonly peerAddress: string }> {
    const me = this.#me;
    const { journal, directory } = this.#membered;
    this.#store = Store.attach(handle);
    this.#store.peerTable.setSelf(me.node);
    this.#store.peerStats.setGauge('node', me.node);
    this.#build();
    // Before what is recovered: the journal may hold records of another version.
    this.#records.learn(await directory.schemas());
    this.#core.step({ kind: 'start', me, content: journal.content });
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
    this.#store?.control.ringPeerBell();
    await this.#running;
    const { journal, directory } = this.#membered;
    if (!this.#hasFailed && this.#membership?.mayAct() === true) {
      await this.#writeLastState();
      // While the lock is held: a neighbour that finds it free takes this node for dead.
      await directory.leave(this.#me).catch((error: unknown) => {
        this.#note('warn', 'the directory could not be told', { error: String(error) });
      });
    }
    this.#membership?.stop();
    await this.#neighbours?.close();
    await journal[Symbol.asyncDispose]();
    await directory.close();
  }

  #build(): void {
    const store = this.#store;
    this.#arrivals = new ArrivalQueue(store.arrivals, (node) => this.#subscribe(node));
    this.#router = new SessionRouter({
      store,
      me: this.#me,
      arrivals: this.#arrivals,
      send: (node, message) => this.#send(node, message),
      nodeName: (node) => this.#membership?.nameOf(node) ?? '',
      neighbours: () => this.#membership?.askable(store) ?? { nodes: [], isSomebodyMissing: true },
      isInDoubt: (session) => this.#core.isInDoubt(session),
      isLive: (incarnation) => this.#membership?.isLive(incarnation) ?? true,
      login: (head, player) => this.#logins.login(head, player),
      nowMs: monotonicMs,
      graceMs: this.#settings.graceMs,
      tracer: this.#tracer,
    });
    this.#records = new RecordReader(store.schema, {
      onSchema: (text) => this.#arrivals.schema(text),
      onProblem: (error) => this.#note('warn', 'a schema in the directory cannot be used', { error: error.message }),
    });
    this.#core = this.#createCore();
    this.#createPlayers();
    this.#reader = this.#createReader();
    this.#keeper = this.#createKeeper();
  }

  #createPlayers(): void {
    const parts = { store: this.#store, me: this.#me, router: this.#router, arrivals: this.#arrivals };
    this.#players = new Players({
      ...parts,
      step: (event) => this.#core.step(event),
      send: (node, message) => this.#send(node, message),
      homeChanged: (account, entity) => this.#logins.homeChanged(account, entity),
      nowMs: monotonicMs,
    });
    this.#logins = new Logins({
      ...parts,
      directory: this.#membered.directory,
      players: () => this.#players,
      send: (node, message) => this.#send(node, message),
      heirOf: (ledger) => this.#membership?.heirNodeOf(ledger) ?? 0,
      others: () => this.#membership?.others() ?? [],
      nowMs: monotonicMs,
    });
  }

  #createCore(): HandoverShell {
    return new HandoverShell(
      {
        store: this.#store,
        me: this.#me,
        arrivals: this.#arrivals,
        append: (position, writes) => this.#membered.journal.append(position, writes),
        send: (node, type, payload) => this.#neighbours?.sendHandover(node, type, payload) ?? 'down',
        nodeOf: (ledger) => this.#membership?.nodeOf(ledger) ?? 0,
        activated: (row) => {
          this.#players.seen(row);
          this.#router.activated(row);
        },
        inputsStable: (session, lastInput) => this.#router.durable(session, lastInput),
        rests: (row) => this.#players.rests(row),
        importStable: () => this.#membership?.importStable(),
        stopped: (reason) => this.#fail(reason),
        crashPoints: this.#crashPoints,
        tickMs: 1000 / this.#settings.facts.tickHz,
        tracer: this.#tracer,
        note: (level, message, details) => this.#note(level, message, details),
        nowMs: monotonicMs,
        utcMs: Date.now,
      },
      this.#membered.journal.content.position,
    );
  }

  #createReader(): DepartureReader {
    return new DepartureReader(this.#store, {
      step: (event) => this.#core.step(event),
      startTurn: () => this.#core.startTurn(),
      endTurn: () => this.#core.endTurn(),
      releaseSeen: (node, count) => this.#core.releaseSeen(node, count),
      identityOf: (node) => this.#neighbours?.identityOf(node),
      released: (release) => {
        this.#core.frozen(release.id as EntityRow['id'], release.frozenMs);
        this.#players.released(release.id, release.targetNode);
        this.#router.released(release);
      },
      checkpointed: (row) => this.#checkpointed(row),
      despawned: (id) => this.#players.despawned(id),
      ghosts: (node, bytes) => this.#neighbours?.sendGhosts(node, bytes),
      forwardInput: (input) => this.#router.forwardInput(input),
      forwardLeave: (session) => this.#router.forwardLeave(session),
      bound: (bound) => this.#router.bound(bound),
      durable: (number) => this.#durables.wish(this.#core.position, number),
      room: (slots) => this.#core.step({ kind: 'room', entities: this.#hasFailed ? 0 : slots, isDraining: false }),
    });
  }

  #createKeeper(): BlockKeeper {
    return new BlockKeeper({
      directory: this.#membered.directory,
      node: this.#me.node,
      grid: this.#grid,
      cellSize: this.#settings.facts.cellSize,
      reach: this.#settings.reach,
      clusterSize: this.#settings.clusterSize,
      events: {
        owners: (owners) => this.#arrivals.ownership(owners),
        populate: (cells) => this.#arrivals.populate(cells),
        subscribe: (node, cells) => this.#send(node, { kind: 'subscribe', cells }),
        note: (level, message, details) => this.#tell({ type: 'log', level, message, details }),
      },
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
          this.#core.linkUp(peer);
          this.#subscribe(peer.node);
        },
        down: (peer) => {
          this.#core.linkDown(peer);
          this.#membership?.suspect(peer.node);
        },
        handover: (from, heard) => {
          const message = this.#records.checked(heard);
          this.#core.step({ kind: 'message', from, toIncarnation: this.#me.incarnation, message });
        },
        session: (from, message) => this.#hearSession(from, message),
        ghosts: (from, bytes) => this.#arrivals.ghosts(from, bytes),
        subscribe: (from, cells) => this.#arrivals.subscribe(from, cells),
        note: (level, message, details) => this.#note(level, message, details),
      },
    });
  }

  #openMembership(): void {
    const { leaseMs, takeoverAfterMs } = this.#settings;
    this.#membership = new Membership({
      directory: this.#membered.directory,
      me: this.#me,
      joinedMs: this.#membered.joinedMs,
      times: { renewMs: leaseMs / 4, leaseMs, fenceMs: leaseMs * 1.1 },
      takeoverAfterMs,
      nowMs: monotonicMs,
      ledgersToTake: () => this.#core.ledgersToTake(),
      isImported: (ledger) => this.#core.isImported(ledger),
      mayTakeOver: () => !this.#hasFailed,
      crashPoints: this.#crashPoints,
      events: {
        changed: (change) => this.#see(change),
        leaseUntil: (untilMs) => this.#store.control.setLeaseUntilMs(untilMs),
        paused: () => this.#pause(),
        resumed: () => this.#resume(),
        stopped: (reason) => this.#fail(reason),
        takenOver: (_member, content) => this.#core.step({ kind: 'takeover', content }),
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
    if (!this.#mayAct() || this.#isPaused || !this.#core.isRunning) return;
    this.#reader.read();
    this.#router.drain();
    this.#neighbours?.flush();
  }

  #onTimer(): void {
    const nowMs = monotonicMs();
    this.#membership?.time(nowMs);
    if (!this.#mayAct() || this.#isPaused) return;
    this.#arrivals.flush();
    this.#core.step({ kind: 'time', nowMs });
    this.#core.flush();
    this.#router.time(nowMs);
    this.#players.time(nowMs);
    this.#logins.time(nowMs);
    this.#keeper.time(nowMs);
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
    reportPeers(this.#store, {
      core: this.#core,
      keeper: this.#keeper,
      links: this.#neighbours?.stats() ?? [],
      journal: this.#membered.journal,
      players: this.#players,
      orphans: this.#router.orphans,
      isLeaseValid: this.#mayAct(),
    });
  }

  // Directory.

  #see(change: DirectoryChange): void {
    if (change.schemas !== undefined) this.#records.learn(change.schemas);
    if (change.members !== undefined) this.#seeMembers(change.members);
    if (change.blocks !== undefined) this.#keeper.setBlocks(change.blocks);
    if (change.settings === undefined) return;
    this.#switches = change.settings;
    this.#applySwitches();
  }

  #seeMembers(members: NonNullable<DirectoryChange['members']>): void {
    this.#keeper.setMembers(members, monotonicMs());
    this.#neighbours?.setMembers(members);
    this.#core.step({ kind: 'directory', leases: members.map(leaseView) });
    this.#tell({
      type: 'nodes',
      nodes: members.map(knownNode),
    });
  }

  #applySwitches(): void {
    applySwitches(this.#switches, { peerTable: this.#store.peerTable, grid: this.#grid, isClosed: this.#hasFailed });
  }

  // Others.

  #hearSession(from: NodeNumber, message: SessionMessage): void {
    if (message.kind === 'login' || message.kind === 'loginDone') this.#logins.receive(from, message);
    else this.#router.receive(from, message);
  }

  #send(node: NodeNumber, message: SessionMessage): boolean {
    return this.#neighbours?.send(node, message) ?? false;
  }

  /** A neighbour is told (again) what we want to see of it, and tells everything anew. */
  #subscribe(node: NodeNumber): void {
    this.#send(node, { kind: 'subscribe', cells: this.#keeper.subscriptionTo(node) });
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
    if (this.#core === undefined) return;
    this.#fsyncedPosition = position;
    this.#membership?.setPosition(position);
    this.#core.fsynced(position);
    for (const number of this.#durables.takeUntil(position)) this.#arrivals.durable(number);
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
    this.#applySwitches();
    this.#core?.step({ kind: 'room', entities: 0, isDraining: true });
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

  #checkpointed(row: EntityRow): void {
    this.#players.seen(row);
    if (!row.atRest) return this.#router.seen(row);
    this.#router.left(row.id);
    this.#players.rests(row);
  }

  /** The simulation has stopped: what it left in the rings, and then every entity once more, on disk. */
  async #writeLastState(): Promise<void> {
    if (this.#core.isRunning) {
      this.#reader.readToEnd();
      const rows = lastState(this.#store, (slot) => this.#players.passengerOf(slot));
      this.#core.step({ kind: 'checkpoint', rows });
    }
    await untilDone(() => this.#fsyncedPosition >= this.#core.position || this.#hasFailed);
  }
}
