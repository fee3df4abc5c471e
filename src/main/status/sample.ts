/** Asks the directory and all nodes at once. */
import { readDirectory } from '../audit/directory-reader.ts';
import { readStatus, reasonOf } from '../audit/live-reader.ts';
import { isExpected, shownMembers } from './status.core.ts';
import type { NodeAnswer, StatusSample } from './status.core.ts';

/** A node that is stopped or paused shall not keep the table of the others back for longer. */
const ANSWER_MS_MAX = 800;

/** @throws AuditError ERR_AUDIT_DIRECTORY */
export async function sampleCluster(directoryUrl: string): Promise<StatusSample> {
  const directory = readDirectory(directoryUrl);
  const members = shownMembers(directory).filter(isExpected);
  const answers = await Promise.all(
    members.map(async ({ incarnation, clientUrl }): Promise<[number, NodeAnswer]> => {
      try {
        const answer = await readStatus(clientUrl, ANSWER_MS_MAX);
        return [incarnation, { ok: true, atMs: performance.now(), answer }];
      } catch (error) {
        return [incarnation, { ok: false, reason: reasonOf(error) }];
      }
    }),
  );
  return { atMs: Date.now(), directory, answers: new Map(answers) };
}
