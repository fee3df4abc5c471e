/**
 * The other nodes as this one hears and speaks to them: links, who is at their ends, and what is said over them that is not
 * the handover core's: ghosts, subscriptions, sessions.
 *
 * While the lease is not valid nothing is said, and what is heard waits. Whatever was kept back is lost to the session it
 * was for, so the links are made anew then: the core says it again to a new session only.
 */
import type { Store } from '../memory/store.ts';
import { PEER_STATE } from '../memory/peer-table.ts';
import type { Member } from './directory.ts';
import type { LinkAddress, LinkTls } from './link-tls.ts';
import { Links } from './links.ts';
import type { LinksEvent, LinkStats } from './links.ts';
import { MessageBuffer } from './message-buffer.ts';
import { monotonicMs } from '../base/monotonic.ts';
import { decodeFrame } from './peer-frames.ts';
import type { WiredMessage } from './peer-message.wire.ts';
import type { NodeNumber, PeerIdentity } from './protocol.ts';
import { encodeSessionMessage, SESSION_MESSAGE_TYPE } from './session-message.wire.ts';
import type { SessionMessage } from './session-message.wire.ts';

/** Versions of the protocol between nodes that this release speaks. */
export const PEER_PROTOCOL = { min: 1, max: 2 } as const;
/** Frames that wait while the lease is not valid. More are not heard: their links are closed by then. */
const WAITING_MAX = 65_536;

export interface NeighboursOptions {
  readonly store: Store;
  readonly me: PeerIdentity & { readonly name: string };
  readonly listen: LinkAddress;
  readonly tls: LinkTls | undefined;
  readonly cluster: string;
  /** Where nodes are found whose address in the directory does not reach them from here. */
  readonly peers: readonly (LinkAddress & { readonly name: string })[];
  readonly mayAct: () => boolean;
  readonly events: NeighboursEvents;
}

export interface NeighboursEvents {
  up(peer: PeerIdentity): void;
  down(peer: PeerIdentity): void;
  handover(from: PeerIdentity, message: WiredMessage): void;
  session(from: NodeNumber, message: SessionMessage): void;
  /** A neighbour's ghosts; the bytes are valid for this call. */
  ghosts(from: NodeNumber, bytes: Uint8Array): void;
  /** Which of our cells a neighbour wants to see; everything in them is to be told anew. */
  subscribe(from: NodeNumber, cells: Uint32Array): void;
  note(level: 'info' | 'warn' | 'error', message: string, details: Readonly<Record<string, unknown>>): void;
}

export class Neighbours {
  readonly #options: NeighboursOptions;
  readonly #buffer = new MessageBuffer();
  readonly #identities = new Map<NodeNumber, PeerIdentity>();
  /** What each neighbour wants to see of ours. */
  readonly #subscribed = new Map<NodeNumber, Uint32Array>();
  /** Ghosts of ours could not be sent to these: they are told everything anew. */
  readonly #ghostsLost = new Set<NodeNumber>();
  #waiting: LinksEvent[] = [];
  #isListening = false;
  #isClosed = false;
  /** Something could not be said because the lease was over. */
  #hasKeptSilent = false;
  #links!: Links;

