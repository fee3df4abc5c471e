/** Reads one subject's way through the journals of one node, answers, and ends: for the viewer (net/overview-trace.ts). */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { TraceFound, TraceTask } from '../../net/overview-trace.ts';
import { readTimeline } from './timeline.ts';

/** A node that was taken over and came back has a journal for each of its lives. */
const LEDGERS_MAX = 64;

function trace({ node, folder, subject, linesMax }: TraceTask): TraceFound {
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => /^journal.*\.sqlite$/.test(file)) : [];
  const places = files.map((file) => ({ name: node, folder, file: path.join(folder, file) }));
  const { lines, cut, dropped, unread } = readTimeline(places, subject);
  return {
    ledgers: [...new Set(lines.map(({ ledger }) => ledger))].slice(-LEDGERS_MAX),
    lines: lines.slice(-linesMax).map(({ atMs, stage, entity, seq, session, peer, transferSeq }) => {
      return { atMs, stage, entity, seq, session, peer, transferSeq };
    }),
    olderCount: Math.max(0, lines.length - linesMax),
    isCut: cut.length + dropped.length > 0,
    problem: files.length === 0 ? `no journal in ${folder}` : unread.map(({ reason }) => reason).join('; '),
  };
}

parentPort?.postMessage(trace(workerData as TraceTask));
