/** What can go wrong on a link to another node. docs/LINKS.md has a row for every code. */
import { WorldmeshError } from '../base/errors.ts';

export const LINK_ERROR_CODES = [
  'ERR_LINK_MAGIC',
  'ERR_LINK_VERSION',
  'ERR_LINK_TYPE',
  'ERR_LINK_SIZE',
  'ERR_LINK_CHECKSUM',
  'ERR_LINK_TRUNCATED',
  'ERR_LINK_RANGE',
  'ERR_LINK_CHUNK',
  'ERR_LINK_REPLAYED',
  'ERR_LINK_OUT_OF_ORDER',
  'ERR_LINK_ACKNOWLEDGEMENT',
  'ERR_LINK_SESSION',
  'ERR_LINK_UNEXPECTED',
  'ERR_LINK_HELLO_TIMEOUT',
  'ERR_LINK_CLUSTER',
  'ERR_LINK_PROTOCOL',
  'ERR_LINK_INCARNATION',
  'ERR_LINK_STALE',
  'ERR_LINK_FENCED',
  'ERR_LINK_IDENTITY',
  'ERR_LINK_NAME_TAKEN',
  'ERR_LINK_DUPLICATE',
  'ERR_LINK_REPLACED',
  'ERR_LINK_CERTIFICATE',
  'ERR_LINK_CERTIFICATE_NAME',
  'ERR_LINK_PLAIN_ADDRESS',
  'ERR_LINK_LISTEN',
  'ERR_LINK_CONNECT',
  'ERR_LINK_SILENT',
  'ERR_LINK_RESET',
  'ERR_LINK_CLOSED',
  'ERR_LINK_LIMIT',
] as const;
export type LinkErrorCode = (typeof LINK_ERROR_CODES)[number];

/** `isFromPeer`: the other node said so; otherwise this node found it. */
export class LinkError extends WorldmeshError {
  override readonly name = 'LinkError';
  readonly code: LinkErrorCode;
  readonly isFromPeer: boolean;

  constructor(code: LinkErrorCode, message: string, options: { cause?: unknown; isFromPeer?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.isFromPeer = options.isFromPeer ?? false;
  }
}

export function isLinkErrorCode(text: string): text is LinkErrorCode {
  return (LINK_ERROR_CODES as readonly string[]).includes(text);
}