  /** Listens. Nothing is heard before `listen`. @throws LinkError */
  static async open(options: NeighboursOptions): Promise<Neighbours> {
    const neighbours = new Neighbours(options);
    const { me, listen, tls, cluster } = options;
    neighbours.#links = await Links.open({
      me,
      listen,
      tls,
      cluster,
      protocol: PEER_PROTOCOL,
      onEvent: (event) => neighbours.#take(event),
      now: monotonicMs,
      random: Math.random,
    });
    return neighbours;
  }

  private constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /** `host:port` */
  get address(): string {
    const { host, port } = this.#links.address;
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Who a node is now, or was last; undefined when nobody ever had that number. */
  identityOf(node: NodeNumber): PeerIdentity | undefined {
    return this.#identities.get(node);
  }

  stats(): LinkStats[] {
    return this.#links.stats();
  }

  flush(): void {
    this.#links.flush();
  }

  /** What was heard meanwhile, and from now on at once. */
  listen(): void {
    this.#isListening = true;
    const events = this.#waiting;
    this.#waiting = [];
    for (const event of events) this.#hear(event);
  }

  /** The lease is over: nothing more is heard, and new sessions are needed. */
  fallSilent(): void {
    this.#isListening = false;
    this.#drop();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#links.close();
  }

  setMembers(members: readonly Member[]): void {
    for (const { state, incarnation, node, ledger } of members) {
      if (state === 'fenced') {
        this.#links.fence(incarnation);
        continue;
      }
      const known = this.#identities.get(node);
      if (known === undefined || known.incarnation < incarnation) {
        this.#identities.set(node, { node, ledger, incarnation });
      }
    }
    this.#links.setPeers(
      members.filter(isToDial).map(({ name, node, incarnation, peerAddress }) => {
        const told = this.#options.peers.find((peer) => peer.name === name);
        return { name, node, incarnation, ...(told ?? addressOf(peerAddress)) };
      }),
    );
  }

  /** A message of the handover core. */
  sendHandover(node: NodeNumber, type: number, payload: Uint8Array): 'sent' | 'busy' | 'down' {
    if (this.#options.mayAct()) return this.#links.send(node, 'handover', type, payload);
    this.#hasKeptSilent = true;
    return 'down';
  }

  /** False when it could not be taken. */
  send(node: NodeNumber, message: SessionMessage): boolean {
    if (!this.#options.mayAct() || node === this.#options.me.node) return false;
    encodeSessionMessage(message, this.#buffer.start());
    const priority = message.kind === 'ghosts' || message.kind === 'snapshot' ? 'ghost' : 'handover';
    return this.#links.send(node, priority, SESSION_MESSAGE_TYPE[message.kind], this.#buffer.taken()) === 'sent';
  }

  sendGhosts(node: NodeNumber, bytes: Uint8Array): void {
    const { peerStats } = this.#options.store;
    if (this.#ghostsLost.has(node)) return;
    if (this.send(node, { kind: 'ghosts', bytes })) {
      peerStats.add('ghostFramesOut', 1);
      peerStats.add('ghostBytesOut', bytes.length);
      return;
    }
    peerStats.add('ghostFramesDropped', 1);
    this.#ghostsLost.add(node);
  }

  /** To be called every few milliseconds. */
  time(): void {
    if (this.#hasKeptSilent) this.#drop();
    for (const node of this.#ghostsLost) {
      const cells = this.#subscribed.get(node);
      if (cells !== undefined) this.#options.events.subscribe(node, cells);
    }
    this.#ghostsLost.clear();
  }

  #drop(): void {
    this.#hasKeptSilent = false;
    this.#links.drop('the lease was not valid');
  }

  #take(event: LinksEvent): void {
    if (this.#isClosed) return;
    if (this.#isListening) this.#hear(event);
    else if (event.kind !== 'frame' || this.#waiting.length < WAITING_MAX) this.#waiting.push(event);
  }

  #hear(event: LinksEvent): void {
    const { store, events } = this.#options;
    switch (event.kind) {
      case 'up': {
        const { node, ledger, incarnation, name } = event.peer;
        this.#identities.set(node, { node, ledger, incarnation });
        store.peerTable.setState(node, PEER_STATE.up);
        events.note('info', 'linked', { peer: name, incarnation });
        return events.up({ node, ledger, incarnation });
      }
      case 'down': {
        const { node, ledger, incarnation, name } = event.peer;
        store.peerTable.setState(node, PEER_STATE.down);
        this.#subscribed.delete(node);
        events.subscribe(node, new Uint32Array());
        events.note('info', 'link lost', { peer: name, reason: event.reason });
        return events.down({ node, ledger, incarnation });
      }
      case 'frame':
        return this.#hearFrame(event);
      case 'plain':
        return events.note('warn', 'links between nodes are not encrypted: plain TCP on the loopback', {
          port: event.port,
        });
      case 'refused':
        store.peerStats.add('framesRefused', 1);
        return events.note('warn', 'a link was refused', { name: event.name, code: event.code, reason: event.reason });
      case 'unreachable':
        return;
    }
  }

  #hearFrame({ peer, type, payload }: Extract<LinksEvent, { kind: 'frame' }>): void {
    const { store, events } = this.#options;
    const { node, ledger, incarnation } = peer;
    const startMs = monotonicMs();
    const frame = decodeFrame(type, payload);
    if (frame === undefined) {
      store.peerStats.add('framesRefused', 1);
      events.note('error', 'a neighbour sent a message that cannot be read', { peer: peer.name, type });
      return;
    }
    if (frame.of === 'session') return this.#hearSession(node, frame.message);
    events.handover({ node, ledger, incarnation }, frame.message);
    if (frame.message.kind !== 'commit') return;
    // What was accepted is said before anything else is done.
    this.#links.flush();
    store.peerStats.observe('accept', (monotonicMs() - startMs) / 1000);
  }

  #hearSession(node: NodeNumber, message: SessionMessage): void {
    const { store, events } = this.#options;
    switch (message.kind) {
      case 'ghosts':
        store.peerStats.add('ghostFramesIn', 1);
        store.peerStats.add('ghostBytesIn', message.bytes.length);
        return events.ghosts(node, message.bytes);
      case 'subscribe':
        if (message.cells.some((cell) => cell >= store.grid.cellCount)) {
          store.peerStats.add('framesRefused', 1);
          return;
        }
        this.#subscribed.set(node, message.cells);
        return events.subscribe(node, message.cells);
      default:
        return events.session(node, message);
    }
  }
}

function isToDial({ state, peerAddress }: Member): boolean {
  return (state === 'active' || state === 'draining') && peerAddress !== '';
}

function addressOf(address: string): LinkAddress {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replaceAll(/[[\]]/g, '');
  return { host, port: Number(address.slice(at + 1)) };
}
