/** What goes over a link in the simulation: the core's messages, and the shell's own for sessions. */
import type { EntityId } from '../../src/base/brand.ts';
import type { AttachAnswer } from '../../src/peer/attachment.core.ts';
import type { NodeNumber, PeerMessage, SessionId } from '../../src/peer/protocol.ts';

export interface InputFrame {
  readonly kind: 'input';
  readonly id: EntityId;
  readonly number: number;
  readonly session: SessionId;
  readonly gateway: NodeNumber;
  readonly hops: number;
}

export type Frame =
  | { readonly kind: 'peer'; readonly message: PeerMessage }
  | InputFrame
  /** Owner → gateway: these have acted, stably; or will never act, because a later one has. */
  | {
      readonly kind: 'inputDone';
      readonly id: EntityId;
      readonly session: SessionId;
      readonly done: readonly number[];
      readonly refused: readonly number[];
    }
  | {
      readonly kind: 'route';
      readonly id: EntityId;
      readonly session: SessionId;
      readonly node: NodeNumber;
      readonly seq: number;
      readonly incarnation: number;
    }
  | { readonly kind: 'locate'; readonly id: EntityId; readonly session: SessionId; readonly gateway: NodeNumber }
  /** A client has shown a token of session `from` to this gateway, which has made `to` for it. */
  | { readonly kind: 'resume'; readonly id: EntityId; readonly from: SessionId; readonly to: SessionId }
  | {
      readonly kind: 'attach';
      readonly id: EntityId;
      readonly from: SessionId;
      readonly to: SessionId;
      readonly isRenamed: boolean;
      readonly round: number;
    }
  | {
      readonly kind: 'attachDone';
      readonly id: EntityId;
      readonly to: SessionId;
      readonly answer: AttachAnswer;
      readonly round: number;
      readonly successor: SessionId;
    }
  /** Gateway → all: the client of this session, which was made of another, has said something. */
  | { readonly kind: 'heard'; readonly id: EntityId; readonly session: SessionId }
  /** A player comes back: wakes its entity where it rests. */
  | {
      readonly kind: 'login';
      readonly id: EntityId;
      readonly session: SessionId;
      readonly gateway: NodeNumber;
      readonly hops: number;
    };
