/**
 * The links of this node to all others: it listens, dials, dials again, and keeps exactly one link per pair of nodes.
 *
 *   setPeers ──▶ dial ──┐
 *                       ├──▶ HELLO ──judge──▶ up ──▶ frame … ──▶ down ──▶ dial again after a while
 *   listen ──▶ accept ──┘
 *
 * One timer drives heartbeats, detectors and redials of all of them; after close() no timer, listener or socket is left.
 */
import { setImmediate as nextTurn, clearImmediate as cancelTurn } from 'node:timers';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { createAdmission, judge, learn } from './link-admission.core.ts';
import { LinkConnection } from './link-connection.ts';
import type { ConnectionOwner } from './link-connection.ts';
import { WINDOW_BYTES_DEFAULT } from './link-credit.core.ts';
import { DETECTOR_DEFAULT } from './link-detector.core.ts';
import type { DetectorState } from './link-detector.core.ts';
import { LinkError } from './link-error.ts';
import type { LinkErrorCode } from './link-error.ts';
import { PRIORITIES } from './link-frame.wire.ts';
import type { Priority } from './link-frame.wire.ts';
import type { Hello } from './link-hello.wire.ts';
import type { DialPeer, LinkStats, LinksOptions } from './link-options.ts';
import { REDIAL_DEFAULT, redialDelayMs } from './link-redial.core.ts';
import { answerTimeoutMs } from './link-round-trip.core.ts';
import { certificateNames, connectError, createLinkServer, dial, requireLoopback } from './link-tls.ts';
import type { LinkAddress, LinkTls } from './link-tls.ts';
import type { NodeNumber } from './protocol.ts';

export type { LinkPeer } from './link-hello.wire.ts';
export type { Priority } from './link-frame.wire.ts';
export type { DialPeer, LinkStats, LinksEvent, LinksOptions } from './link-options.ts';

/** Connections that have not said who they are. Further ones are closed at once. */
const STRANGERS_MAX = 64;
const TICKS_PER_HEARTBEAT = 4;
/** How long close() waits for peers to read why; after it sockets are destroyed. */
const CLOSE_MS_MAX = 500;
export const MESSAGE_BYTES_MAX_DEFAULT = 16 << 20;
const HELLO_MS_DEFAULT = 1000;

interface Target {
  peer: DialPeer;
  attempt: number;
  nextDialMs: number;
  /** The socket of a dial that has not been answered by the system yet. */
  connecting: Socket | undefined;
}

const PRIORITY_INDEX: Readonly<Record<Priority, number>> = { control: 0, handover: 1, ghost: 2, bulk: 3 };
/** How two nodes that dialled each other get to one link is no failure of either. */
const QUIET_CODES: ReadonlySet<LinkErrorCode> = new Set(['ERR_LINK_DUPLICATE', 'ERR_LINK_REPLACED', 'ERR_LINK_CLOSED']);

export class Links implements AsyncDisposable {
  readonly #options: Required<Omit<LinksOptions, 'tls'>> & { readonly tls: LinkTls | undefined };
  readonly #server: Server;
  readonly #admission = createAdmission();
  readonly #targets = new Map<string, Target>();
  /** All that are open, also those that have ended and linger. */
  readonly #connections = new Set<LinkConnection>();
  /** Sockets of the listener, also those whose TLS handshake is not over. */
  readonly #accepted = new Set<Socket>();
  readonly #byNode = new Map<NodeNumber, LinkConnection>();
  /** What was learnt about the pace of a peer, per incarnation; kept while its name is known. */
  readonly #detectors = new Map<string, { incarnation: number; detector: DetectorState }>();
  readonly #unflushed = new Set<LinkConnection>();
  readonly #owner: ConnectionOwner;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #isClosed = false;

