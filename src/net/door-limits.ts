/**
 * What an address may do at the door before anybody has said who he is, and whose address that is.
 *
 *   TCP connections   twenty times the rate of WebSockets: cut at once      proxies that are trusted: free
 *   HTTP requests     requestsPerSecond: 429
 *   WebSockets        connectionsPerMinute: 429
 *
 * IPv6 counts by /64. Loopback has limits of its own; behind a proxy on this machine every client would have them, if
 * trustProxy did not name the proxy.
 */
import type { IncomingMessage } from 'node:http';
import { addressKey, isLoopback } from './address-count.core.ts';
import { clientAddress, isTrusted } from './client-address.core.ts';
import { readAddress, readRange } from './ip-address.core.ts';
import type { AddressRange } from './ip-address.core.ts';
import { BucketTable } from './token-bucket.core.ts';
import type { ProtectionSettings } from './protection.ts';

const SECONDS_PER_MINUTE = 60;
/** A page brings some connections beside its WebSocket, and so do health checks. */
const TCP_FACTOR = 20;
/** Tools and tests on this machine ask often. */
const LOOPBACK_REQUESTS_FACTOR = 50;
const REQUESTS_BURST_SECONDS = 10;
/** Of each table; some 200 bytes each, 3 MiB under the widest sweep. */
const ADDRESSES_MAX = 16_384;
/** There are two: 127.0.0.0/8 has more, but who can send from there can do worse. */
const LOOPBACK_ADDRESSES_MAX = 16;

type Kind = 'tcp' | 'request' | 'webSocket';

export class DoorLimits {
  readonly #proxies: readonly AddressRange[];
  readonly #public: Readonly<Record<Kind, BucketTable>>;
  readonly #loopback: Readonly<Record<Kind, BucketTable>>;

  constructor(settings: ProtectionSettings) {
    const { connectionsPerMinute, connectionsBurst, connectionsPerMinuteLoopback, requestsPerSecond } = settings;
    this.#proxies = settings.trustProxy.map((text) => readRange(text)).filter((range) => range !== undefined);
    this.#public = tables(ADDRESSES_MAX, {
      connectionsPerMinute,
      connectionsBurst,
      requestsPerSecond,
    });
    this.#loopback = tables(LOOPBACK_ADDRESSES_MAX, {
      connectionsPerMinute: connectionsPerMinuteLoopback,
      connectionsBurst: connectionsPerMinuteLoopback,
      requestsPerSecond: requestsPerSecond * LOOPBACK_REQUESTS_FACTOR,
    });
  }

  /** Buckets held, for tests of the bound. */
  get size(): number {
    return [this.#public, this.#loopback]
      .flatMap((kinds) => Object.values(kinds))
      .reduce((sum, table) => sum + table.size, 0);
  }

  /** Of whoever sent the request, behind trusted proxies too; in its shortest form. */
  client({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    const forwardedFor = headers['x-forwarded-for'];
    return clientAddress({ remoteAddress: socket.remoteAddress, forwardedFor: textOf(forwardedFor) }, this.#proxies);
  }

  /** True for a proxy whose word is believed: its connections are those of many. */
  isProxy(remoteAddress: string | undefined): boolean {
    const groups = remoteAddress === undefined ? undefined : readAddress(remoteAddress);
    return groups !== undefined && isTrusted(groups, this.#proxies);
  }

  /** Charges an address for one; false when it has had its share. */
  take(kind: Kind, address: string, nowMs: number): boolean {
    const key = addressKey(address);
    return (isLoopback(key) ? this.#loopback : this.#public)[kind].take(key, nowMs);
  }
}

function tables(
  addressesMax: number,
  rate: { connectionsPerMinute: number; connectionsBurst: number; requestsPerSecond: number },
): Record<Kind, BucketTable> {
  const { connectionsBurst, requestsPerSecond } = rate;
  const perSecond = rate.connectionsPerMinute / SECONDS_PER_MINUTE;
  const requests = { perSecond: requestsPerSecond, burst: requestsPerSecond * REQUESTS_BURST_SECONDS };
  return {
    tcp: new BucketTable({ perSecond: perSecond * TCP_FACTOR, burst: connectionsBurst * TCP_FACTOR }, addressesMax),
    request: new BucketTable(requests, addressesMax),
    webSocket: new BucketTable({ perSecond, burst: connectionsBurst }, addressesMax),
  };
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
