/**
 * Calls between the main thread and a long-lived thread of the node, by Comlink over a message channel of their own.
 * Not for the tick path.
 */
import type { MessagePort } from 'node:worker_threads';
import { expose, wrap } from 'comlink';
import type { Endpoint, Remote } from 'comlink';

export type { Remote } from 'comlink';

/** Thread side: makes the methods of `api` callable from the other end of the channel. */
export function exposeThread(api: object, port: MessagePort): void {
  // A MessagePort of Node is an event target, but for its types.
  expose(api, port as unknown as Endpoint);
}

/** Main side: the methods of a thread's api, each returning a promise. Arguments and results are cloned. */
export function wrapThread<Api>(port: MessagePort): Remote<Api> {
  return wrap<Api>(port as unknown as Endpoint);
}
