/** As much of Node as the tests use, so that an editor knows it without packages. */
declare module 'node:test' {
  export default function test(name: string, run: () => void | Promise<void>): void;
}

declare module 'node:assert/strict' {
  interface Assert {
    ok(value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    throws(run: () => unknown, expected?: RegExp | object): void;
  }
  const assert: Assert;
  export default assert;
}
