/** The gateway's thread. It is called over Comlink through the port that gateway-thread.ts hands it. */
import type { MessagePort } from 'node:worker_threads';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { exposeThread } from '../base/thread.ts';
import { Gateway } from './gateway.ts';
import type { GatewayReport } from './gateway.ts';
import type { BalancerDecision, ClusterNode, GatewayOptions, PausedCell, SpanCounts } from './settings.ts';

/** A failure to start crosses the thread border as data, because an error would lose its `code` there. */
export type Started = { readonly port: number } | { readonly code: string; readonly message: string };

function createApi() {
  let gateway: Gateway | undefined;
  return {
    async start(options: GatewayOptions): Promise<Started> {
      assert(gateway === undefined, 'a gateway starts once');
      try {
        const opened = await Gateway.open(options, (event) => parentPort?.postMessage(event));
        gateway = opened.gateway;
        return { port: opened.port };
      } catch (cause) {
        const { code, message } = cause as NodeJS.ErrnoException;
        if (code === undefined) throw cause;
        return { code, message };
      }
    },

    async stop(options: { readonly drainMs: number }): Promise<void> {
      await gateway?.stop(options);
    },

    report(): GatewayReport | undefined {
      return gateway?.report();
    },

    setNodes(nodes: readonly ClusterNode[]): void {
      gateway?.setNodes(nodes);
    },

    setDecisions(decisions: readonly BalancerDecision[]): void {
      gateway?.setDecisions(decisions);
    },

    setSpanCounts(counts: SpanCounts): void {
      gateway?.setSpanCounts(counts);
    },

    setPausedCells(cells: readonly PausedCell[]): void {
      gateway?.setPausedCells(cells);
    },
  };
}
export type GatewayApi = ReturnType<typeof createApi>;

const { port } = workerData as { port: MessagePort };
exposeThread(createApi(), port);
