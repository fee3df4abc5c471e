/** `host:port` as settings have it: `127.0.0.1:7800`, `node-b.example:7800`, `[::1]:7800`. Pure. */

export interface Address {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

export interface PeerAddress extends Address {
  /** '' when only the address was given. */
  readonly name: string;
}

export const NODE_NAME_SHAPE = /^[a-z][a-z0-9-]{0,31}$/;
const ADDRESS = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)):(\d{1,5})$/;
const PORT_MAX = 65_535;

export function parseAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = ADDRESS.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port > PORT_MAX ? undefined : { host, port };
}

/** `name=host:port` or `host:port`; a peer's port is never 0. */
export function parsePeer(text: string): PeerAddress | undefined {
  const at = text.indexOf('=');
  const name = at < 0 ? '' : text.slice(0, at);
  if (at >= 0 && !NODE_NAME_SHAPE.test(name)) return undefined;
  const address = parseAddress(text.slice(at + 1));
  return address === undefined || address.port === 0 ? undefined : { name, ...address };
}

/** True if nobody on another machine can be meant by it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
