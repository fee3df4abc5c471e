/**
 * A node as its cluster knows it: one journal, one lease, links to all others, and the handover core between them and this
 * process's simulation.
 *
 *   join ──▶ the ledger's lock, the journal's content, a lease with a new incarnation   (before the store is made)
 *   start ─▶ links listen, the core recovers, entities go to the simulation, the lease becomes active
 *   turn  ─▶ departures · tunnel rings · gateway's ring ──▶ core, router, links; woken by the peer bell
 *   stop  ─▶ the last state of every entity on disk, the lease gone
 *
 * While the lease is not valid nothing is taken from the rings and nothing that comes from links is heard: it waits, and the
 * simulation stands still. A node that was fenced ends.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { RecordEncoder } from '../memory/record.ts';
import { Store } from '../memory/store.ts';
import type { StoreHandle } from '../memory/store.ts';
import { ArrivalQueue } from './arrival-queue.ts';
import { BlockKeeper } from './block-keeper.ts';
import { CrashPoints } from './crash-point.ts';
import { DepartureReader } from './departure-reader.ts';
import { DirectoryError } from './directory-error.ts';
import { openDirectory } from './directory-thread.ts';
import type { Directory, DirectoryChange, Member } from './directory.ts';
import { HandoverShell } from './handover-shell.ts';
import { openJournal } from './journal.ts';
import type { Journal, JournalEvent } from './journal.ts';
import { Links } from './links.ts';
import type { LinksEvent } from './links.ts';
import { leaseView, Membership } from './membership.ts';
import { MessageBuffer } from './message-buffer.ts';
import { decodeFrame } from './peer-frames.ts';
import { reportPeers } from './peer-report.ts';
import type { PeerEvent, PeerJoined, PeerSettings } from './peer-settings.ts';
import { Players } from './players.ts';
import { blockGrid, blockOfCell } from './placement.core.ts';
import type { BlockGrid } from './placement.core.ts';
import type { EntityRow, JournalContent, Ledger, NodeNumber, PeerIdentity } from './protocol.ts';
import { SessionRouter } from './session-router.ts';
import { encodeSessionMessage, SESSION_MESSAGE_TYPE } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';

/** Versions of the protocol between nodes that this release speaks. */
export const PEER_PROTOCOL = { min: 1, max: 1 } as const;

const TIMER_MS = 10;
/** A turn is taken at least this often, whether the bell rang or not. */
const BELL_TIMEOUT_MS = 100;
const REPORT_MS = 200;
const LAST_FSYNC_MS_MAX = 10_000;
const FSYNC_POLL_MS = 2;
const JOIN_RETRY_MS = 100;
/** A name or a ledger that a dead process had is free once a neighbour has taken its place. */
const JOIN_WAIT_MS_MAX = 30_000;
/** Frames that wait while the lease is not valid; beyond it links would have been cut by their windows. */
const PAUSED_FRAMES_MAX = 65_536;
const RETRY_CODES: ReadonlySet<string> = new Set([
  'ERR_DIRECTORY_BUSY',
  'ERR_DIRECTORY_NAME_UNRESOLVED',
  'ERR_DIRECTORY_NAME_TAKEN',
  'ERR_DIRECTORY_LEDGER_FENCED',
]);

