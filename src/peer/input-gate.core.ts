/**
 * Puts the inputs of one session into order at the node that owns its player.
 *
 *   in order (last + 1) ──▶ passes, and whatever waited behind it
 *   repeated (≤ last)   ──▶ dropped
 *   ahead of a gap      ──▶ waits for what is missing, at most GAP_MS, then passes with the gap
 *
 * Inputs of a moving player take several paths: to the old owner and on from there, and straight to the new one. A client
 * numbers them without gaps, so a gap says that an earlier one is still on its way; and should it be lost, the client says
 * it again after a change of owner. Nothing passes twice or out of order.
 *
 * After a crash the last input that is known to have acted may be older than the last that did, and was acknowledged: the
 * client has forgotten those between. Such a gate takes the first input that comes (`isExact` false).
 */
/** Longer than a client takes to hear of its new owner and to repeat itself, also on a busy machine. */
export const GAP_MS = 1000;
/** More than a client may send in GAP_MS; the gap is given up when so many wait. */
export const WAITING_MAX = 64;

export interface WaitingInput {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export interface InputGate {
  last: number;
  /** Whether `last` is the last that acted; else it is at least that. */
  isExact: boolean;
  /** By sequence, ascending. */
  readonly waiting: WaitingInput[];
  /** When the gap before the first that waits was first seen. */
  gapSinceMs: number;
}

export function createInputGate(last: number, { isExact = true }: { isExact?: boolean } = {}): InputGate {
  return { last, isExact, waiting: [], gapSinceMs: 0 };
}

/** Takes one input; `pass` is called for each that may act now, in order. False when it was a repeat. */
export function offerInput(gate: InputGate, input: WaitingInput, { nowMs, pass }: Passing): boolean {
  if (input.sequence <= gate.last) return false;
  if (!gate.isExact) {
    gate.isExact = true;
    gate.last = input.sequence - 1;
  }
  if (input.sequence === gate.last + 1 && gate.waiting.length === 0) {
    gate.last = input.sequence;
    pass(input);
    return true;
  }
  if (!insert(gate, input)) return false;
  if (gate.waiting.length === 1) gate.gapSinceMs = nowMs;
  passReady(gate, pass);
  if (gate.waiting.length >= WAITING_MAX) giveUpGap(gate, { nowMs, pass });
  return true;
}

/** To be called now and then: gives up gaps that are too old. True while something waits. */
export function expireGap(gate: InputGate, { nowMs, pass }: Passing): boolean {
  while (gate.waiting.length > 0 && nowMs - gate.gapSinceMs >= GAP_MS) giveUpGap(gate, { nowMs, pass });
  return gate.waiting.length > 0;
}

export interface Passing {
  readonly nowMs: number;
  readonly pass: (input: WaitingInput) => void;
}

function giveUpGap(gate: InputGate, { nowMs, pass }: Passing): void {
  const [first] = gate.waiting;
  if (first !== undefined) gate.last = first.sequence - 1;
  gate.gapSinceMs = nowMs;
  passReady(gate, pass);
}

function passReady(gate: InputGate, pass: (input: WaitingInput) => void): void {
  while (gate.waiting[0]?.sequence === gate.last + 1) {
    const [input] = gate.waiting.splice(0, 1);
    if (input === undefined) return;
    gate.last = input.sequence;
    pass(input);
  }
}

/** False when it waits already. */
function insert({ waiting }: InputGate, input: WaitingInput): boolean {
  let at = waiting.length;
  while (at > 0 && (waiting[at - 1]?.sequence ?? 0) > input.sequence) at--;
  if (waiting[at - 1]?.sequence === input.sequence) return false;
  waiting.splice(at, 0, input);
  return true;
}
