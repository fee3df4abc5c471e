/** Certificates and private keys of links between nodes, and the keys of tokens: can they be used, by whom, until when? */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { KEY_FILE_BYTES_MAX, KeyProblem, readKeys } from '../../../net/authentication-keys.core.ts';
import { namesIn } from '../../../peer/link-tls.ts';
import type { SettingName } from '../settings.ts';
import { findingOf } from './finding.ts';
import type { CheckedNode, Finding } from './finding.ts';

const DAY_MS = 86_400_000;
/** Time to issue keys and to restart nodes one by one. */
export const WARN_BEFORE_DAYS = 30;
const OTHERS_READ = 0o044;
const PEM_BYTES_MAX = 256 * 1024;

export interface KeyCheckOptions {
  /** Where relative paths begin. */
  readonly folder: string;
  readonly now: Date;
}

export interface KeyFacts {
  readonly findings: readonly Finding[];
  /** Fingerprint of the authority's certificate. */
  readonly authority?: string;
  /** When the first of the certificates ends. */
  readonly validTo?: Date;
}

export function checkLinkKeys(node: CheckedNode, options: KeyCheckOptions): KeyFacts {
  if (node.settings.tlsCert === '') return { findings: [] };
  const findings: Finding[] = [];
  const report = (setting: SettingName, text: ProblemText): undefined => {
    findings.push(findingOf(node, setting, { code: 'ERR_CONFIG_KEYS', ...text }));
  };
  const certificate = readCertificate(node, 'tlsCert', { ...options, report });
  const authority = readCertificate(node, 'tlsCa', { ...options, report });
  const key = readPrivateKey(node, { ...options, report });
  if (certificate !== undefined) {
    checkDates('tlsCert', certificate, { now: options.now, node, report });
    checkName(certificate, { node, report });
  }
  if (authority !== undefined) {
    checkDates('tlsCa', authority, { now: options.now, node, report });
    checkAuthority(authority, { certificate, node, report });
  }
  if (certificate !== undefined && key !== undefined && !certificate.checkPrivateKey(key)) {
    report('tlsKey', {
      allowed: `the private key of the certificate in tlsCert, ${node.settings.tlsCert}`,
      remedy: 'name the two files that "worldmesh keys issue" made together',
    });
  }
  const ends = [certificate, authority].filter((one) => one !== undefined).map((one) => Date.parse(one.validTo));
  return {
    findings,
    ...(authority !== undefined && { authority: authority.fingerprint256 }),
    ...(ends.length === 2 && { validTo: new Date(Math.min(...ends)) }),
  };
}

/** What tokens are checked by. */
export function* checkTokenKeys(node: CheckedNode, { folder }: KeyCheckOptions): Generator<Finding> {
  const { authKeyFile, authMode } = node.settings;
  if (authKeyFile === '' || authMode !== 'token') return;
  const file = path.resolve(folder, authKeyFile);
  const problem = (text: ProblemText): Finding => findingOf(node, 'authKeyFile', { code: 'ERR_CONFIG_KEYS', ...text });
  const allowed = 'a file with an Ed25519 public key (PEM or JWK) or a JWKS';
  try {
    const keys = readKeys(readBounded(file, KEY_FILE_BYTES_MAX));
    const hasSecret = keys.some(({ algorithm }) => algorithm === 'HS256');
    if (hasSecret && isReadByOthers(file)) {
      yield problem({
        severity: 'warning',
        found: `${JSON.stringify(authKeyFile)}, mode ${modeText(file)}`,
        allowed: 'a file that only its owner can read: it holds a secret key',
        remedy: `chmod 600 ${authKeyFile}`,
      });
    }
  } catch (error) {
    const reason = error instanceof KeyProblem ? error.message : reasonOf(error);
    yield problem({
      found: `${JSON.stringify(authKeyFile)}: ${reason}`,
      allowed,
      remedy: 'name the file with the public key of whoever signs the tokens',
    });
  }
}

type ProblemText = {
  readonly severity?: Finding['severity'];
  readonly found?: string;
  readonly allowed: string;
  readonly remedy: string;
};
type Report = (setting: SettingName, text: ProblemText) => undefined;

function readCertificate(
  { settings }: CheckedNode,
  setting: 'tlsCert' | 'tlsCa',
  { folder, report }: KeyCheckOptions & { report: Report },
): X509Certificate | undefined {
  const given = settings[setting];
  const allowed =
    setting === 'tlsCert'
      ? "a file with this node's certificate, PEM"
      : 'a file with the certificate of the authority, PEM';
  const remedy = 'name a file that "worldmesh keys issue" made, which this user may read';
  try {
    const text = readBounded(path.resolve(folder, given), PEM_BYTES_MAX);
    if (text.includes('PRIVATE KEY-----')) {
      return report(setting, { found: `${JSON.stringify(given)}, which holds a private key`, allowed, remedy });
    }
    return new X509Certificate(text);
  } catch (error) {
    return report(setting, {
      found: `${JSON.stringify(given)}: ${reasonOf(error, 'holds no certificate')}`,
      allowed,
      remedy,
    });
  }
}

