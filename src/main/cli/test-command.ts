/** `worldmesh test`: the tests of a game by Node's own runner, in this process, with `worldmesh` found wherever it is. */
import { globSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import type { Command } from 'commander';
import { resolveOwnPackage } from '../../workers/own-package.ts';
import { EXIT_CODE, examples } from './output.ts';

const DEFAULT_FILES = 'test/**/*.test.{ts,js}';

interface TestFlags {
  readonly name?: string;
}

export function addTestCommand(program: Command): void {
  const command = program
    .command('test')
    .description('Run the tests of a game, which play its world without a server')
    .argument('[files...]', `tests for node:test (default: ${DEFAULT_FILES})`)
    .option('--name <pattern>', 'only tests whose name matches this regular expression');
  command.addHelpText(
    'after',
    examples(['worldmesh test', 'worldmesh test test/coins.test.ts', 'worldmesh test --name coin']),
  );
  command.action(async (given: readonly string[], { name }: TestFlags) => {
    const files = (given.length > 0 ? given : globSync(DEFAULT_FILES)).map((file) => path.resolve(file));
    if (files.length === 0) command.error(`no tests here: ${DEFAULT_FILES} matches nothing in ${process.cwd()}`);
    resolveOwnPackage();
    const pattern = name === undefined ? {} : { testNamePatterns: name };
    const stream = run({ files, isolation: 'none', ...pattern });
    let failures = 0;
    stream.on('test:fail', () => failures++);
    const report = stream.compose(new spec());
    for await (const text of report) process.stdout.write(String(text));
    process.exitCode = failures === 0 ? EXIT_CODE.ok : EXIT_CODE.failure;
  });
}
