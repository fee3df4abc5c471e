/**
 * What a node's peer thread is made of, and who tells whom: the handover core, the router of sessions, logins, the keeper of blocks
 * and what reads the simulation's rings.
 *
 *   reader ──departures──▶ core ──arrivals──▶ simulation
 *      └──▶ router, players, logins ──▶ links
 *
 * Everything is made at once and knows the others only by what is given to it here. Links and membership are opened after that, so
 * they are asked for when they are needed.
 */
import { monotonicMs } from '../base/monotonic.ts';
import type { Store } from '../memory/store.ts';
import { ArrivalQueue } from './arrival-queue.ts';
import { Balancer } from './balancer.ts';
import type { BalancerEvents } from './balancer.ts';
import { BlockKeeper } from './block-keeper.ts';
import { CapacityHook } from './capacity-hook.ts';
import type { CrashPoints } from './crash-point.ts';
import { DepartureReader } from './departure-reader.ts';
import type { DepartureSink } from './departure-reader.ts';
import { DurableWishes } from './durable-wishes.ts';
import { HandoverShell } from './handover-shell.ts';
import type { HandoverTracer } from './handover-tracer.ts';
import { LoadReporter } from './load-reporter.ts';
import { Logins } from './logins.ts';
import type { Membership } from './membership.ts';
import type { Neighbours } from './neighbours.ts';
import type { Membered } from './peer-join.ts';
import type { PeerEvent, PeerSettings } from './peer-settings.ts';
import type { BlockGrid } from './placement.core.ts';
import { Players } from './players.ts';
import type { EntityRow, NodeNumber, PeerIdentity } from './protocol.ts';
import { PublicationDesk } from './publication-desk.ts';
import { RecordReader } from './record-reader.ts';
import { SessionRouter } from './session-router.ts';
import type { SessionMessage } from './session-message.wire.ts';

/** The node, as its parts see it. */
export interface PartsHost {
  readonly settings: PeerSettings;
  readonly store: Store;
  readonly me: PeerIdentity;
  readonly membered: Membered;
  readonly crashPoints: CrashPoints;
  readonly grid: BlockGrid;
  readonly tracer: HandoverTracer;
  membership(): Membership | undefined;
  neighbours(): Neighbours | undefined;
  /** The simulation has room for so many entities more. */
  room(slots: number): void;
  tell(event: PeerEvent): void;
  /** The process has to end. */
  stopped(reason: string): void;
}

export class PeerParts {
  readonly durables = new DurableWishes();
  readonly arrivals: ArrivalQueue;
  readonly router: SessionRouter;
  readonly records: RecordReader;
  readonly desk: PublicationDesk;
  readonly core: HandoverShell;
  readonly players: Players;
  readonly logins: Logins;
  readonly reader: DepartureReader;
  readonly keeper: BlockKeeper;
  readonly loads: LoadReporter;
  readonly balancer: Balancer;
  readonly #host: PartsHost;

  constructor(host: PartsHost) {
    this.#host = host;
    this.arrivals = new ArrivalQueue(host.store.arrivals, (node) => this.subscribe(node));
    this.router = this.#createRouter();
    this.records = new RecordReader(host.store.schema, {
      onSchema: (text) => this.arrivals.schema(text),
      onProblem: (error) => this.#note('warn', 'a schema in the directory cannot be used', { error: error.message }),
    });
    this.desk = this.#createDesk();
    this.core = this.#createCore();
    this.players = this.#createPlayers();
    this.logins = this.#createLogins();
    this.reader = this.#createReader();
    this.balancer = this.#createBalancer();
    this.keeper = this.#createKeeper();
    this.loads = this.#createLoads();
  }

  send(node: NodeNumber, message: SessionMessage): boolean {
    return this.#host.neighbours()?.send(node, message) ?? false;
  }

  /** A neighbour is told (again) what we want to see of it, and tells everything anew. */
  subscribe(node: NodeNumber): void {
    this.send(node, { kind: 'subscribe', cells: this.keeper.subscriptionTo(node) });
  }

  hearSession(from: NodeNumber, message: SessionMessage): void {
    if (message.kind === 'login' || message.kind === 'loginDone') this.logins.receive(from, message);
    else this.router.receive(from, message);
  }

