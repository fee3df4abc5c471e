/** Links of several nodes in this process, with what they tell written down, and waits that have a deadline. */
import { Links } from '../../src/peer/links.ts';
import type { LinksEvent, LinksOptions } from '../../src/peer/links.ts';
import type { Ledger } from '../../src/peer/protocol.ts';

const DEADLINE_MS = 15_000;

export const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** Resolves when the condition holds. Looks after every turn or so of the event loop. */
export async function until(condition: () => boolean, what: string, deadlineMs = DEADLINE_MS): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

export function ledgerOf(number: number): Ledger {
  return number.toString(16).padStart(32, '0') as Ledger;
}

export class TestNode implements AsyncDisposable {
  readonly events: LinksEvent[] = [];
  /** Set to have frames handled elsewhere; they are not written down then. */
  onFrame: ((event: LinksEvent & { kind: 'frame' }) => void) | undefined;
  links!: Links;

  /** Node n is called "n<n>", has incarnation 10·n and ledger n, unless told otherwise. */
  static async open(
    number: number,
    options: Partial<LinksOptions> & { incarnation?: number; ledger?: number; name?: string } = {},
  ): Promise<TestNode> {
    const node = new TestNode();
    const { incarnation = 10 * number, ledger = number, name = `n${number}`, ...rest } = options;
    node.links = await Links.open({
      me: { node: number, name, incarnation, ledger: ledgerOf(ledger) },
      listen: LOOPBACK,
      tls: undefined,
      protocol: { min: 1, max: 1 },
      // Tests share a busy machine; those of the detector set their own.
      detector: { heartbeatMs: 100, silenceMsMin: 3000, silenceMsMax: 5000 },
      now: () => performance.now(),
      random: Math.random,
      onEvent: (event) => {
        if (event.kind === 'frame' && node.onFrame !== undefined) node.onFrame(event);
        else node.events.push(event);
      },
      ...rest,
    });
    return node;
  }

  dial(
    number: number,
    address: { host: string; port: number },
    more: { name?: string; incarnation?: number } = {},
  ): void {
    this.links.setPeers([{ name: `n${number}`, node: number, host: address.host, port: address.port, ...more }]);
  }

  of<Kind extends LinksEvent['kind']>(kind: Kind): (LinksEvent & { kind: Kind })[] {
    return this.events.filter((event): event is LinksEvent & { kind: Kind } => event.kind === kind);
  }

  isUp(number: number): boolean {
    return this.links.stats().some(({ peer }) => peer.node === number);
  }

  async up(number: number): Promise<void> {
    await until(() => this.isUp(number), `a link to node ${number}; ${JSON.stringify(this.events)}`);
  }

  async next<Kind extends LinksEvent['kind']>(kind: Kind, index = 0): Promise<LinksEvent & { kind: Kind }> {
    await until(
      () => this.of(kind).length > index,
      `event "${kind}" number ${index}; ${JSON.stringify(this.events).slice(0, 2000)}`,
    );
    return this.of(kind)[index]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.links.close();
  }
}
