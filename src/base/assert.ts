/**
 * Stops on a broken invariant: a failed assertion is our bug, and the process must not carry on with a broken world.
 * Expected failures (bad input, a full queue) are typed errors instead, see errors.ts.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks the branch of an exhaustive `switch` that the compiler knows to be impossible. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}
