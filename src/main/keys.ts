/**
 * The keys of a cluster: an authority, made once and kept safe, and a certificate per node, signed by it.
 *
 *   DIR/ca.crt    the authority's certificate; every node has a copy
 *   DIR/ca.key    the authority's private key: whoever has it can make nodes; needed only to issue
 *   DIR/NODE.crt  a node's certificate, which holds its name
 *   DIR/NODE.key  its private key
 *
 * All files are made new, never overwritten, and readable by their owner only.
 */
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import { WorldmeshError } from '../base/errors.ts';
import { NODE_NAME_SHAPE } from './config/address.ts';
import { createCertificate } from './certificate.wire.ts';

export type KeysErrorCode =
  | 'ERR_KEYS_EXISTS'
  | 'ERR_KEYS_NAME'
  | 'ERR_KEYS_DAYS'
  | 'ERR_KEYS_AUTHORITY'
  | 'ERR_KEYS_FILES';

export class KeysError extends WorldmeshError {
  override readonly name = 'KeysError';
  readonly code: KeysErrorCode;

  constructor(code: KeysErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

export const AUTHORITY_DAYS_DEFAULT = 3650;
export const NODE_DAYS_DEFAULT = 825;
export const DAYS_MAX = 36_500;
const DAY_MS = 86_400_000;
/** Clocks of hosts differ: a certificate is valid somewhat before it was made. */
const EARLIER_MS = DAY_MS;
const SERIAL_BYTES = 16;
const AUTHORITY_NAME = 'worldmesh cluster authority';
/** Files of the authority have this name. */
const RESERVED_NAME = 'ca';

export interface IssuedKeys {
  /** Written, in this order. */
  readonly files: readonly string[];
  readonly validTo: Date;
}

/** @throws KeysError when the files exist or cannot be written. */
export function initKeys(options: { out: string; days: number; now: Date }): IssuedKeys {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { validFrom, validTo } = validity(options);
  const certificate = createCertificate({
    subject: AUTHORITY_NAME,
    issuer: AUTHORITY_NAME,
    serial: randomBytes(SERIAL_BYTES),
    validFrom,
    validTo,
    publicKey,
    issuerPublicKey: publicKey,
    issuerPrivateKey: privateKey,
    isAuthority: true,
  });
  const files = writeNew(options.out, { 'ca.crt': certificate, 'ca.key': pemOf(privateKey) });
  return { files, validTo };
}

/**
 * Valid until the authority's certificate ends, at the latest.
 * @throws KeysError when the authority cannot be used, the name cannot be one, or the files exist.
 */
export function issueKeys(options: { node: string; ca: string; out: string; days: number; now: Date }): IssuedKeys {
  const { node, ca, out, now } = options;
  if (!NODE_NAME_SHAPE.test(node) || node === RESERVED_NAME) {
    throw new KeysError(
      'ERR_KEYS_NAME',
      `"${node}" cannot be the name of a node: lower-case letters, digits and "-", a letter first, at most 32, and not "${RESERVED_NAME}"`,
    );
  }
  const authority = readAuthority(ca, now);
  const wanted = validity(options);
  const validTo = new Date(Math.min(wanted.validTo.getTime(), authority.validTo.getTime()));
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const certificate = createCertificate({
    subject: node,
    issuer: AUTHORITY_NAME,
    serial: randomBytes(SERIAL_BYTES),
    validFrom: wanted.validFrom,
    validTo,
    publicKey,
    issuerPublicKey: createPublicKey(authority.privateKey),
    issuerPrivateKey: authority.privateKey,
    isAuthority: false,
  });
  const own = { [`${node}.crt`]: certificate, [`${node}.key`]: pemOf(privateKey) };
  const hasAuthority = existsSync(path.join(out, 'ca.crt'));
  if (hasAuthority && readFileSync(path.join(out, 'ca.crt'), 'utf8') !== authority.certificate) {
    throw new KeysError(
      'ERR_KEYS_EXISTS',
      `${path.join(out, 'ca.crt')} is of another cluster; name another folder with --out`,
    );
  }
  const files = writeNew(out, hasAuthority ? own : { ...own, 'ca.crt': authority.certificate });
  return { files, validTo };
}

function readAuthority(folder: string, now: Date): { certificate: string; privateKey: KeyObject; validTo: Date } {
  try {
    const certificate = readFileSync(path.join(folder, 'ca.crt'), 'utf8');
    const privateKey = createPrivateKey(readFileSync(path.join(folder, 'ca.key')));
    const parsed = new X509Certificate(certificate);
    const validTo = new Date(parsed.validTo);
    if (!parsed.ca || !parsed.checkPrivateKey(privateKey)) throw new Error('ca.key does not belong to ca.crt');
    if (validTo <= now) throw new Error(`ca.crt ended on ${parsed.validTo}`);
    return { certificate, privateKey, validTo };
  } catch (cause) {
    throw new KeysError(
      'ERR_KEYS_AUTHORITY',
      `no usable authority in ${path.resolve(folder)} (${(cause as Error).message}); make one with: worldmesh keys init --out ${folder}`,
      { cause },
    );
  }
}

function validity({ days, now }: { days: number; now: Date }): { validFrom: Date; validTo: Date } {
  if (!Number.isInteger(days) || days < 1 || days > DAYS_MAX) {
    throw new KeysError('ERR_KEYS_DAYS', `a certificate is valid for 1 to ${DAYS_MAX} days, not ${days}`);
  }
  return { validFrom: new Date(now.getTime() - EARLIER_MS), validTo: new Date(now.getTime() + days * DAY_MS) };
}

/** All or nothing, as far as names that are taken go. */
function writeNew(folder: string, contents: Readonly<Record<string, string>>): string[] {
  const files = Object.keys(contents).map((name) => path.join(folder, name));
  const taken = files.find((file) => existsSync(file));
  if (taken !== undefined) {
    throw new KeysError(
      'ERR_KEYS_EXISTS',
      `${taken} exists and is not overwritten; move it away, or name another folder with --out`,
    );
  }
  try {
    makeFolder(folder, { mode: 0o700 });
    for (const [name, content] of Object.entries(contents)) {
      writeFileSync(path.join(folder, name), content, { mode: 0o600, flag: 'wx' });
    }
  } catch (cause) {
    throw new KeysError('ERR_KEYS_FILES', `cannot write keys to ${path.resolve(folder)}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return files;
}

function pemOf(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}
