/**
 * The journal's stream to a buddy, so that the loss of a whole machine loses nothing that was promised (R9).
 *
 *   off ──wanted, linked──▶ reading ──journalRead──▶ copying ──streamed──▶ streaming ──armed, buddy has it──▶ protect
 *    ▲                                                  ▲  │                  │
 *    │ the directory shows no protection       start, in│  │ silent 150 ms    │ silent, or another process
 *    └──────────────────────────── lost ◀───────barrier─┘──┴──────────────────┘
 *                                   └─▶ unprotect, by compare-and-swap
 *
 * Protection is a fact of the directory, never an opinion: from the moment before `protect` is asked for until the
 * directory shows its end, nothing is stable that the buddy has not acknowledged.
 */
import { stablePosition } from './handover-stable.core.ts';
import { send } from './handover-state.core.ts';
import type { HandoverState } from './handover-state.core.ts';
import type {
  CoreEffect,
  CoreEvent,
  JournalContent,
  JournalWrite,
  LeaseView,
  NodeNumber,
  PeerIdentity,
  PeerMessage,
} from './protocol.ts';

const SILENT_MS = 150;
const RETRY_MS = 1_000;
/** Batches kept for the buddy. Beyond, it counts as lost. */
const UNACKED_MAX = 16_384;

/** The first view of the own lease when it is protected: the buddy must cut its copy back before anything acts. */
export function beginBarrier(state: HandoverState, effects: CoreEffect[], buddy: NodeNumber): void {
  const { stream } = state;
  stream.buddy = buddy;
  stream.owesSinceMs = state.nowMs;
  stream.mode = 'copying';
  if (state.mutations.has('noBuddyBarrier')) {
    stream.mode = 'streaming';
    stream.acked = state.position;
    stream.owesSinceMs = -1;
    return;
  }
  sendCopy(state, effects);
}

/** A session with the buddy begins. */
export function resumeStream(state: HandoverState, effects: CoreEffect[], peer: PeerIdentity): void {
  const { stream } = state;
  if (peer.node !== stream.buddy) return;
  if (stream.mode === 'copying') sendCopy(state, effects);
  if (stream.mode !== 'streaming') return;
  if (stream.incarnation === 0) stream.incarnation = peer.incarnation;
  // Another process has forgotten how far it was. Its copy is whole, but a new one must be made to go on.
  if (stream.incarnation !== peer.incarnation) loseBuddy(state, effects);
  else sendBatches(state, effects, stream.unacked);
}

/** A batch of this step goes to the buddy while the disk writes it. */
export function streamBatch(
  state: HandoverState,
  effects: CoreEffect[],
  position: number,
  writes: readonly JournalWrite[],
): void {
  const { stream } = state;
  if (stream.mode === 'off' || stream.mode === 'lost') return;
  const batch = { position, writes };
  stream.unacked.push(batch);
  if (stream.unacked.length > UNACKED_MAX) {
    loseBuddy(state, effects);
    return;
  }
  if (stream.mode === 'reading') return;
  if (stream.owesSinceMs < 0) stream.owesSinceMs = state.nowMs;
  sendBatches(state, effects, [batch]);
}

function sendCopy(state: HandoverState, effects: CoreEffect[]): void {
  const { stream } = state;
  const link = state.links.get(stream.buddy);
  if (link === undefined || stream.content === undefined) return;
  stream.incarnation = link.incarnation;
  send(state, effects, link, { kind: 'streamReset', content: stream.content });
  sendBatches(state, effects, stream.unacked);
}

function sendBatches(
  state: HandoverState,
  effects: CoreEffect[],
  batches: readonly { readonly position: number; readonly writes: readonly JournalWrite[] }[],
): void {
  const link = state.links.get(state.stream.buddy);
  const first = batches[0];
  if (link === undefined || first === undefined) return;
  const { ledger } = state.me;
  send(state, effects, link, {
    kind: 'stream',
    ledger,
    from: first.position,
    batches: batches.map(({ writes }) => writes),
  });
}

/** The buddy has the journal up to there on disk. */
export function onStreamed(state: HandoverState, effects: CoreEffect[], from: PeerIdentity, position: number): void {
  const { stream } = state;
  if (from.node !== stream.buddy || from.incarnation !== stream.incarnation) return;
  if (stream.mode !== 'copying' && stream.mode !== 'streaming') return;
  if (position > state.position) return;
  if (stream.mode === 'copying') {
    // An answer to something older than the copy that was asked for.
    if (stream.content === undefined || position < stream.content.position) return;
    stream.content = undefined;
    stream.mode = 'streaming';
    stream.acked = position;
    arm(state);
  }
  stream.acked = Math.max(stream.acked, position);
  let count = 0;
  while (count < stream.unacked.length && stream.unacked[count]!.position <= stream.acked) count += 1;
  stream.unacked.splice(0, count);
  stream.owesSinceMs = stream.unacked.length === 0 ? -1 : state.nowMs;
  askProtection(state, effects);
}

function arm(state: HandoverState): void {
  const { stream } = state;
  if (ownLease(state)?.isProtected === true || stream.isArmed) return;
  stream.armedAt = stablePosition(state);
  stream.isArmed = true;
}