function readPrivateKey(
  { settings: { tlsKey } }: CheckedNode,
  { folder, report }: KeyCheckOptions & { report: Report },
): KeyObject | undefined {
  const allowed = "a file with this node's private key, PEM and without a passphrase";
  const remedy = 'name a file that "worldmesh keys issue" made, which this user may read';
  const file = path.resolve(folder, tlsKey);
  try {
    const text = readBounded(file, PEM_BYTES_MAX);
    const key = createPrivateKey(text);
    if (isReadByOthers(file)) {
      report('tlsKey', {
        severity: 'warning',
        found: `${JSON.stringify(tlsKey)}, mode ${modeText(file)}`,
        allowed: 'a file that only its owner can read',
        remedy: `chmod 600 ${tlsKey}`,
      });
    }
    return key;
  } catch (error) {
    // The library's own message might quote what it could not read.
    return report('tlsKey', {
      found: `${JSON.stringify(tlsKey)}: ${reasonOf(error, 'holds no private key')}`,
      allowed,
      remedy,
    });
  }
}

function checkDates(
  setting: 'tlsCert' | 'tlsCa',
  certificate: X509Certificate,
  { now, node, report }: { now: Date; node: CheckedNode; report: Report },
): void {
  const given = JSON.stringify(node.settings[setting]);
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const remedy =
    setting === 'tlsCert'
      ? `issue it anew: worldmesh keys issue ${node.settings.node} --ca FOLDER --out FOLDER`
      : 'make a new authority (worldmesh keys init) and issue the keys of all nodes with it';
  if (to <= now.getTime()) {
    report(setting, {
      found: `${given}, which ended on ${dayText(to)}`,
      allowed: 'a certificate that is valid now',
      remedy,
    });
  } else if (from > now.getTime()) {
    report(setting, {
      found: `${given}, which is valid from ${dayText(from)} on`,
      allowed: 'a certificate that is valid now',
      remedy: 'set the clock of this machine right, or wait until then',
    });
  } else if (to - now.getTime() < WARN_BEFORE_DAYS * DAY_MS) {
    const days = Math.floor((to - now.getTime()) / DAY_MS);
    report(setting, {
      severity: 'warning',
      found: `${given}, which ends on ${dayText(to)}, in ${days} ${days === 1 ? 'day' : 'days'}`,
      allowed: `a certificate that is valid for ${WARN_BEFORE_DAYS} days and more`,
      remedy,
    });
  }
}

function checkName(certificate: X509Certificate, { node, report }: { node: CheckedNode; report: Report }): void {
  const names = namesIn(certificate);
  if (names.includes(node.settings.node)) return;
  report('tlsCert', {
    found: `${JSON.stringify(node.settings.tlsCert)}, the certificate of ${names.length === 0 ? 'nobody' : `"${names.join(', ')}"`}`,
    allowed: `the certificate of node "${node.settings.node}": other nodes compare the names`,
    remedy: `issue one: worldmesh keys issue ${node.settings.node} --ca FOLDER --out FOLDER`,
  });
}

function checkAuthority(
  authority: X509Certificate,
  { certificate, node, report }: { certificate: X509Certificate | undefined; node: CheckedNode; report: Report },
): void {
  const { tlsCert, tlsCa } = node.settings;
  if (!authority.ca) {
    report('tlsCa', {
      found: `${JSON.stringify(tlsCa)}, which is not the certificate of an authority`,
      allowed: 'the certificate of the cluster authority, ca.crt',
      remedy: 'name the ca.crt that "worldmesh keys issue" wrote beside the certificate of the node',
    });
  } else if (
    certificate !== undefined &&
    !(certificate.checkIssued(authority) && certificate.verify(authority.publicKey))
  ) {
    report('tlsCert', {
      found: `${JSON.stringify(tlsCert)}, which another authority signed`,
      allowed: `a certificate signed by the authority in tlsCa, ${tlsCa}`,
      remedy: 'name certificate and authority of one cluster; "worldmesh keys issue" makes them together',
    });
  }
}

/** True if users other than the owner may read it. */
export function isReadByOthers(file: string): boolean {
  return (statSync(file).mode & OTHERS_READ) !== 0;
}

/** As chmod takes it: `644`. */
export function modeText(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

function readBounded(file: string, bytesMax: number): string {
  const { size } = statSync(file);
  if (size > bytesMax)
    throw Object.assign(new Error('too large'), { code: `it has ${size} bytes, and may have ${bytesMax}` });
  return readFileSync(file, 'utf8');
}

/** For people. Only failures of the system are told in its words; another's message may quote the file. */
function reasonOf(error: unknown, otherwise = 'cannot be read'): string {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'this user may not read it';
  if (code === 'EISDIR') return 'it is a folder';
  if (code?.startsWith('it has ')) return code;
  return syscall === undefined ? otherwise : `${otherwise} (${code})`;
}

function dayText(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