  #createRouter(): SessionRouter {
    const { store, me, settings, membership } = this.#host;
    return new SessionRouter({
      store,
      me,
      arrivals: this.arrivals,
      send: (node, message) => this.send(node, message),
      nodeName: (node) => membership()?.nameOf(node) ?? '',
      neighbours: () => membership()?.askable(store) ?? { nodes: [], isSomebodyMissing: true },
      isInDoubt: (session) => this.core.isInDoubt(session),
      isLive: (incarnation) => membership()?.isLive(incarnation) ?? true,
      login: (head, player) => this.logins.login(head, player),
      nowMs: monotonicMs,
      graceMs: settings.graceMs,
      tracer: this.#host.tracer,
    });
  }

  #createCore(): HandoverShell {
    const { settings, store, me, membered, crashPoints, tracer, membership, neighbours, stopped } = this.#host;
    return new HandoverShell(
      {
        store,
        me,
        arrivals: this.arrivals,
        append: (position, writes) => membered.journal.append(position, writes),
        send: (node, type, payload) => neighbours()?.sendHandover(node, type, payload) ?? 'down',
        nodeOf: (ledger) => membership()?.nodeOf(ledger) ?? 0,
        activated: (row) => {
          this.players.seen(row);
          this.router.activated(row);
        },
        inputsStable: (session, lastInput) => this.router.durable(session, lastInput),
        rests: (row) => this.players.rests(row),
        importStable: () => membership()?.importStable(),
        offer: (rows) => this.desk.offer(rows),
        stopped,
        crashPoints,
        nowMs: monotonicMs,
        utcMs: Date.now,
        tickMs: 1000 / settings.facts.tickHz,
        handoversMax: settings.handoversMax,
        tracer,
        note: (level, message, details) => this.#note(level, message, details),
      },
      membered.journal.content.position,
    );
  }

  #createDesk(): PublicationDesk {
    const { settings, store, me, membered, crashPoints } = this.#host;
    const { name, facts, folder, delivery } = settings;
    const { clusterId: cluster } = membered.directory.facts;
    return new PublicationDesk({
      settings: delivery,
      workerData: { cluster, world: facts.world, node: name, seed: me.incarnation },
      folder,
      peerStats: store.peerStats,
      crashPoints,
      step: (event) => this.core.step(event),
      position: () => this.core.position,
      note: (level, message, details) => this.#note(level, message, details),
    });
  }

  #createPlayers(): Players {
    const { store, me } = this.#host;
    return new Players({
      store,
      me,
      router: this.router,
      arrivals: this.arrivals,
      step: (event) => this.core.step(event),
      send: (node, message) => this.send(node, message),
      homeChanged: (account, entity) => this.logins.homeChanged(account, entity),
      nowMs: monotonicMs,
    });
  }

  #createLogins(): Logins {
    const { store, me, membered, membership } = this.#host;
    return new Logins({
      store,
      me,
      router: this.router,
      arrivals: this.arrivals,
      directory: membered.directory,
      players: () => this.players,
      send: (node, message) => this.send(node, message),
      heirOf: (ledger) => membership()?.heirNodeOf(ledger) ?? 0,
      others: () => membership()?.others() ?? [],
      nowMs: monotonicMs,
    });
  }

  #createReader(): DepartureReader {
    const { store, neighbours, room, settings } = this.#host;
    const sink: DepartureSink = {
      step: (event) => this.core.step(event),
      startTurn: () => this.core.startTurn(),
      endTurn: () => this.core.endTurn(),
      releaseSeen: (node, count) => this.core.releaseSeen(node, count),
      identityOf: (node) => neighbours()?.identityOf(node),
      released: (release) => {
        this.core.frozen(release.id as EntityRow['id'], release.frozenMs);
        this.players.released(release.id, release.targetNode);
        this.router.released(release);
      },
      checkpointed: (row) => this.#checkpointed(row),
      despawned: (id) => this.players.despawned(id),
      ghosts: (node, bytes) => neighbours()?.sendGhosts(node, bytes),
      forwardInput: (input) => this.router.forwardInput(input),
      forwardLeave: (session) => this.router.forwardLeave(session),
      bound: (bound) => this.router.bound(bound),
      durable: (number) => this.durables.wish(this.core.position, number),
      room,
      utcMs: Date.now,
    };
    return new DepartureReader(store, sink, settings.publications);
  }

  #createKeeper(): BlockKeeper {
    const { settings, membered, me, grid } = this.#host;
    return new BlockKeeper({
      directory: membered.directory,
      node: me.node,
      grid,
      cellSize: settings.facts.cellSize,
      reach: settings.reach,
      clusterSize: settings.clusterSize,
      hasBalancer: () => this.balancer.holder !== 0,
      events: {
        owners: (owners) => this.arrivals.ownership(owners),
        populate: (cells) => this.arrivals.populate(cells),
        subscribe: (node, cells) => this.send(node, { kind: 'subscribe', cells }),
        note: (level, message, details) => this.#note(level, message, details),
      },
    });
  }

  #createLoads(): LoadReporter {
    const { store, me, membered, grid, settings } = this.#host;
    const note: BalancerEvents['note'] = (level, message, details) => this.#note(level, message, details);
    const { tickHz } = settings.facts;
    return new LoadReporter({ store, me, grid, tickHz, directory: membered.directory, note }, monotonicMs());
  }

  #createBalancer(): Balancer {
    const { store, me, membered, grid, settings } = this.#host;
    const { directory } = membered;
    const note: BalancerEvents['note'] = (level, message, details) => this.#note(level, message, details);
    const { clusterId: cluster } = directory.facts;
    return new Balancer({
      directory,
      me,
      name: settings.name,
      grid,
      tickHz: settings.facts.tickHz,
      movesPerMinute: settings.balanceMovesPerMinute,
      hook: new CapacityHook({ hook: settings.capacityHook, cluster, utcMs: Date.now, note }),
      utcMs: Date.now,
      events: {
        note,
        decided: (decisions) => this.#host.tell({ type: 'decisions', decisions }),
        moved: (blocks) => store.peerStats.add('blocksMoved', blocks),
        looked: ({ isBalancer, nodesWanted, overloads }) => {
          store.peerStats.setGauge('balances', Number(isBalancer));
          store.peerStats.setGauge('nodesWanted', nodesWanted);
          store.peerStats.setGauge('overloads', overloads);
        },
      },
    });
  }

  #checkpointed(row: EntityRow): void {
    this.players.seen(row);
    if (!row.atRest) return this.router.seen(row);
    this.router.left(row.id);
    this.players.rests(row);
  }

  #note(level: 'info' | 'warn' | 'error', message: string, details: Readonly<Record<string, unknown>>): void {
    this.#host.tell({ type: 'log', level, message, details });
  }
}
