/** `worldmesh trace`. */
import type { Command } from 'commander';
import { addClusterPlaceFlags, clusterPlace } from './cluster-flags.ts';
import type { ClusterPlaceFlags } from './cluster-flags.ts';
import { EXIT_CODE, examples, print, printJson, styled } from './output.ts';

interface TraceFlags extends ClusterPlaceFlags {
  readonly json?: boolean;
  readonly spans?: boolean;
}

export function addTraceCommand(program: Command): void {
  const command = addClusterPlaceFlags(
    program
      .command('trace')
      .description('Follow an entity, a session or a handover through the journals of all nodes')
      .argument('<id>', 'entity (4294967297 or 1:1), session (session:1:7) or transfer (ledger>ledger:number)'),
  )
    .option('--spans', 'print its handovers as spans, with the ids that a collector of traces has them under')
    .option('--json', 'print the timeline, or the spans, as JSON');
  command.addHelpText(
    'after',
    examples([
      'worldmesh trace 3:118 --directory sqlite:data/directory.sqlite',
      'worldmesh trace session:3:7 --data data',
      'worldmesh trace 3:118 --spans',
      "worldmesh trace '5f1c09aa>77e2b140:41' --directory sqlite:data/directory.sqlite --json",
    ]),
  );
  command.action(async (id: string, flags: TraceFlags) => {
    const { parseSubject, readTimeline } = await import('../audit/timeline.ts');
    const { clusterIdOf, journalPlaces } = await import('../audit/cluster-reader.ts');
    const subject = parseSubject(id);
    const place = clusterPlace(flags);
    const timeline = readTimeline(journalPlaces(place), subject);
    if (flags.spans) {
      const { handoverTraces, tracesText } = await import('../audit/spans.core.ts');
      const traces = handoverTraces(timeline.lines, clusterIdOf(place));
      if (flags.json) printJson(traces);
      else print(tracesText(traces, (style, text) => styled(style, text)));
      process.exitCode = traces.length > 0 ? EXIT_CODE.ok : EXIT_CODE.failure;
      return;
    }
    if (flags.json) printJson(timeline);
    else {
      const { timelineText } = await import('../audit/report.ts');
      print(timelineText(timeline, (style, text) => styled(style, text)));
    }
    const isKnown = timeline.lines.length > 0 || timeline.standing.length > 0;
    process.exitCode = isKnown ? EXIT_CODE.ok : EXIT_CODE.failure;
  });
}
