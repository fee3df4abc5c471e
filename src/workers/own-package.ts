/**
 * What a world module means by `worldmesh` is the program that runs it, wherever the module lies: there need be no package of that name
 * beside it, and if there is one it may be another version.
 */
import { registerHooks } from 'node:module';

const OWN: Readonly<Record<string, string>> = {
  worldmesh: new URL('../index.ts', import.meta.url).href,
  'worldmesh/client': new URL('../client/index.ts', import.meta.url).href,
  'worldmesh/testing': new URL('../testing/index.ts', import.meta.url).href,
};

/** For this thread, from now on. */
export function resolveOwnPackage(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const url = Object.hasOwn(OWN, specifier) ? OWN[specifier] : undefined;
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
}
