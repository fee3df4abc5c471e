/** Do the addresses of nodes of one host collide, and do peers name where the others really listen? Pure. */
import { addressText, isLoopback, parseAddress, parsePeer } from '../address.ts';
import type { PeerAddress } from '../address.ts';
import { findingOf, nodeText } from './finding.ts';
import type { CheckedNode, Finding } from './finding.ts';

interface Endpoint {
  readonly node: CheckedNode;
  readonly setting: 'port' | 'listen';
  readonly host: string;
  readonly port: number;
  /** Others may listen there as well, if they say so too. */
  readonly isShared: boolean;
}

const PORT_MAX = 65_535;

export function* endpointFindings(nodes: readonly CheckedNode[]): Generator<Finding> {
  const endpoints = nodes.flatMap(endpointsOf);
  for (const [index, endpoint] of endpoints.entries()) {
    const other = endpoints.slice(0, index).find((earlier) => collide(earlier, endpoint));
    if (other === undefined) continue;
    const { node, setting } = endpoint;
    const place = addressText(other);
    const whose = other.node === node ? `its own ${other.setting}` : `${other.setting} of ${nodeText(other.node)}`;
    const canShare = setting === 'port' && other.setting === 'port';
    yield findingOf(node, setting, {
      code: 'ERR_CONFIG_CLUSTER',
      allowed: `a port of its own; ${whose} is ${place}`,
      remedy: `set ${setting} to ${suggestion(endpoint, endpoints)} or to ${setting === 'port' ? '0' : `${hostText(endpoint)}:0`}, which takes a free one${canShare ? ', or reusePort on both' : ''}`,
    });
  }
}

/** An address that peers have for a node is where it listens. */
export function* peerFindings(members: readonly CheckedNode[]): Generator<Finding> {
  for (const node of members) {
    for (const text of node.settings.peers) {
      const peer = parsePeer(text);
      if (peer === undefined) continue;
      const target = members.find(({ settings }) => settings.node === peer.name && peer.name !== '');
      if (target !== undefined && target !== node) yield* namedPeerFindings(node, { text, peer, target });
      else if (peer.name === '') yield* namelessPeerFindings(node, { text, peer, members });
    }
  }
}

function* namedPeerFindings(
  node: CheckedNode,
  { text, peer, target }: { text: string; peer: PeerAddress; target: CheckedNode },
): Generator<Finding> {
  const listen = parseAddress(target.settings.listen);
  if (listen === undefined) return;
  const source = target.origins.get('listen') ?? 'default';
  if (listen.port === 0) {
    yield findingOf(node, 'peers', {
      code: 'ERR_CONFIG_CLUSTER',
      found: JSON.stringify(text),
      allowed: `no address for ${nodeText(target)}: it listens on ${target.settings.listen} (${source}), a port that is free at its start`,
      remedy: `set listen of node ${peer.name} to ${addressText(peer)}, or remove the peer: the directory tells addresses`,
    });
  } else if (listen.port !== peer.port || !reaches(peer.host, listen.host)) {
    yield findingOf(node, 'peers', {
      code: 'ERR_CONFIG_CLUSTER',
      found: JSON.stringify(text),
      allowed: `${peer.name}=${addressText(isWildcard(listen.host) ? { ...listen, host: peer.host } : listen)}: ${nodeText(target)} listens on ${target.settings.listen} (${source})`,
      remedy: `correct the peer, or set listen of node ${peer.name} to ${addressText(peer)}`,
    });
  }
}

function* namelessPeerFindings(
  node: CheckedNode,
  { text, peer, members }: { text: string; peer: PeerAddress; members: readonly CheckedNode[] },
): Generator<Finding> {
  const isThere = (member: CheckedNode): boolean => {
    const listen = parseAddress(member.settings.listen);
    return listen !== undefined && listen.port === peer.port && reaches(peer.host, listen.host);
  };
  const [target] = members.filter((member) => isThere(member)).toSorted((first) => (first === node ? 1 : -1));
  if (target !== undefined && target !== node) return;
  const others = members.filter((member) => member !== node);
  yield findingOf(node, 'peers', {
    code: 'ERR_CONFIG_CLUSTER',
    severity: target === node ? 'error' : 'warning',
    found: JSON.stringify(text),
    allowed: `where another node listens: ${others.map(({ settings }) => `${settings.node} on ${settings.listen}`).join(', ')}`,
    remedy:
      target === node
        ? 'remove it: it is this node'
        : 'correct the address, or remove it: the directory tells addresses',
  });
}

function endpointsOf(node: CheckedNode): Endpoint[] {
  const { host, port, reusePort, listen, directory } = node.settings;
  const clients: Endpoint = { node, setting: 'port', host, port, isShared: reusePort };
  const peers = directory === '' ? undefined : parseAddress(listen);
  return peers === undefined ? [clients] : [clients, { node, setting: 'listen', ...peers, isShared: false }];
}

function collide(first: Endpoint, second: Endpoint): boolean {
  if (first.port === 0 || first.port !== second.port || (first.isShared && second.isShared)) return false;
  return canonical(first.host) === canonical(second.host) || isWildcard(first.host) || isWildcard(second.host);
}

/** The next port above that nobody has. */
function suggestion(endpoint: Endpoint, endpoints: readonly Endpoint[]): string {
  const taken = new Set(endpoints.map(({ port }) => port));
  let { port } = endpoint;
  while (taken.has(port) && port < PORT_MAX) port++;
  return endpoint.setting === 'port' ? String(port) : `${hostText(endpoint)}:${port}`;
}

function hostText({ host }: Endpoint): string {
  return host.includes(':') ? `[${host}]` : host;
}

function reaches(host: string, listenHost: string): boolean {
  return isWildcard(listenHost) || canonical(host) === canonical(listenHost);
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function canonical(host: string): string {
  return isLoopback(host) && host !== '::1' && /^(?:localhost|127\.0\.0\.1)$/.test(host)
    ? '127.0.0.1'
    : host.toLowerCase();
}
