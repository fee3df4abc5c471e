/** `worldmesh audit`. */
import type { Command } from 'commander';
import type { AuditReport } from '../audit/audit.ts';
import { addClusterPlaceFlags, clusterPlace } from './cluster-flags.ts';
import type { ClusterPlaceFlags } from './cluster-flags.ts';
import { positiveNumber, wholeNumber } from './number-argument.ts';
import { EXIT_CODE, examples, print, printJson, styled } from './output.ts';

interface AuditFlags extends ClusterPlaceFlags {
  readonly settle?: number;
  readonly interval: number;
  readonly outboxAge: number;
  readonly census?: string;
  readonly censusOut?: string;
  readonly inputs?: string;
  readonly json?: boolean;
}

export function addAuditCommand(program: Command): void {
  const command = addClusterPlaceFlags(
    program
      .command('audit')
      .description(
        'Prove or disprove from journals and stores that nothing is lost or doubled; exit with 1 if disproved',
      ),
  )
    .option(
      '--settle <seconds>',
      'wait this long for handovers to end, and judge a cluster at rest',
      positiveNumber(3600),
    )
    .option('--interval <ms>', 'between the two looks', wholeNumber(0, 600_000), 500)
    .option('--outbox-age <seconds>', 'a handover may be in doubt for this long', positiveNumber(86_400), 10)
    .option('--census <file>', 'entities that must be there, from an earlier audit')
    .option('--census-out <file>', 'write the entities that are there now')
    .option('--inputs <file>', 'what clients have sent and were told, a JSON object a line')
    .option('--json', 'print the report as JSON');
  command.addHelpText(
    'after',
    examples([
      'worldmesh audit --directory sqlite:data/directory.sqlite',
      'worldmesh audit --directory sqlite:data/directory.sqlite --census before.ndjson --settle 10',
      'worldmesh audit --data data --json',
    ]),
  );
  command.action(async (flags: AuditFlags) => {
    const { audit } = await import('../audit/audit.ts');
    const report = await audit({
      place: clusterPlace(flags),
      intervalMs: flags.interval,
      settleMs: flags.settle === undefined ? undefined : flags.settle * 1000,
      outboxAgeMsMax: flags.outboxAge * 1000,
      censusFile: flags.census,
      censusOutFile: flags.censusOut,
      inputsFile: flags.inputs,
    });
    if (flags.json) printJson(report);
    else {
      const { auditText } = await import('../audit/report.ts');
      print(auditText(report, (style, text) => styled(style, text)));
    }
    process.exitCode = exitCode(report);
  });
}

/** A proof that could not be made is no proof. */
function exitCode({ verdict }: AuditReport): number {
  return verdict === 'proven' ? EXIT_CODE.ok : EXIT_CODE.failure;
}