function askProtection(state: HandoverState, effects: CoreEffect[]): void {
  const { stream } = state;
  if (!stream.isArmed || stream.isProtectAsked || stream.acked < stream.armedAt) return;
  stream.isProtectAsked = true;
  effects.push({ kind: 'protect', buddy: stream.buddy });
}

function loseBuddy(state: HandoverState, effects: CoreEffect[]): void {
  const { stream } = state;
  stream.mode = 'lost';
  stream.unacked = [];
  stream.content = undefined;
  stream.owesSinceMs = -1;
  stream.retryAtMs = state.nowMs + RETRY_MS;
  // What was never asked of the directory is nobody's fact.
  if (!stream.isProtectAsked) stream.isArmed = false;
  askUnprotection(state, effects);
}

/** Asked again by the timer, because a compare-and-swap may fail. Not while `protect` is undecided. */
function askUnprotection(state: HandoverState, effects: CoreEffect[]): void {
  if (ownLease(state)?.isProtected === true) effects.push({ kind: 'unprotect' });
}

/** The directory's word on the own lease. */
export function onProtection(state: HandoverState, effects: CoreEffect[], lease: LeaseView): void {
  const { stream } = state;
  if (lease.isProtected) {
    if (stream.isProtectAsked) {
      stream.isProtectAsked = false;
      stream.isArmed = false;
    }
    if (stream.mode === 'lost') askUnprotection(state, effects);
    return;
  }
  if (stream.mode === 'lost' && !stream.isProtectAsked) stream.mode = 'off';
}

export function onProtectRefused(state: HandoverState): void {
  const { stream } = state;
  stream.isProtectAsked = false;
  stream.isArmed = false;
  stream.mode = 'off';
  stream.unacked = [];
  stream.retryAtMs = state.nowMs + RETRY_MS;
}

export function checkBuddy(state: HandoverState, effects: CoreEffect[]): void {
  const { stream } = state;
  if (stream.owesSinceMs >= 0 && state.nowMs - stream.owesSinceMs > SILENT_MS) loseBuddy(state, effects);
  if (state.nowMs < stream.retryAtMs) return;
  stream.retryAtMs = state.nowMs + RETRY_MS;
  if (stream.mode === 'lost') askUnprotection(state, effects);
  if (stream.mode !== 'off' || !state.wantsBuddy || state.phase !== 'running') return;
  const buddy = nextActive(state);
  if (buddy === undefined) return;
  stream.buddy = buddy.node;
  stream.mode = 'reading';
  stream.unacked = [];
  effects.push({ kind: 'readJournal' });
}

/** The content is at least as new as the question, so what it lacks is in `unacked`. */
export function onJournalRead(state: HandoverState, effects: CoreEffect[], content: JournalContent): void {
  const { stream } = state;
  if (stream.mode !== 'reading') return;
  stream.mode = 'copying';
  stream.content = content;
  stream.unacked = stream.unacked.filter(({ position }) => position > content.position);
  stream.owesSinceMs = state.nowMs;
  sendCopy(state, effects);
}

/** The linked node that follows this one in the circle of numbers. */
function nextActive(state: HandoverState): PeerIdentity | undefined {
  let best: PeerIdentity | undefined;
  const rank = ({ node }: PeerIdentity): number => (node > state.me.node ? node : node + 1_000);
  for (const link of state.links.values()) {
    if (state.leases.get(link.ledger)?.state !== 'active') continue;
    if (best === undefined || rank(link) < rank(best)) best = link;
  }
  return best;
}

function ownLease(state: HandoverState): LeaseView | undefined {
  return state.leases.get(state.me.ledger);
}

/** As buddy: another node's journal goes on. */
export function onStream(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  { ledger, from: first, batches }: Extract<PeerMessage, { kind: 'stream' }>,
): void {
  const copy = state.copies.get(ledger);
  if (copy === undefined || ledger !== from.ledger || copy.incarnation !== from.incarnation) return;
  const known = copy.position + 1 - first;
  // A gap: the batches before it come again on the next session, or the source gives this copy up.
  if (known < 0 || known >= batches.length) return;
  copy.position = first + batches.length - 1;
  const { incarnation } = from;
  effects.push({ kind: 'copy', ledger, incarnation, from: first + known, batches: batches.slice(known) });
}

/** As buddy: another node begins, or begins again, with this content. */
export function onStreamReset(
  state: HandoverState,
  effects: CoreEffect[],
  { ledger, incarnation }: PeerIdentity,
  content: JournalContent,
): void {
  if (content.ledger !== ledger) return;
  state.copies.set(ledger, { incarnation, position: content.position });
  effects.push({ kind: 'copyReset', incarnation, content });
}

export function onCopied(
  state: HandoverState,
  effects: CoreEffect[],
  { ledger, incarnation, position }: Extract<CoreEvent, { kind: 'copied' }>,
): void {
  const link = state.targets.get(ledger)?.peer;
  // Of an earlier process of that ledger: its position means something else now.
  if (link === undefined || link.incarnation !== incarnation) return;
  if (state.copies.get(ledger)?.incarnation !== incarnation) return;
  send(state, effects, link, { kind: 'streamed', ledger, position });
}
