/** What a running node says of itself over HTTP: its store for the audit, its figures for `status`. */
import { AuditError } from './audit-error.ts';
import type { ActiveCopy, LiveView, MemberView } from './evidence.ts';

/** A node that does not answer within this is stopped, paused or overloaded; all is the same to a reader. */
const ANSWER_MS_MAX = 5000;
/** Of a million entities at 60 bytes each, with room. */
const ANSWER_BYTES_MAX = 256 * 2 ** 20;

/** Entities that the node simulates now, ghosts left out. @throws AuditError ERR_AUDIT_STORE */
export async function readLive({ name, incarnation, clientUrl }: MemberView): Promise<LiveView> {
  const answer = await getJson(clientUrl, '/entities');
  const active = new Map<number, ActiveCopy>();
  for (const entry of listOf(answer, 'entities', clientUrl)) {
    const copy = activeCopy(entry);
    if (copy !== undefined) active.set(copy.id, copy);
  }
  const said = numberOf(answer, 'incarnation');
  return { name, incarnation: said === undefined ? incarnation : said, active };
}

/** Figures of a node, as it gives them. @throws AuditError ERR_AUDIT_STORE */
export async function readStatus(clientUrl: string, timeoutMs?: number): Promise<Readonly<Record<string, unknown>>> {
  return await getJson(clientUrl, '/status', timeoutMs);
}

async function getJson(
  clientUrl: string,
  route: string,
  timeoutMs: number = ANSWER_MS_MAX,
): Promise<Readonly<Record<string, unknown>>> {
  const url = httpUrl(clientUrl, route);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
    if (!response.ok) throw new AuditError('ERR_AUDIT_STORE', `${url.href} answers with ${response.status}`);
    const value: unknown = JSON.parse(await boundedText(response, url));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    throw new AuditError('ERR_AUDIT_STORE', `${url.href} gives no object`);
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    throw new AuditError('ERR_AUDIT_STORE', `${url.href} gives no answer: ${reasonOf(cause)}`, { cause });
  }
}

/** A client URL may be one for WebSockets. */
function httpUrl(clientUrl: string, route: string): URL {
  try {
    const url = new URL(route, clientUrl.replace(/^ws/, 'http'));
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch (cause) {
    throw new AuditError('ERR_AUDIT_STORE', `"${clientUrl}" is no URL of a node`, { cause });
  }
  throw new AuditError('ERR_AUDIT_STORE', `"${clientUrl}" is no URL of a node`);
}

async function boundedText(response: Response, url: URL): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > ANSWER_BYTES_MAX) {
      throw new AuditError('ERR_AUDIT_STORE', `${url.href} gives more than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function activeCopy(entry: unknown): ActiveCopy | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { id, seq, lastInput, ghostOf } = entry as Record<string, unknown>;
  if (typeof id !== 'number' || typeof seq !== 'number') return undefined;
  if (typeof ghostOf === 'number' && ghostOf !== 0) return undefined;
  return { id, seq, lastInput: typeof lastInput === 'number' ? lastInput : Number.NaN };
}

function listOf(answer: Readonly<Record<string, unknown>>, key: string, clientUrl: string): readonly unknown[] {
  const list = answer[key];
  if (!Array.isArray(list)) throw new AuditError('ERR_AUDIT_STORE', `${clientUrl} gives no list "${key}"`);
  return list;
}

function numberOf(answer: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const value = answer[key];
  return typeof value === 'number' ? value : undefined;
}

/** Of a failed fetch the cause says more than the message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
