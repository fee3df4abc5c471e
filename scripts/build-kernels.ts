/**
 * Builds src/workers/kernel.wasm from its AssemblyScript source. The result is checked in, so that nobody needs the
 * compiler to run Worldmesh, and test/workers/kernel.test.ts checks that it is what this source gives.
 *
 * The import asks for no page and allows as many as there can be, so that one module fits a store of any size. There is no
 * runtime and no data: the store owns every byte of the memory.
 */
import { writeFileSync } from 'node:fs';
import { main } from 'assemblyscript/asc';

const SOURCE = 'src/workers/kernel.assembly.ts';
const TARGET = 'src/workers/kernel.wasm';
const OPTIONS = [
  '-O3',
  '--noAssert',
  '--runtime',
  'stub',
  '--enable',
  'simd,threads',
  '--importMemory',
  '--noExportMemory',
  '--sharedMemory',
  '--initialMemory',
  '0',
  '--maximumMemory',
  '65536',
];

/** Compiles the kernel and returns the module's bytes. @throws when the compiler reports an error. */
export async function buildKernel(root: string): Promise<Uint8Array> {
  const built = new Map<string, Uint8Array | string>();
  const { error, stderr } = await main([SOURCE, '--outFile', 'kernel.wasm', '--baseDir', root, ...OPTIONS], {
    writeFile: (name, contents) => {
      built.set(name, contents);
    },
  });
  const bytes = built.get('kernel.wasm');
  if (error !== null || !(bytes instanceof Uint8Array)) {
    throw new Error(`asc failed on ${SOURCE}: ${stderr.toString()}`, { cause: error });
  }
  return bytes;
}

if (import.meta.main) {
  const root = new URL('..', import.meta.url).pathname;
  const bytes = await buildKernel(root);
  writeFileSync(new URL(`../${TARGET}`, import.meta.url), bytes);
  console.log(`${TARGET}: ${bytes.length} bytes`);
}