export class PeerNode {
  readonly #settings: PeerSettings;
  readonly #tell: (event: PeerEvent) => void;
  readonly #crashPoints: CrashPoints;
  readonly #journal: Journal;
  readonly #directory: Directory;
  readonly #me: PeerIdentity;
  readonly #joinedMs: number;
  readonly #grid: BlockGrid;
  readonly #buffer = new MessageBuffer();
  /** Ghosts of ours that could not be sent to these nodes: they are told everything anew. */
  readonly #ghostsLost = new Set<NodeNumber>();
  /** What each neighbour wants to see of ours. */
  readonly #subscribed = new Map<NodeNumber, Uint32Array>();
  readonly #identities = new Map<NodeNumber, PeerIdentity>();
  /** By position: what to answer when it is on disk. */
  readonly #durables: { readonly position: number; readonly number: number }[] = [];
  #pausedFrames: LinksEvent[] = [];
  #store!: Store;
  #links!: Links;
  #core!: HandoverShell;
  #arrivals!: ArrivalQueue;
  #router!: SessionRouter;
  #players!: Players;
  #reader!: DepartureReader;
  #membership!: Membership;
  #keeper!: BlockKeeper;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStopping = false;
  /** Until everything is there, what comes from links waits as well. */
  #isPaused = true;
  #hasFailed = false;
  /** Something could not be said because the lease was over. */
  #hasKeptSilent = false;
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
    const directory = await openDirectory(settings.directory, { facts: settings.facts });
    const deadlineMs = monotonicMs() + JOIN_WAIT_MS_MAX;
    for (;;) {
      const heard: JournalEvent[] = [];
      let hear = (event: JournalEvent): void => {
        heard.push(event);
      };
      const journal = await openJournal({ folder: settings.folder, onEvent: (event) => hear(event) });
      try {
        const joinedMs = monotonicMs();
        const joined = await directory.join(joinRequest(settings, journal));
        journal.setIncarnation(joined.incarnation);
        const peer = new PeerNode({ settings, tell, journal, directory, joined, joinedMs });
        hear = (event) => peer.#hearJournal(event);
        const { clusterId, tickEpochMs } = directory.facts;
        const { node, incarnation } = joined;
        const entities = journal.content.entities.length;
        return { peer, joined: { node, incarnation, clusterId, tickEpochMs, entities } };
      } catch (error) {
        // The lock is let go, so that a neighbour can take what is in the file.
        await journal[Symbol.asyncDispose]();
        const mayPass = error instanceof DirectoryError && RETRY_CODES.has(error.code);
        if (!mayPass || monotonicMs() > deadlineMs) {
          await directory.close();
          throw error;
        }
      }
      await delay(JOIN_RETRY_MS);
    }
  }

  private constructor(parts: {
    settings: PeerSettings;
    tell: (event: PeerEvent) => void;
    journal: Journal;
    directory: Directory;
    joined: { node: NodeNumber; incarnation: number };
    joinedMs: number;
  }) {
    const { settings, tell, journal, directory, joined, joinedMs } = parts;
    this.#settings = settings;
    this.#tell = tell;
    this.#journal = journal;
    this.#directory = directory;
    this.#joinedMs = joinedMs;
    this.#me = { node: joined.node, ledger: journal.ledger, incarnation: joined.incarnation };
    this.#crashPoints = new CrashPoints(settings.crashPoint);
    const { gridWidth: width, gridDepth: depth } = settings;
    this.#grid = blockGrid({ width, depth, blockCells: settings.facts.blockCells });
  }

  /** Attaches to the store, links up, recovers, and becomes active. @throws LinkError when it cannot listen. */
  async start(handle: StoreHandle): Promise<{ readonly peerAddress: string }> {
    const { settings, me, journal } = { settings: this.#settings, me: this.#me, journal: this.#journal };
    this.#store = Store.attach(handle);
    this.#store.peerTable.setSelf(me.node);
    this.#store.peerStats.setGauge('node', me.node);
    this.#build();
    this.#core.step({ kind: 'start', me, content: journal.content });
    this.#links = await Links.open({
      me: { ...me, name: settings.name },
      listen: settings.listen,
      tls: settings.tls,
      cluster: this.#directory.facts.clusterId,
      protocol: PEER_PROTOCOL,
      onEvent: (event) => this.#hearLink(event),
      now: monotonicMs,
      random: Math.random,
    });
    this.#openMembership();
    const { host, port } = this.#links.address;
    const peerAddress = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    await this.#directory.renew({ node: me.node, incarnation: me.incarnation, state: 'active', peerAddress });
    this.#timer = setInterval(() => this.#onTimer(), TIMER_MS);
    this.#hearPaused();
    this.#running = this.#run();
    return { peerAddress };
  }

  /** What clients are told, known once the gateway listens. */
  async setClientUrl(clientUrl: string): Promise<void> {
    await this.#directory.renew({ node: this.#me.node, incarnation: this.#me.incarnation, clientUrl });
  }

  /** Call it after the simulation has stopped: its last state is written to the journal. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#store?.control.ringPeerBell();
    await this.#running;
    const mayWrite = this.#core !== undefined && !this.#hasFailed && this.#membership.mayAct();
    if (mayWrite) {
      this.#writeLastState();
      await this.#fsyncedAll();
      // While the lock is held: a neighbour that finds it free takes this node for dead.
      await this.#directory.leave(this.#me).catch(() => {});
    }
    this.#membership?.stop();
    await this.#links?.close();
    await this.#journal[Symbol.asyncDispose]();
    await this.#directory.close();
  }

  #build(): void {
    const { graceMs } = this.#settings;
    const store = this.#store;
    this.#arrivals = new ArrivalQueue(store.arrivals, (node) => this.#send(node, this.#subscriptionTo(node)));
    this.#router = new SessionRouter({
      store,
      me: this.#me,
      arrivals: this.#arrivals,
      send: (node, message) => this.#send(node, message),
      nodeName: (node) => this.#membership.members.find((member) => member.node === node)?.name ?? '',
      isLive: (incarnation) => this.#membership.active.some((member) => member.incarnation === incarnation),
      login: (head, player) => this.#players.login(head, player),
      nowMs: monotonicMs,
      graceMs,
    });
    this.#core = new HandoverShell(
      {
        store,
        me: this.#me,
        arrivals: this.#arrivals,
        append: (position, writes) => this.#journal.append(position, writes),
        send: (node, type, payload) => {
          if (this.#mayAct()) return this.#links.send(node, 'handover', type, payload);
          this.#hasKeptSilent = true;
          return 'down';
        },
        nodeOf: (ledger) => this.#nodeOf(ledger),
        activated: (row, pendingInputs) => {
          this.#players.seen(row);
          this.#router.activated(row, pendingInputs);
        },
        rests: (row) => this.#players.rests(row),
        importStable: (ledger) => this.#membership.importStable(ledger),
        stopped: (reason) => this.#fail(reason),
        crashPoints: this.#crashPoints,
        nowMs: monotonicMs,
        utcMs: Date.now,
      },
      this.#journal.content.position,
    );
    this.#players = new Players({
      store,
      me: this.#me,
      directory: this.#directory,
      router: this.#router,
      arrivals: this.#arrivals,
      step: (event) => this.#core.step(event),
      send: (node, message) => this.#send(node, message),
      nodeOf: (ledger) => this.#nodeOf(ledger),
      nowMs: monotonicMs,
    });
    this.#reader = new DepartureReader(store, {
      step: (event) => this.#core.step(event),
      releaseSeen: (node, count) => this.#core.releaseSeen(node, count),
      identityOf: (node) => this.#identities.get(node),
      released: (release) => {
        this.#players.left(release.id);
        this.#router.released(release);
      },
      checkpointed: (row) => this.#checkpointed(row),
      despawned: (id) => this.#players.left(id),
      ghosts: (node, bytes) => this.#sendGhosts(node, bytes),
      forwardInput: (input) => this.#router.forwardInput(input),
      forwardLeave: (session) => this.#router.forwardLeave(session),
      bound: (bound) => this.#router.bound(bound),
      durable: (number) => this.#durables.push({ position: this.#core.position, number }),
      room: (slots) => this.#core.step({ kind: 'room', entities: this.#hasFailed ? 0 : slots, isDraining: false }),
      tick: () => {},
      populated: () => {},
    });
    this.#keeper = new BlockKeeper({
      directory: this.#directory,
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

  #openMembership(): void {
    const { leaseMs, takeoverAfterMs } = this.#settings;
    this.#membership = new Membership({
      directory: this.#directory,
      me: this.#me,
      joinedMs: this.#joinedMs,
      times: { renewMs: leaseMs / 4, leaseMs, fenceMs: leaseMs * 1.1 },
      takeoverAfterMs,
      nowMs: monotonicMs,
      crashPoints: this.#crashPoints,
      events: {
        changed: (change) => this.#see(change),
        leaseUntil: (untilMs) => this.#store.control.setLeaseUntilMs(untilMs),
        paused: () => this.#pause(),
        resumed: () => this.#resume(),
        stopped: (reason) => this.#fail(reason),
        takenOver: (_member, content) => this.#takeOver(content),
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
    this.#core.startTurn();
    this.#reader.read();
    this.#core.endTurn();
    this.#drainGateway();
    this.#drainSnapshots();
    this.#links.flush();
  }

  #drainGateway(): void {
    this.#store.gatewayToPeer.drain((at) => this.#router.readGateway(at));
  }

  #drainSnapshots(): void {
    for (const ring of this.#store.tunnelRings) {
      ring.drain((at, sizeBytes) => {
        const row = ring.view.getUint32(at, true);
        const generation = ring.view.getUint32(at + 4, true);
        this.#router.sendSnapshot(row, generation, ring.bytes.subarray(at + 8, at + sizeBytes));
      });
    }
  }

  #onTimer(): void {
    const nowMs = monotonicMs();
    this.#membership.time(nowMs);
    if (this.#hasKeptSilent) this.#dropLinks();
    if (!this.#mayAct() || this.#isPaused) return;
    this.#arrivals.flush();
    this.#core.step({ kind: 'time', nowMs });
    this.#core.flush();
    this.#router.time(nowMs);
    this.#players.time(nowMs);
    this.#keeper.time(nowMs);
    this.#resendGhosts();
    if (nowMs >= this.#reportDueMs) this.#report(nowMs);
    this.#links.flush();
    // The doorbell is rung by the simulation; what came over links wants to be delivered, too.
    if (this.#store.peerToGateway.fillBytes > 0) this.#store.control.ringDoorbell();
  }

  #report(nowMs: number): void {
    this.#reportDueMs = nowMs + REPORT_MS;
    reportPeers(this.#store, {
      core: this.#core,
      keeper: this.#keeper,
      links: this.#links,
      journal: this.#journal,
      players: this.#players,
      isLeaseValid: this.#membership.mayAct(),
    });
  }

  // Links.

  #hearLink(event: LinksEvent): void {
    if (this.#isStopping) return;
    if (this.#isPaused) {
      if (event.kind !== 'frame' || this.#pausedFrames.length < PAUSED_FRAMES_MAX) this.#pausedFrames.push(event);
      return;
    }
    switch (event.kind) {
      case 'up':
        return this.#linkUp(event.peer);
      case 'down':
        return this.#linkDown(event.peer, event.reason);
      case 'frame':
        return this.#hearFrame(event);
      case 'plain':
        this.#note('warn', 'links between nodes are not encrypted: plain TCP on the loopback', { port: event.port });
        return;
      case 'refused':
        this.#store.peerStats.add('framesRefused', 1);
        this.#note('warn', 'a link was refused', { name: event.name, code: event.code, reason: event.reason });
        return;
      case 'unreachable':
        return;
    }
  }

  #linkUp(peer: PeerIdentity & { readonly name: string }): void {
    const { node, ledger, incarnation } = peer;
    this.#identities.set(node, { node, ledger, incarnation });
    this.#store.peerTable.setState(node, 1);
    this.#core.linkUp({ node, ledger, incarnation });
    this.#send(node, this.#subscriptionTo(node));
    this.#note('info', 'linked', { peer: peer.name, incarnation });
  }

  #linkDown({ node, ledger, incarnation, name }: PeerIdentity & { readonly name: string }, reason: string): void {
    this.#store.peerTable.setState(node, 2);
    this.#core.linkDown({ node, ledger, incarnation });
    this.#subscribed.delete(node);
    this.#arrivals.subscribe(node, new Uint32Array());
    this.#membership.suspect(node);
    this.#note('info', 'link lost', { peer: name, reason });
  }

  #hearFrame({ peer, type, payload }: Extract<LinksEvent, { kind: 'frame' }>): void {
    const { node, ledger, incarnation } = peer;
    const startMs = monotonicMs();
    const message = decodeFrame(type, payload);
    if (message === undefined) {
      this.#store.peerStats.add('framesRefused', 1);
      this.#note('error', 'a neighbour sent a message that cannot be read', { peer: peer.name, type });
      return;
    }
    if (message.of === 'session') return this.#hearSession(node, message.message);
    this.#core.step({ kind: 'message', from: { node, ledger, incarnation }, message: message.message });
    if (message.message.kind !== 'commit') return;
    this.#links.flush();
    this.#store.peerStats.observe('accept', (monotonicMs() - startMs) / 1000);
  }

  #hearSession(node: NodeNumber, message: SessionMessage): void {
    const { peerStats } = this.#store;
    switch (message.kind) {
      case 'ghosts':
        peerStats.add('ghostFramesIn', 1);
        peerStats.add('ghostBytesIn', message.bytes.length);
        this.#arrivals.ghosts(node, message.bytes);
        return;
      case 'subscribe':
        if (message.cells.some((cell) => cell >= this.#store.grid.cellCount)) {
          peerStats.add('framesRefused', 1);
          return;
        }
        this.#subscribed.set(node, message.cells);
        this.#arrivals.subscribe(node, message.cells);
        return;
      case 'login':
      case 'loginDone':
        this.#players.receive(node, message);
        return;
      default:
        this.#router.receive(node, message);
    }
  }

  #send(node: NodeNumber, message: SessionMessage): boolean {
    if (!this.#mayAct() || node === this.#me.node) return false;
    encodeSessionMessage(message, this.#buffer.start());
    const priority = message.kind === 'ghosts' ? 'ghost' : message.kind === 'snapshot' ? 'ghost' : 'handover';
    return this.#links.send(node, priority, SESSION_MESSAGE_TYPE[message.kind], this.#buffer.taken()) === 'sent';
  }

  #sendGhosts(node: NodeNumber, bytes: Uint8Array): void {
    const { peerStats } = this.#store;
    if (this.#ghostsLost.has(node)) return;
    if (this.#send(node, { kind: 'ghosts', bytes })) {
      peerStats.add('ghostFramesOut', 1);
      peerStats.add('ghostBytesOut', bytes.length);
      return;
    }
    peerStats.add('ghostFramesDropped', 1);
    this.#ghostsLost.add(node);
  }

  /** Whoever missed some is told everything anew. */
  #resendGhosts(): void {
    for (const node of this.#ghostsLost) {
      const cells = this.#subscribed.get(node);
      if (cells !== undefined) this.#arrivals.subscribe(node, cells);
    }
    this.#ghostsLost.clear();
  }

  #subscriptionTo(node: NodeNumber): SessionMessage {
    return { kind: 'subscribe', cells: this.#keeper.subscriptionTo(node) };
  }

  // Directory.

  #see(change: DirectoryChange): void {
    const nowMs = monotonicMs();
    if (change.members !== undefined) this.#seeMembers(change.members, nowMs);
    if (change.blocks !== undefined) this.#keeper.setBlocks(change.blocks);
    if (change.settings !== undefined) this.#seeSettings(change.settings);
  }

  #seeMembers(members: readonly Member[], nowMs: number): void {
    this.#keeper.setMembers(members, nowMs);
    for (const { state, incarnation, node, ledger } of members) {
      if (state === 'fenced') {
        this.#links.fence(incarnation);
        continue;
      }
      const known = this.#identities.get(node);
      if (known === undefined || known.incarnation < incarnation)
        this.#identities.set(node, { node, ledger, incarnation });
    }
    this.#links.setPeers(
      members.filter(isToDial).map(({ name, node, incarnation, peerAddress }) => ({
        name,
        node,
        incarnation,
        ...(this.#settings.peers.find((peer) => peer.name === name) ?? addressOf(peerAddress)),
      })),
    );
    this.#core.step({ kind: 'directory', leases: members.map(leaseView) });
    this.#tell({
      type: 'nodes',
      nodes: members.map(({ node, name, clientUrl, state, incarnation }) => ({
        node,
        name,
        clientUrl,
        state,
        incarnation,
      })),
    });
  }

  #seeSettings(settings: readonly { readonly key: string; readonly value: string }[]): void {
    const { peerTable, grid } = this.#store;
    const value = (key: string) => settings.find((entry) => entry.key === key)?.value;
    const percent = Number(value('handoverPercent') ?? '100');
    if (Number.isInteger(percent) && percent >= 0 && percent <= 100) peerTable.setHandoverPercent(percent);
    const closed = new Set(numbersIn(value('closedBlocks')));
    for (let cell = 0; cell < grid.cellCount; cell++) {
      peerTable.setCellClosed(cell, closed.has(blockOfCell(this.#grid, cell)));
    }
    peerTable.raiseClosedVersion();
  }

  #takeOver(content: JournalContent): void {
    this.#core.step({ kind: 'takeover', content });
  }

  #nodeOf(ledger: Ledger): NodeNumber {
    return this.#membership?.members.find((member) => member.ledger === ledger)?.node ?? 0;
  }

  // The own life.

  #mayAct(): boolean {
    return !this.#isStopping && (this.#membership === undefined || this.#membership.mayAct());
  }

  #pause(): void {
    this.#isPaused = true;
    this.#dropLinks();
    this.#store.peerStats.add('leaseLapses', 1);
    this.#note('warn', 'the lease could not be renewed in time: the world stands still until it is', {});
  }

  /** What was not said is said again to new sessions only. */
  #dropLinks(): void {
    this.#hasKeptSilent = false;
    this.#links?.drop('the lease was not valid');
  }

  #resume(): void {
    this.#note('info', 'the lease is valid again', {});
    this.#hearPaused();
  }

  #hearPaused(): void {
    this.#isPaused = false;
    const events = this.#pausedFrames;
    this.#pausedFrames = [];
    for (const event of events) this.#hearLink(event);
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
    let done = 0;
    for (const durable of this.#durables) {
      if (durable.position > position) break;
      this.#arrivals.durable(durable.number);
      done++;
    }
    this.#durables.splice(0, done);
    this.#links.flush();
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
    for (const node of this.#identities.keys()) this.#store.peerTable.setState(node, 4);
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

  async #fsyncedAll(): Promise<void> {
    const deadlineMs = monotonicMs() + LAST_FSYNC_MS_MAX;
    while (this.#fsyncedPosition < this.#core.position && !this.#hasFailed && monotonicMs() < deadlineMs) {
      await delay(FSYNC_POLL_MS);
    }
  }

  #checkpointed(row: EntityRow): void {
    this.#players.seen(row);
    if (!row.atRest) return;
    this.#router.left(row.passenger.session);
    this.#players.rests(row);
  }

  /** The simulation has stopped: what it left in the rings, and then every entity once more. */
  #writeLastState(): void {
    this.#reader.read();
    const { columns, slotsHigh } = this.#store;
    const encoder = new RecordEncoder(this.#store);
    const rows: EntityRow[] = [];
    for (let slot = 0; slot < slotsHigh; slot++) {
      const id = columns.id[slot] ?? 0;
      if (id === 0 || columns.ghostOf[slot] !== 0) continue;
      const target = new Uint8Array(encoder.sizeBytes(slot));
      const record = target.subarray(0, encoder.encode(slot, target));
      const passenger = this.#players.passengerOf(slot);
      rows.push({ id: id as EntityRow['id'], seq: columns.ownershipSeq[slot] ?? 0, record, passenger, atRest: false });
    }
    this.#core.step({ kind: 'checkpoint', rows });
  }
}

/** CLOCK_MONOTONIC, the same in every thread of this machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function joinRequest(settings: PeerSettings, { ledger, content }: Journal): Parameters<Directory['join']>[0] {
  const { name, folder, release, capacity, schema } = settings;
  return {
    name,
    ledger,
    incarnationSeen: content.incarnation,
    position: content.position,
    peerAddress: '',
    clientUrl: '',
    folder,
    pid: process.pid,
    release,
    capacity,
    schema,
  };
}

function isToDial({ state, peerAddress }: Member): boolean {
  return (state === 'active' || state === 'draining') && peerAddress !== '';
}

function addressOf(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replaceAll(/[[\]]/g, '');
  return { host, port: Number(address.slice(at + 1)) };
}

/** Of a JSON list of numbers; whatever else stands there means none. */
function numbersIn(text: string | undefined): number[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(list) ? list.filter((value): value is number => typeof value === 'number') : [];
  } catch {
    // Somebody wrote it by hand; nothing is closed by a typing error.
    return [];
  }
}
