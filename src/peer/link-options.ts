/** What links are made with, what they tell, and their figures. */
import type { DetectorOptions } from './link-detector.core.ts';
import type { LinkErrorCode } from './link-error.ts';
import type { Priority } from './link-frame.wire.ts';
import type { LinkPeer, ProtocolRange } from './link-hello.wire.ts';
import type { RedialOptions } from './link-redial.core.ts';
import type { LinkAddress, LinkTls } from './link-tls.ts';
import type { NodeNumber } from './protocol.ts';

export interface LinksOptions {
  readonly me: LinkPeer;
  /** Port 0 takes any free one; see `address`. */
  readonly listen: LinkAddress;
  /** Undefined: plain TCP, which every address being on the loopback is a condition of. */
  readonly tls: LinkTls | undefined;
  /** Nodes of other clusters are refused. */
  readonly cluster?: string;
  readonly protocol: ProtocolRange;
  /** Called synchronously: `down` and `refused` also from within setPeers(), fence() and close(). */
  readonly onEvent: (event: LinksEvent) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly detector?: DetectorOptions;
  readonly redial?: RedialOptions;
  readonly helloMs?: number;
  readonly messageBytesMax?: number;
  /** Per priority: bytes in queues, in flight and not acknowledged, beyond which send() answers 'busy'. */
  readonly windowBytes?: readonly number[];
}

/** A node to dial. `incarnation`: of the directory; older links of that name are closed, other answers refused. */
export interface DialPeer extends LinkAddress {
  readonly name: string;
  readonly node: NodeNumber;
  readonly incarnation?: number;
}

export type LinksEvent =
  /** Links are not encrypted; once, at open. */
  | { readonly kind: 'plain'; readonly host: string; readonly port: number }
  | { readonly kind: 'up'; readonly peer: LinkPeer; readonly protocol: number }
  | { readonly kind: 'down'; readonly peer: LinkPeer; readonly code: LinkErrorCode; readonly reason: string }
  /** `payload` stays valid, but keeps up to 64 KiB around it alive: copy what is kept for long. */
  | {
      readonly kind: 'frame';
      readonly peer: LinkPeer;
      readonly priority: Priority;
      readonly type: number;
      readonly payload: Uint8Array;
    }
  /** No link came of it: this node refused the other (`isFromPeer` false), or it this one. */
  | {
      readonly kind: 'refused';
      readonly address: string;
      readonly name: string;
      readonly code: LinkErrorCode;
      readonly reason: string;
      readonly isFromPeer: boolean;
    }
  /** Nobody answered a dial; it will be tried again. */
  | { readonly kind: 'unreachable'; readonly name: string; readonly address: string; readonly reason: string };

export interface LinkStats {
  readonly peer: LinkPeer;
  readonly protocol: number;
  /** Smoothed; undefined before the first. */
  readonly rttMs: number | undefined;
  readonly rttVarMs: number;
  /** How long an answer may take before it counts as missing, RFC 6298. */
  readonly answerTimeoutMs: number;
  readonly queueBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly framesIn: number;
  readonly framesOut: number;
  /** Bytes that may still be sent, per priority in the order of PRIORITIES. */
  readonly credits: readonly number[];
  /** On the clock of `now`. */
  readonly lastHeardMs: number;
}
