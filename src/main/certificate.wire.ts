/**
 * X.509 version 3 certificates with Ed25519 keys, in DER (RFC 5280, RFC 8410; DER is ITU-T X.690). Just what a cluster's own
 * authority and its nodes need, so that neither openssl nor a library has to be there.
 *
 *   Certificate { tbs { [0] version, serial, algorithm, issuer, validity, subject, public key, [3] extensions }, algorithm, signature }
 */
import { createHash, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** dNSName of GeneralName, and keyIdentifier of AuthorityKeyIdentifier. */
  dnsName: 0x82,
  keyIdentifier: 0x80,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/** Object identifiers, encoded. */
const OID = {
  ed25519: [0x2b, 0x65, 0x70],
  commonName: [0x55, 0x04, 0x03],
  subjectKeyIdentifier: [0x55, 0x1d, 0x0e],
  keyUsage: [0x55, 0x1d, 0x0f],
  subjectAltName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
  authorityKeyIdentifier: [0x55, 0x1d, 0x23],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
  clientAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
} as const;

/** First byte of a BIT STRING: how many of its last bits do not count. */
const USAGE_SIGN_CERTIFICATES = [1, 0x06];
const USAGE_SIGN_HANDSHAKES = [7, 0x80];
const VERSION_3 = 2;
const UTC_TIME_YEARS_END = 2050;
const KEY_IDENTIFIER_BYTES = 20;
/** Lengths below it are one byte; from it on, a byte of count and the bytes. */
const SHORT_LENGTH_END = 0x80;

export interface CertificateOptions {
  readonly subject: string;
  readonly issuer: string;
  /** 8 to 20 random bytes. */
  readonly serial: Uint8Array;
  readonly validFrom: Date;
  readonly validTo: Date;
  readonly publicKey: KeyObject;
  /** Of the authority; both keys are the same pair in the authority's own certificate. */
  readonly issuerPublicKey: KeyObject;
  readonly issuerPrivateKey: KeyObject;
  /** May sign certificates; otherwise a node, which may serve and call. */
  readonly isAuthority: boolean;
}

/** @returns the certificate as PEM. */
export function createCertificate(options: CertificateOptions): string {
  const algorithm = der(TAG.sequence, der(TAG.objectId, OID.ed25519));
  const tbs = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, [VERSION_3])),
    // Positive: the first bit is the sign.
    der(TAG.integer, [(options.serial[0]! & 0x7f) | 0x40, ...options.serial.subarray(1)]),
    algorithm,
    name(options.issuer),
    der(TAG.sequence, time(options.validFrom), time(options.validTo)),
    name(options.subject),
    options.publicKey.export({ format: 'der', type: 'spki' }),
    der(TAG.extensions, der(TAG.sequence, ...extensions(options))),
  );
  const signature = sign(null, tbs, options.issuerPrivateKey);
  const certificate = der(TAG.sequence, tbs, algorithm, der(TAG.bitString, [0], signature));
  const lines = certificate.toString('base64').match(/.{1,64}/g)!;
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function extensions({ isAuthority, subject, publicKey, issuerPublicKey }: CertificateOptions): Buffer[] {
  const own = der(TAG.octetString, keyIdentifier(publicKey));
  const issuer = der(TAG.sequence, der(TAG.keyIdentifier, keyIdentifier(issuerPublicKey)));
  const usage = der(TAG.bitString, isAuthority ? USAGE_SIGN_CERTIFICATES : USAGE_SIGN_HANDSHAKES);
  const constraints = isAuthority ? der(TAG.sequence, der(TAG.boolean, [0xff])) : der(TAG.sequence);
  const common = [
    extension(OID.basicConstraints, constraints, { isCritical: true }),
    extension(OID.keyUsage, usage, { isCritical: true }),
    extension(OID.subjectKeyIdentifier, own),
    extension(OID.authorityKeyIdentifier, issuer),
  ];
  if (isAuthority) return common;
  const purposes = der(TAG.sequence, der(TAG.objectId, OID.serverAuth), der(TAG.objectId, OID.clientAuth));
  return [
    ...common,
    extension(OID.extendedKeyUsage, purposes),
    extension(OID.subjectAltName, der(TAG.sequence, der(TAG.dnsName, Buffer.from(subject, 'latin1')))),
  ];
}

function extension(id: readonly number[], value: Buffer, { isCritical = false } = {}): Buffer {
  const critical = isCritical ? [der(TAG.boolean, [0xff])] : [];
  return der(TAG.sequence, der(TAG.objectId, id), ...critical, der(TAG.octetString, value));
}

function name(commonName: string): Buffer {
  const attribute = der(TAG.sequence, der(TAG.objectId, OID.commonName), der(TAG.utf8String, Buffer.from(commonName)));
  return der(TAG.sequence, der(TAG.set, attribute));
}

/** RFC 5280, 4.1.2.5: two digits of the year until 2049, four from then on. */
function time(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const isEarly = at.getUTCFullYear() < UTC_TIME_YEARS_END;
  return der(isEarly ? TAG.utcTime : TAG.generalizedTime, Buffer.from(isEarly ? digits.slice(2) : digits));
}

function keyIdentifier(key: KeyObject): Buffer {
  const hash = createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest();
  return hash.subarray(0, KEY_IDENTIFIER_BYTES);
}

function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
  return Buffer.concat([Buffer.from([tag, ...length(content.length)]), content]);
}

function length(sizeBytes: number): number[] {
  if (sizeBytes < SHORT_LENGTH_END) return [sizeBytes];
  const bytes: number[] = [];
  for (let rest = sizeBytes; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return [SHORT_LENGTH_END | bytes.length, ...bytes];
}
