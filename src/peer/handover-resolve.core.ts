/**
 * What became of a transfer whose target is fenced: its successor knows, from the frozen state it imported.
 *
 *   row open towards a fenced ledger ──RESOLVE, again on a timer and on linkUp──▶ holder of that ledger
 *                                    ◀── RESOLVED: accepted ─▶ done, notFound ─▶ reclaimed
 *
 * The answers are collected when nobody can ask any more: the holder asks every ledger of the directory, and each says
 * so once nothing towards the fenced ledger is open in it. Nobody starts a release towards a fenced ledger.
 */
import { awaitRemoval, finish, reclaim } from './handover-source.core.ts';
import { holderOf, isFenced, isOpen, send, sessionOf, write } from './handover-state.core.ts';
import type { HandoverState, Import, Outgoing, Target } from './handover-state.core.ts';
import { COMMIT_ITEMS_MAX } from './protocol.ts';
import type { CoreEffect, Ledger, PeerIdentity, PeerMessage } from './protocol.ts';

const RESOLVE_MS = 100;
const COLLECT_MS = 500;

/** By the frozen state of `target`; undefined if this node does not hold it. */
export function answerOf(
  state: HandoverState,
  source: Ledger,
  target: Ledger,
  transferSeq: number,
): 'accepted' | 'notFound' | undefined {
  const frozen = state.imports.get(target);
  if (frozen === undefined || frozen.isDone) return undefined;
  if (transferSeq <= (frozen.watermarks.get(source) ?? 0)) return 'accepted';
  return frozen.accepted.get(source)?.has(transferSeq) === true ? 'accepted' : 'notFound';
}

export function onResolve(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  { source, target, transferSeqs }: Extract<PeerMessage, { kind: 'resolve' }>,
): void {
  // Before the import is stable this process may end and leave the ledger to another: no answer yet.
  if (state.imports.get(target)?.isStable !== true) return;
  const accepted: number[] = [];
  const notFound: number[] = [];
  for (const transferSeq of transferSeqs) {
    const answer = answerOf(state, source, target, transferSeq);
    if (answer === 'accepted') accepted.push(transferSeq);
    else if (answer === 'notFound') notFound.push(transferSeq);
  }
  send(state, effects, from, { kind: 'resolved', source, target, accepted, notFound });
}

export function onResolved(
  state: HandoverState,
  effects: CoreEffect[],
  from: PeerIdentity,
  { source, target, accepted, notFound }: Extract<PeerMessage, { kind: 'resolved' }>,
): void {
  // Only the holder's word counts, and only once the directory shows it here too.
  if (!isFenced(state, target) || holderOf(state, target) !== from.ledger) return;
  const rows = state.targets.get(target)?.channels.get(source)?.rows;
  if (rows === undefined) return;
  const removed: Outgoing[] = [];
  for (const transferSeq of accepted) {
    const outgoing = rows.get(transferSeq);
    if (outgoing === undefined || !isOpen(outgoing)) continue;
    finish(state, effects, outgoing);
    removed.push(outgoing);
  }
  awaitRemoval(state, removed);
  for (const transferSeq of notFound) {
    const outgoing = rows.get(transferSeq);
    if (outgoing !== undefined && isOpen(outgoing)) reclaim(state, outgoing);
  }
}

export function checkResolves(state: HandoverState, effects: CoreEffect[]): void {
  if (state.nowMs < state.resolveAtMs) return;
  state.resolveAtMs = state.nowMs + RESOLVE_MS;
  for (const target of state.targets.values()) {
    if (isFenced(state, target.ledger)) resolveTarget(state, effects, target);
  }
  for (const frozen of state.imports.values()) collectImport(state, effects, frozen);
}

function resolveTarget(state: HandoverState, effects: CoreEffect[], target: Target): void {
  const holder = holderOf(state, target.ledger);
  for (const channel of target.channels.values()) {
    const open = [...channel.rows.values()]
      .filter((outgoing) => outgoing.state === 'released')
      .slice(0, COMMIT_ITEMS_MAX);
    if (open.length === 0) continue;
    if (holder === state.me.ledger) {
      resolveByOwnImport(state, effects, target, open);
      continue;
    }
    const link = sessionOf(state, holder);
    if (link === undefined) continue;
    const transferSeqs = open.map(({ row }) => row.transferSeq);
    send(state, effects, link, { kind: 'resolve', source: channel.issuer, target: target.ledger, transferSeqs });
  }
}

/** Rows that were recovered or imported after the ledger they name was taken over by this node. */
function resolveByOwnImport(
  state: HandoverState,
  effects: CoreEffect[],
  target: Target,
  open: readonly Outgoing[],
): void {
  if (state.imports.get(target.ledger)?.isStable !== true) return;
  const removed: Outgoing[] = [];
  for (const outgoing of open) {
    const answer = answerOf(state, outgoing.row.issuer, target.ledger, outgoing.row.transferSeq);
    if (answer === 'notFound') reclaim(state, outgoing);
    else if (answer === 'accepted') {
      finish(state, effects, outgoing);
      removed.push(outgoing);
    }
  }
  awaitRemoval(state, removed);
}

function collectImport(state: HandoverState, effects: CoreEffect[], frozen: Import): void {
  if (!frozen.isStable || frozen.isDone || state.nowMs < frozen.askAtMs) return;
  frozen.askAtMs = state.nowMs + COLLECT_MS;
  const { ledger } = frozen.row;
  // Who had not seen the fencing yet did not take our word for that ledger: its low watermarks are said again.
  for (const target of state.targets.values()) {
    const channel = target.channels.get(ledger);
    if (channel !== undefined) channel.lowSaid = -1;
  }
  for (const spoken of speaksFor(state, ledger) ?? []) frozen.unneededBy.add(spoken);
  const isUnneeded = [...state.leases.keys()].every((other) => other === ledger || frozen.unneededBy.has(other));
  if (isUnneeded) {
    frozen.isDone = true;
    write(state, { kind: 'importDone', ledger });
    return;
  }
  for (const link of state.links.values()) send(state, effects, link, { kind: 'importNeeded', ledger });
}

export function onImportNeeded(state: HandoverState, effects: CoreEffect[], from: PeerIdentity, ledger: Ledger): void {
  // Not yet known as fenced here: a release towards it may still begin.
  if (!isFenced(state, ledger)) return;
  const ledgers = speaksFor(state, ledger);
  if (ledgers !== undefined) send(state, effects, from, { kind: 'importUnneeded', ledger, speaksFor: ledgers });
}

export function onImportUnneeded(
  state: HandoverState,
  from: PeerIdentity,
  { ledger, speaksFor: ledgers }: Extract<PeerMessage, { kind: 'importUnneeded' }>,
): void {
  const frozen = state.imports.get(ledger);
  if (frozen === undefined) return;
  // A ledger that was fenced since is its successor's to speak for.
  for (const spoken of ledgers) if (holderOf(state, spoken) === from.ledger) frozen.unneededBy.add(spoken);
}

/** The ledgers whose rows are all here, if none of them is open towards `target`; else undefined. */
function speaksFor(state: HandoverState, target: Ledger): readonly Ledger[] | undefined {
  for (const channel of state.targets.get(target)?.channels.values() ?? []) if (channel.rows.size > 0) return undefined;
  const imported = [...state.imports.values()].filter(({ isStable }) => isStable).map(({ row }) => row.ledger);
  return [state.me.ledger, ...imported];
}