  private constructor(options: LinksOptions) {
    this.#options = {
      cluster: 'worldmesh',
      detector: DETECTOR_DEFAULT,
      redial: REDIAL_DEFAULT,
      helloMs: HELLO_MS_DEFAULT,
      messageBytesMax: MESSAGE_BYTES_MAX_DEFAULT,
      windowBytes: WINDOW_BYTES_DEFAULT,
      ...options,
    };
    this.#owner = this.#createOwner();
    this.#server = createLinkServer(options.tls, {
      handshakeMs: this.#options.helloMs,
      onSocket: (socket) => this.#accept(socket),
      onRefused: (error, address) => this.#refused(error, { address, name: '' }),
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#accepted.add(socket);
      socket.once('close', () => this.#accepted.delete(socket));
    });
    // Handshakes of TLS count before they are sockets of ours.
    this.#server.maxConnections = 4 * STRANGERS_MAX;
  }

  /** @throws LinkError when the address cannot be listened at, or would be plain TCP beyond the loopback. */
  static async open(options: LinksOptions): Promise<Links> {
    requireLoopback(options.listen, options.tls);
    const links = new Links(options);
    await links.#listen();
    return links;
  }

  /** Where this node listens. */
  get address(): LinkAddress {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /**
   * Replaces the nodes to dial. Links that are up stay up, unless the peer is known to have a newer incarnation.
   * @throws LinkError ERR_LINK_PLAIN_ADDRESS.
   */
  setPeers(peers: readonly DialPeer[]): void {
    for (const peer of peers) requireLoopback(peer, this.#options.tls);
    const names = new Set(peers.map(({ name }) => name));
    for (const [name, target] of this.#targets) {
      if (names.has(name)) continue;
      target.connecting?.destroy();
      this.#targets.delete(name);
    }
    const nowMs = this.#options.now();
    for (const peer of peers) {
      if (peer.name === this.#options.me.name) continue;
      if (peer.incarnation !== undefined) this.#learn(peer.name, peer.incarnation);
      const target = this.#targets.get(peer.name);
      const isNew = target === undefined || target.peer.port !== peer.port || target.peer.host !== peer.host;
      if (!isNew) target.peer = peer;
      else this.#targets.set(peer.name, { peer, attempt: 0, nextDialMs: nowMs, connecting: undefined });
      if (isNew) target?.connecting?.destroy();
    }
    this.#dialDue(nowMs);
  }

  /**
   * Hands a message to the link; it leaves at the end of this turn of the event loop, or with flush(). The payload is copied.
   * 'busy': the window of this priority is used up; nothing was taken, try again later. 'down': there is no link.
   * @throws LinkError ERR_LINK_SIZE for a message larger than messageBytesMax.
   */
  send(node: NodeNumber, priority: Priority, type: number, payload: Uint8Array): 'sent' | 'busy' | 'down' {
    if (payload.length > this.#options.messageBytesMax) {
      throw new LinkError(
        'ERR_LINK_SIZE',
        `a message has at most ${this.#options.messageBytesMax} bytes, this one ${payload.length}`,
      );
    }
    const link = this.#byNode.get(node);
    return link === undefined ? 'down' : link.send(PRIORITY_INDEX[priority], type, payload);
  }

  /** Writes what waits, without waiting for the end of the turn. */
  flush(): void {
    if (this.#turn !== undefined) cancelTurn(this.#turn);
    this.#turn = undefined;
    for (const link of this.#unflushed) link.flush();
    this.#unflushed.clear();
  }

  /** From now on and for ever, nothing of that incarnation is heard. Its link goes down. */
  fence(incarnation: number): void {
    this.#admission.fenced.add(incarnation);
    this.#closeWhere(({ peer }) => peer?.incarnation === incarnation, 'ERR_LINK_FENCED', `${incarnation} was fenced`);
  }

  /** Closes all links that are up, with both sides knowing why; they are made anew. */
  drop(reason: string): void {
    this.#closeWhere(() => true, 'ERR_LINK_CLOSED', reason);
  }

  /** One entry for every link that is up. */
  stats(): LinkStats[] {
    return [...this.#byNode.values()].map((link) => ({
      peer: link.peer!,
      protocol: link.protocol,
      rttMs: link.roundTrip.smoothedMs,
      rttVarMs: link.roundTrip.variationMs,
      answerTimeoutMs: answerTimeoutMs(link.roundTrip),
      queueBytes: link.queueBytes,
      ...link.counts,
      credits: link.credits,
      lastHeardMs: link.detector.lastHeardMs,
    }));
  }

  /** Tells all peers, then ends everything. Waits at most half a second for them. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.flush();
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const { connecting } of this.#targets.values()) connecting?.destroy();
    this.#targets.clear();
    this.#closeWhere(() => true, 'ERR_LINK_CLOSED', `${this.#options.me.name} stops`);
    const serverClosed = once(this.#server, 'close');
    this.#server.close();
    const deadline = setTimeout(() => this.#destroyAll(), CLOSE_MS_MAX);
    await Promise.all([serverClosed, ...Array.from(this.#connections, (link) => link.gone)]);
    clearTimeout(deadline);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(): Promise<void> {
    const { listen, detector, tls, onEvent } = this.#options;
    try {
      this.#server.listen(listen);
      await once(this.#server, 'listening');
    } catch (cause) {
      throw new LinkError('ERR_LINK_LISTEN', `cannot listen at ${listen.host}:${listen.port}: ${String(cause)}`, {
        cause,
      });
    }
    // Running out of descriptors, for one: those that are open go on.
    this.#server.on('error', (cause) => {
      this.#refused(new LinkError('ERR_LINK_LISTEN', cause.message, { cause }), { address: '', name: '' });
    });
    this.#timer = setInterval(() => this.#tick(), detector.heartbeatMs / TICKS_PER_HEARTBEAT);
    if (tls === undefined) onEvent({ kind: 'plain', host: listen.host, port: this.address.port });
  }

  #createOwner(): ConnectionOwner {
    const { now, messageBytesMax, onEvent } = this.#options;
    return {
      messageBytesMax,
      nowMs: now,
      judge: (link, hello) => this.#judge(link, hello),
      up: (link) => this.#up(link),
      message: (link, priority, type, payload) => {
        onEvent({ kind: 'frame', peer: link.peer!, priority: PRIORITIES[priority]!, type, payload });
      },
      wrote: (link) => {
        this.#unflushed.add(link);
        this.#turn ??= nextTurn(() => this.flush());
      },
      ended: (link, error, wasUp) => this.#ended(link, error, wasUp),
      gone: (link) => {
        this.#connections.delete(link);
        this.#unflushed.delete(link);
      },
    };
  }

  #accept(socket: Socket): void {
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    let strangers = 0;
    for (const { phase } of this.#connections) if (phase === 'waiting') strangers++;
    if (this.#isClosed || strangers >= STRANGERS_MAX) {
      // A socket without a listener for errors would end the process.
      socket.on('error', () => socket.destroy());
      socket.destroy();
      this.#refused(new LinkError('ERR_LINK_LIMIT', `${strangers} connections wait for a HELLO`), {
        address,
        name: '',
      });
      return;
    }
    this.#connect(socket, { role: 'acceptor', address });
  }

  #connect(socket: Socket, how: { role: 'dialer' | 'acceptor'; address: string; target?: DialPeer }): void {
    const { me, cluster, protocol, windowBytes, detector, helloMs, random } = this.#options;
    const { role, address, target } = how;
    const link = new LinkConnection(
      socket,
      {
        role,
        address,
        me,
        cluster,
        protocol,
        windows: windowBytes,
        nonce: Math.floor(random() * 2 ** 32),
        detector,
        helloMs,
        target: target && { name: target.name, incarnation: target.incarnation ?? 0 },
        certificateNames: certificateNames(socket),
      },
      this.#owner,
    );
    this.#connections.add(link);
  }

  #tick(): void {
    const nowMs = this.#options.now();
    for (const link of this.#connections) link.tick(nowMs);
    this.#dialDue(nowMs);
  }

  #dialDue(nowMs: number): void {
    for (const target of this.#targets.values()) {
      if (target.nextDialMs <= nowMs && target.connecting === undefined && !this.#hasLink(target.peer.name)) {
        this.#dial(target);
      }
    }
  }

  /** Agreed, up, or on its way there by our dial. */
  #hasLink(name: string): boolean {
    for (const { phase, peer, dialled } of this.#connections) {
      if (phase !== 'closed' && (peer?.name === name || dialled === name)) return true;
    }
    return false;
  }

  #dial(target: Target): void {
    const { tls, helloMs } = this.#options;
    const { host, port, name } = target.peer;
    const address = `${host}:${port}`;
    const failed = (cause: Error): void => {
      if (target.connecting !== socket) return;
      target.connecting = undefined;
      socket.destroy();
      this.#dialAgain(target);
      const error = connectError(cause, tls !== undefined);
      if (error.code === 'ERR_LINK_CERTIFICATE') this.#refused(error, { address, name });
      else this.#options.onEvent({ kind: 'unreachable', name, address, reason: error.message });
    };
    const socket = dial(target.peer, tls, () => {
      if (target.connecting !== socket) return;
      target.connecting = undefined;
      socket.setTimeout(0);
      socket.off('timeout', timedOut);
      this.#connect(socket, { role: 'dialer', address, target: target.peer });
    });
    const timedOut = (): void => failed(new Error(`no answer within ${helloMs} ms`));
    target.connecting = socket;
    // Stays as long as the socket: a dial that was given up may still fail.
    socket.on('error', failed);
    socket.setTimeout(helloMs, timedOut);
  }

  #dialAgain(target: Target): void {
    const { now, random, redial } = this.#options;
    target.nextDialMs = now() + redialDelayMs(target.attempt, { random: random(), redial });
    target.attempt++;
  }

  #judge(link: LinkConnection, hello: Hello): { refusal: LinkError | undefined; detector: DetectorState | undefined } {
    const { peer } = hello;
    const others = [...this.#connections].filter(
      (other) => other !== link && other.phase !== 'closed' && other.phase !== 'waiting',
    );
    const options = { me: this.#options.me, peer, isDialledByMe: link.dialled !== '', links: others };
    const { refusal, replaced } = judge(this.#admission, options);
    const expected = this.#targets.get(peer.name)?.peer.node;
    if (refusal !== undefined) return { refusal, detector: undefined };
    if (expected !== undefined && expected !== peer.node) {
      const text = `${peer.name} is node ${expected}, and calls itself ${peer.node}`;
      return { refusal: new LinkError('ERR_LINK_IDENTITY', text), detector: undefined };
    }
    for (const other of replaced) other.close(new LinkError('ERR_LINK_REPLACED', `a newer link with ${peer.name}`));
    learn(this.#admission, peer.name, peer.incarnation, peer.ledger);
    const known = this.#detectors.get(peer.name);
    return { refusal: undefined, detector: known?.incarnation === peer.incarnation ? known.detector : undefined };
  }

  /** An incarnation that the directory knows of. */
  #learn(name: string, incarnation: number): void {
    learn(this.#admission, name, incarnation);
    this.#closeWhere(
      ({ peer }) => peer?.name === name && peer.incarnation < incarnation,
      'ERR_LINK_STALE',
      `${name} is at incarnation ${incarnation}`,
    );
  }

  #up(link: LinkConnection): void {
    const peer = link.peer!;
    this.#byNode.set(peer.node, link);
    const { detector } = link;
    this.#detectors.delete(peer.name);
    this.#detectors.set(peer.name, { incarnation: peer.incarnation, detector });
    if (this.#detectors.size > STRANGERS_MAX) this.#detectors.delete(this.#detectors.keys().next().value!);
    const target = this.#targets.get(peer.name);
    if (target !== undefined) {
      target.attempt = 0;
      const { connecting } = target;
      target.connecting = undefined;
      connecting?.destroy();
    }
    this.#options.onEvent({ kind: 'up', peer, protocol: link.protocol });
  }

  #ended(link: LinkConnection, error: LinkError, wasUp: boolean): void {
    const { peer, dialled, address } = link;
    const name = peer?.name ?? dialled;
    const target = this.#targets.get(name);
    // The next dial takes the place of the one that ended, not of a link that replaced it.
    if (target !== undefined) this.#dialAgain(target);
    if (wasUp && peer !== undefined) {
      if (this.#byNode.get(peer.node) === link) this.#byNode.delete(peer.node);
      this.#options.onEvent({ kind: 'down', peer, code: error.code, reason: error.message });
      return;
    }
    this.#refused(error, { address, name });
  }

  #refused(error: LinkError, { address, name }: { address: string; name: string }): void {
    if (this.#isClosed || QUIET_CODES.has(error.code)) return;
    const { code, message: reason, isFromPeer } = error;
    this.#options.onEvent({ kind: 'refused', address, name, code, reason, isFromPeer });
  }

  #closeWhere(matches: (link: LinkConnection) => boolean, code: LinkErrorCode, reason: string): void {
    for (const link of this.#connections) {
      if (link.phase !== 'closed' && matches(link)) link.close(new LinkError(code, reason));
    }
  }

  #destroyAll(): void {
    for (const link of this.#connections) link.destroy();
    for (const socket of this.#accepted) socket.destroy();
  }
}
