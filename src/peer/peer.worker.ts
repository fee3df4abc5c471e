/** The peer thread: one PeerNode, called over Comlink (peer-thread.ts); what happens leaves through `events`. */
import { workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { WorldmeshError } from '../base/errors.ts';
import { exposeThread } from '../base/thread.ts';
import type { StoreHandle } from '../memory/store.ts';
import { PeerNode } from './peer-node.ts';
import type { PeerEvent, PeerJoined, PeerSettings } from './peer-settings.ts';

export interface PeerWorkerData {
  readonly port: MessagePort;
  readonly events: MessagePort;
}

/** An expected failure crosses the thread border as data, because an error would lose its `code` there. */
export interface PeerFailure {
  readonly code: string;
  readonly message: string;
}

function createApi(events: MessagePort) {
  let peer: PeerNode | undefined;
  return {
    async join(settings: PeerSettings): Promise<PeerJoined | PeerFailure> {
      assert(peer === undefined, 'a peer thread joins once');
      return await asData(async () => {
        const joined = await PeerNode.join(settings, (event: PeerEvent) => events.postMessage(event));
        ({ peer } = joined);
        return joined.joined;
      });
    },

    async start(handle: StoreHandle): Promise<{ readonly peerAddress: string } | PeerFailure> {
      const node = peer;
      assert(node !== undefined, 'a peer thread joins before it starts');
      return await asData(() => node.start(handle));
    },

    async setClientUrl(clientUrl: string): Promise<void> {
      await peer?.setClientUrl(clientUrl);
    },

    async drain(): Promise<boolean> {
      return (await peer?.drain()) ?? false;
    },

    async stop(): Promise<void> {
      await peer?.stop();
    },
  };
}
export type PeerApi = ReturnType<typeof createApi>;

async function asData<Result>(work: () => Promise<Result>): Promise<Result | PeerFailure> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WorldmeshError) return { code: error.code, message: error.message };
    throw error;
  }
}

const { port, events } = workerData as PeerWorkerData;
exposeThread(createApi(events), port);
