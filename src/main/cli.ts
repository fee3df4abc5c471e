/** The command line: what there is, and how each command is called. Commands load what they need when they run. */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { EXIT_CODE, examples, exitCodeOf, printError, styled } from './cli/output.ts';

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, (program: Command) => Promise<void>>> = {
  new: async (program) => (await import('./cli/new-command.ts')).addNewCommand(program),
  serve: async (program) => (await import('./cli/serve-command.ts')).addServeCommand(program),
  dev: async (program) => (await import('./cli/serve-command.ts')).addDevCommand(program),
  cluster: async (program) => (await import('./cli/cluster-command.ts')).addClusterCommand(program),
  test: async (program) => (await import('./cli/test-command.ts')).addTestCommand(program),
  bots: async (program) => (await import('./cli/bots-command.ts')).addBotsCommand(program),
  bench: async (program) => (await import('./cli/bench-command.ts')).addBenchCommand(program),
  status: async (program) => (await import('./cli/status-command.ts')).addStatusCommand(program),
  cells: async (program) => (await import('./cli/cells-command.ts')).addCellsCommand(program),
  drain: async (program) => (await import('./cli/drain-command.ts')).addDrainCommand(program),
  trace: async (program) => (await import('./cli/trace-command.ts')).addTraceCommand(program),
  audit: async (program) => (await import('./cli/audit-command.ts')).addAuditCommand(program),
  outbox: async (program) => (await import('./cli/outbox-command.ts')).addOutboxCommand(program),
  backup: async (program) => (await import('./cli/backup-command.ts')).addBackupCommand(program),
  restore: async (program) => (await import('./cli/restore-command.ts')).addRestoreCommand(program),
  replay: async (program) => (await import('./cli/replay-command.ts')).addReplayCommand(program),
  keys: async (program) => (await import('./cli/keys-command.ts')).addKeysCommand(program),
  config: async (program) => (await import('./cli/config-command.ts')).addConfigCommand(program),
};

/** Asked for the version, it loads no command. */
const VERSION: ReadonlySet<string> = new Set(['-V', '--version']);

const EXIT_CODES = `
Exit codes:
  0  done, or stopped by SIGTERM or SIGINT
  1  failed: world code threw, the module cannot be used, a replay differs, the port is taken
  2  wrong usage or configuration
`;

await main(process.argv);

async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', leaveIfUnheard);
  try {
    const program = await createProgram(argv[2] ?? '');
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said what is wrong; help and version end here with 0.
      process.exitCode = error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage;
      return;
    }
    printError(error);
    process.exitCode = exitCodeOf(error);
  }
}

/** Whoever read the output has read enough, as `head` does. */
function leaveIfUnheard(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT_CODE.ok);
  throw error;
}

/** With the named command only, for a quick start; with all of them for help, or when there is no such command. */
async function createProgram(name: string): Promise<Command> {
  const program = new Command('worldmesh')
    .description('A server for one big seamless world')
    .version(packageJson.version)
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({ outputError: (text, write) => write(errorText(text, 'worldmesh')) });
  const adders = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : VERSION.has(name) ? [] : Object.values(COMMANDS);
  for (const add of adders) await add(program);
  program.addHelpText('after', EXIT_CODES);
  program.addHelpText(
    'after',
    examples([
      'worldmesh new my-game',
      'worldmesh dev examples/meadow.ts',
      'worldmesh serve game.ts --port 7777 --workers 4',
      'worldmesh cluster game.ts --nodes 3',
      'worldmesh bots --count 100',
      'worldmesh bench --entities 100000',
    ]),
  );
  for (const command of program.commands) inherit(command, { parent: program, name: 'worldmesh' });
  return program;
}

/** Subcommands made with `command()` copy these settings only at their creation; ours are complete by now. */
function inherit(command: Command, { parent, name }: { parent: Command; name: string }): void {
  const path = `${name} ${command.name()}`;
  command.copyInheritedSettings(parent);
  // Its own output, and so its own help: settings of output are shared by those who inherit them.
  command.configureOutput({
    ...parent.configureOutput(),
    outputError: (text, write) => write(errorText(text, path)),
  });
  for (const child of command.commands) inherit(child, { parent: command, name: path });
}

function errorText(text: string, command: string): string {
  // The value of a mistyped flag may be a secret.
  const message = text
    .trim()
    .replace(/^error: /, '')
    .replace(/(unknown option '[^=']+)=[\s\S]*'/, "$1'")
    .replace(/\.$/, '');
  return `${styled(['bold', 'red'], 'worldmesh:', process.stderr)} ${message}; see "${command} --help"\n`;
}
