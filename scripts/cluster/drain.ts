/** `worldmesh drain` of a node, as an operator gives it: the command's own exit code and the node's end are what is judged. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ProcessCluster } from './process-cluster.ts';
import type { ProcessNode } from './process-node.ts';

const BIN = fileURLToPath(new URL('../../bin/worldmesh.cjs', import.meta.url));
/** The node says that all is gone, then its process ends. */
const END_MS_MAX = 10_000;
const OUTPUT_CHARACTERS_MAX = 2000;

export interface Drained {
  readonly seconds: number;
  /** Why it was not a drain as promised; empty when it was. */
  readonly wrong: readonly string[];
  readonly output: string;
}

export async function drain(
  cluster: ProcessCluster,
  node: ProcessNode,
  { timeoutSeconds }: { timeoutSeconds: number },
): Promise<Drained> {
  const startMs = performance.now();
  node.expectEnd();
  const { code, output } = await worldmesh([
    'drain',
    node.name,
    '--directory',
    cluster.directoryUrl,
    '--timeout',
    String(timeoutSeconds),
  ]);
  const isEnded = await node.ended(END_MS_MAX);
  const wrong: string[] = [];
  if (code !== 0) wrong.push(`"worldmesh drain ${node.name}" ended with ${code}: ${output}`);
  if (!isEnded) wrong.push(`${node.name} was drained, and its process did not end`);
  else if (node.exitCode !== 0)
    wrong.push(`${node.name} was drained, and ended with ${node.exitCode}: ${node.output.slice(-6).join('\n')}`);
  return { seconds: (performance.now() - startMs) / 1000, wrong, output };
}

/** Runs a command of the CLI to its end. */
export async function worldmesh(
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: output.trim() };
}
