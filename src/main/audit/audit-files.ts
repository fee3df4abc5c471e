/** Files that go into an audit and come out of it: a census, and logs of clients; one JSON value a line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { AuditError } from './audit-error.ts';
import type { CensusEntry, ClientLog } from './evidence.ts';

const FILE_BYTES_MAX = 512 * 2 ** 20;

/** @throws AuditError ERR_AUDIT_CENSUS */
export function readCensus(file: string): CensusEntry[] {
  return lines(file, 'ERR_AUDIT_CENSUS').map(({ value, line }) => {
    const { id, seq, session, lastInput } = value;
    if (isWhole(id) && isWhole(seq) && isWhole(session) && isWhole(lastInput)) return { id, seq, session, lastInput };
    throw new AuditError(
      'ERR_AUDIT_CENSUS',
      `${file}:${line} is no line of a census; write one with worldmesh audit --census-out`,
    );
  });
}

export function writeCensus(file: string, census: readonly CensusEntry[]): void {
  writeFileSync(file, census.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

/** The last line of each entity and session counts; `repeats` are the most that any line had. @throws AuditError ERR_AUDIT_INPUTS */
export function readClientLogs(file: string): ClientLog[] {
  const logs = new Map<string, ClientLog>();
  for (const { value, line } of lines(file, 'ERR_AUDIT_INPUTS')) {
    const { entity, session = 0, sent, acknowledged, repeats = 0 } = value;
    if (!isWhole(entity) || !isWhole(session) || !isWhole(sent) || !isWhole(acknowledged) || !isWhole(repeats)) {
      throw new AuditError(
        'ERR_AUDIT_INPUTS',
        `${file}:${line}: expected {"entity":…,"session":…,"sent":…,"acknowledged":…,"repeats":…}`,
      );
    }
    const key = `${entity}/${session}`;
    const most = Math.max(repeats, logs.get(key)?.repeats ?? 0);
    logs.set(key, { entity, session, sent, acknowledged, repeats: most });
  }
  return [...logs.values()];
}

type FileCode = 'ERR_AUDIT_CENSUS' | 'ERR_AUDIT_INPUTS';

function lines(file: string, code: FileCode): { value: Readonly<Record<string, unknown>>; line: number }[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AuditError(code, `${file} cannot be read: ${String(cause)}`, { cause });
  }
  if (text.length > FILE_BYTES_MAX) throw new AuditError(code, `${file} has more than ${FILE_BYTES_MAX} bytes`);
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null)
        return [{ value: value as Record<string, unknown>, line: index + 1 }];
    } catch (cause) {
      throw new AuditError(code, `${file}:${index + 1} is not JSON`, { cause });
    }
    throw new AuditError(code, `${file}:${index + 1} is no JSON object`);
  });
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
