/**
 * Whether a node that said HELLO gets its link, and which older one has to go for it. One rule per line of `judge`; both ends of
 * two connections that were dialled at the same moment come to the same answer: the one dialled by the higher incarnation stays.
 */
import { LinkError } from './link-error.ts';
import type { LinkPeer } from './link-hello.wire.ts';
import type { Ledger } from './protocol.ts';

/** A link that exists: agreed with its peer, or dialled and not yet answered. */
export interface KnownLink {
  /** Undefined while the answer to our HELLO is awaited. */
  readonly peer: LinkPeer | undefined;
  /** Whom we dialled; empty for a link that was accepted. */
  readonly dialled: string;
}

export interface Admission<Link extends KnownLink> {
  readonly refusal: LinkError | undefined;
  /** To be closed with ERR_LINK_REPLACED before the new one goes on. */
  readonly replaced: readonly Link[];
}

export interface AdmissionState {
  /** Incarnations whose frames count no more. At most INCARNATION_MAX, in practice one per lost node. */
  readonly fenced: Set<number>;
  /** The highest incarnation seen or told of, per name; bounded by the nodes that held a valid certificate. */
  readonly latest: Map<string, { incarnation: number; ledger: Ledger | undefined }>;
}

/** Names that are remembered; beyond it the one seen longest ago is forgotten. */
const NAMES_MAX = 1024;

export function createAdmission(): AdmissionState {
  return { fenced: new Set(), latest: new Map() };
}

/** `incarnation` of `name` exists: older ones of that name are over. */
export function learn(state: AdmissionState, name: string, incarnation: number, ledger?: Ledger): void {
  const known = state.latest.get(name);
  if (known !== undefined && known.incarnation > incarnation) return;
  const isSameLife = known?.incarnation === incarnation;
  state.latest.delete(name);
  state.latest.set(name, { incarnation, ledger: ledger ?? (isSameLife ? known.ledger : undefined) });
  if (state.latest.size > NAMES_MAX) state.latest.delete(state.latest.keys().next().value!);
}

export function judge<Link extends KnownLink>(
  state: AdmissionState,
  options: {
    readonly me: LinkPeer;
    readonly peer: LinkPeer;
    /** Did this node dial the link that is judged? */
    readonly isDialledByMe: boolean;
    /** All other links. */
    readonly links: readonly Link[];
  },
): Admission<Link> {
  const { me, peer, isDialledByMe, links } = options;
  const refusal = judgePeer(state, me, peer);
  if (refusal !== undefined) return { refusal, replaced: [] };
  const replaced: Link[] = [];
  for (const link of links) {
    const other = link.peer;
    const isRival = other === undefined ? link.dialled === peer.name && !isDialledByMe : other.name === peer.name;
    if (!isRival) {
      if (other?.node === peer.node) return refuse(nodeTaken(peer, other));
      continue;
    }
    const isSameLife = other === undefined || other.incarnation === peer.incarnation;
    if (other !== undefined && other.ledger !== peer.ledger) return refuse(nameTaken(peer, other));
    const isOtherDialledByMe = link.dialled !== '';
    // Both dialled. Otherwise the same side dials again: it must have lost the older one.
    if (isSameLife && isOtherDialledByMe && !isDialledByMe && me.incarnation > peer.incarnation)
      return refuse(duplicate(peer));
    if (isSameLife && !isOtherDialledByMe && isDialledByMe && me.incarnation < peer.incarnation)
      return refuse(duplicate(peer));
    replaced.push(link);
  }
  return { refusal: undefined, replaced };
}

function judgePeer(state: AdmissionState, me: LinkPeer, peer: LinkPeer): LinkError | undefined {
  if (state.fenced.has(peer.incarnation)) {
    return new LinkError('ERR_LINK_FENCED', `incarnation ${peer.incarnation} of ${peer.name} was fenced`);
  }
  if (peer.name === me.name || peer.incarnation === me.incarnation) return nameTaken(peer, me);
  if (peer.node === me.node) return nodeTaken(peer, me);
  const latest = state.latest.get(peer.name);
  if (latest === undefined || latest.incarnation < peer.incarnation) return undefined;
  if (latest.incarnation > peer.incarnation) {
    return new LinkError(
      'ERR_LINK_STALE',
      `${peer.name} is at incarnation ${latest.incarnation}; ${peer.incarnation} is over`,
    );
  }
  if (latest.ledger !== undefined && latest.ledger !== peer.ledger) {
    return new LinkError('ERR_LINK_NAME_TAKEN', `incarnation ${peer.incarnation} of ${peer.name} has another ledger`);
  }
  return undefined;
}

function refuse(refusal: LinkError): { refusal: LinkError; replaced: readonly never[] } {
  return { refusal, replaced: [] };
}

function nameTaken(peer: LinkPeer, holder: LinkPeer): LinkError {
  return new LinkError(
    'ERR_LINK_NAME_TAKEN',
    `the name ${peer.name} (incarnation ${peer.incarnation}) is held by a live node: ${holder.name}, incarnation ` +
      `${holder.incarnation}, with another ledger; give the second node another name or stop the first`,
  );
}

function nodeTaken(peer: LinkPeer, holder: LinkPeer): LinkError {
  return new LinkError('ERR_LINK_IDENTITY', `${peer.name} claims node number ${peer.node}, which ${holder.name} has`);
}

function duplicate(peer: LinkPeer): LinkError {
  return new LinkError('ERR_LINK_DUPLICATE', `a link with ${peer.name}, dialled from here, exists or is being made`);
}
