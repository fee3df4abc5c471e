/** Settings of a cluster that are fine alone, but not with each other. Pure. */
import { isLoopback, parseAddress, parsePeer } from './address.ts';
import type { Conflict } from './resolve.ts';
import type { SettingName, Settings } from './settings.ts';

const DIRECTORY_EXAMPLE = 'sqlite:.worldmesh/directory.sqlite';
const TLS_SETTINGS = ['tlsCert', 'tlsKey', 'tlsCa'] as const satisfies readonly SettingName[];

export function* clusterConflicts(settings: Settings): Generator<Conflict> {
  const { node, directory } = settings;
  if (node !== '' && directory === '') {
    yield {
      setting: 'node',
      found: JSON.stringify(node),
      allowed: 'a node name only together with directory',
      remedy: `add the directory of the cluster, such as --directory ${DIRECTORY_EXAMPLE}, or leave the name out`,
    };
  }
  if (directory !== '' && node === '') {
    yield {
      setting: 'directory',
      found: JSON.stringify(directory),
      allowed: 'a directory only together with a node name',
      remedy: 'add a name that no other node of the cluster has, such as --node a',
    };
  }
  yield* peerConflicts(settings);
  yield* tlsConflicts(settings);
  yield* distanceConflicts(settings);
}

function* peerConflicts({ node, directory, peers }: Settings): Generator<Conflict> {
  if (peers.length === 0) return;
  if (directory === '') {
    yield {
      setting: 'peers',
      found: JSON.stringify(peers.join(',')),
      allowed: 'peers only together with directory',
      remedy: `add --node and --directory, such as --directory ${DIRECTORY_EXAMPLE}`,
    };
  }
  const names = peers.map((peer) => parsePeer(peer)?.name ?? '').filter((name) => name !== '');
  const twice = names.find((name, index) => names.indexOf(name) < index || name === node);
  if (twice === undefined) return;
  yield {
    setting: 'peers',
    found: JSON.stringify(peers.join(',')),
    allowed: 'each other node at most once',
    remedy: twice === node ? `remove "${twice}": it is this node` : `give "${twice}" once`,
  };
}

function* tlsConflicts(settings: Settings): Generator<Conflict> {
  const missing = TLS_SETTINGS.filter((name) => settings[name] === '');
  const [first] = missing;
  if (first !== undefined && missing.length < TLS_SETTINGS.length) {
    yield {
      setting: first,
      found: 'not set',
      allowed: 'tlsCert, tlsKey and tlsCa together, or none of them',
      remedy: `set ${missing.join(' and ')} as well; "worldmesh keys issue" makes the files`,
    };
  }
  const host = parseAddress(settings.listen)?.host ?? '';
  if (missing.length === TLS_SETTINGS.length && settings.directory !== '' && !isLoopback(host)) {
    yield {
      setting: 'listen',
      found: JSON.stringify(settings.listen),
      allowed: 'an address of this machine itself, such as 127.0.0.1:7800, as long as there is no TLS',
      remedy: 'make keys with "worldmesh keys init" and "worldmesh keys issue", and set tlsCert, tlsKey and tlsCa',
    };
  }
}

function* distanceConflicts({ directory, overhang, hysteresis, cellSize }: Settings): Generator<Conflict> {
  if (directory === '') return;
  if (overhang < hysteresis) {
    yield {
      setting: 'overhang',
      found: String(overhang),
      allowed: `at least hysteresis, which is ${hysteresis} m`,
      remedy: `raise overhang to ${hysteresis} or more, or lower hysteresis`,
    };
  }
  if (overhang > cellSize) {
    yield {
      setting: 'overhang',
      found: String(overhang),
      allowed: `at most cellSize, which is ${cellSize} m`,
      remedy: `lower overhang to ${cellSize} or raise cellSize`,
    };
  }
}
