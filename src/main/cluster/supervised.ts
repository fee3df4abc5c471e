/**
 * A node's end of the channel to its supervisor. The channel is the kernel's: it closes when the supervisor is gone, however it
 * went, and then the node stops as if it had been told to. So no orphan runs for ever.
 */

/** What a node tells when it is ready. */
export interface NodeReady {
  readonly type: 'ready';
  readonly url: string;
  readonly port: number;
  readonly world: string;
  readonly incarnation: number;
  /** `host:port` for other nodes, '' when there are none. */
  readonly peerAddress: string;
}

/** What a node tells before it ends because it was drained. */
export interface NodeDrained {
  readonly type: 'drained';
  /** It is to be started again. */
  readonly restarts: boolean;
}

export interface Supervised {
  /** Resolves when the supervisor is gone. */
  readonly lost: Promise<undefined>;
  ready(news: Omit<NodeReady, 'type'>): void;
  drained(news: Omit<NodeDrained, 'type'>): void;
}

/** Undefined when this process was not started by a supervisor. */
export function connectToSupervisor(): Supervised | undefined {
  if (process.send === undefined || !process.connected) return undefined;
  const { promise: lost, resolve } = Promise.withResolvers<undefined>();
  process.once('disconnect', () => {
    // Nobody reads what is written from here on, and that must not end the process in the middle of its stop.
    for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error').on('error', () => {});
    resolve(undefined);
  });
  // The channel alone does not keep the process running.
  process.channel?.unref();
  return {
    lost,
    ready(news) {
      if (process.connected) process.send?.({ type: 'ready', ...news } satisfies NodeReady);
    },
    drained(news) {
      if (process.connected) process.send?.({ type: 'drained', ...news } satisfies NodeDrained);
    },
  };
}

/** What came over the channel, if it is what a node says. */
export function readyFrom(message: unknown): NodeReady | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, url, port, world, incarnation, peerAddress } = message as Partial<NodeReady>;
  const isReady = type === 'ready' && typeof url === 'string' && typeof port === 'number' && typeof world === 'string';
  if (!isReady || typeof incarnation !== 'number' || typeof peerAddress !== 'string') return undefined;
  return { type, url, port, world, incarnation, peerAddress };
}

export function drainedFrom(message: unknown): NodeDrained | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, restarts } = message as Partial<NodeDrained>;
  return type === 'drained' && typeof restarts === 'boolean' ? { type, restarts } : undefined;
}
