/** Hostile peers against a live link: frames that are damaged, out of place, or made up, with right and with wrong checksums. */
import type { Random } from '../../src/base/random.ts';
import { LINK_ERROR_CODES } from '../../src/peer/link-error.ts';
import { FRAME_HEADER_BYTES, FRAME_TYPE } from '../../src/peer/link-frame.wire.ts';
import { encodePing } from '../../src/peer/link-hello.wire.ts';
import { TestNode, ledgerOf, until } from './link-fixture.ts';
import { RawPeer } from './raw-peer.ts';

const GOOD_FRAMES_MAX = 100;
const CONNECTIONS_AT_ONCE = 8;

export interface FuzzReport {
  /** Sent to the node, good and bad. */
  frames: number;
  connections: number;
  /** How links ended, by code. */
  readonly codes: Map<string, number>;
  /** Messages that the node took from hostile peers: the good ones. */
  messages: number;
  /** Links of the peaceful neighbour that went down. */
  disturbances: number;
}

/** Sends at least `framesMin` frames. @throws Error when something ends without a known code, or not at all. */
export async function fuzzLink(random: Random, framesMin: number): Promise<FuzzReport> {
  const report: FuzzReport = { frames: 0, connections: 0, codes: new Map(), messages: 0, disturbances: 0 };
  await using node = await TestNode.open(2, {
    messageBytesMax: 1 << 20,
    onEvent: (event) => {
      if (event.kind === 'frame') report.messages++;
      if (event.kind !== 'down' && event.kind !== 'refused') return;
      if (event.kind === 'down' && event.peer.name === 'n1') report.disturbances++;
      if (!LINK_ERROR_CODES.includes(event.code)) throw new Error(`no documented code: ${event.code}`);
      report.codes.set(event.code, (report.codes.get(event.code) ?? 0) + 1);
    },
  });
  await using neighbour = await TestNode.open(1);
  neighbour.dial(2, node.links.address);
  await neighbour.up(2);
  const attack = async (lane: number): Promise<void> => {
    while (report.frames < framesMin) await attackOnce(random, { lane, address: node.links.address, report });
  };
  await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, (_, lane) => attack(lane)));
  // The neighbour still gets through, on the link it had from the start.
  const before = report.messages;
  await until(() => neighbour.links.send(2, 'control', 1, new Uint8Array(1)) === 'sent', 'the neighbour may send');
  await until(() => report.messages > before, 'the neighbour is heard');
  report.disturbances += neighbour.of('down').length;
  // A copy: the end of the neighbour is no disturbance.
  return { ...report };
}

async function attackOnce(
  random: Random,
  { lane, address, report }: { lane: number; address: { host: string; port: number }; report: FuzzReport },
): Promise<void> {
  const number = 10 + lane;
  const peer = { node: number, ledger: ledgerOf(number), incarnation: 10 * number, name: `n${number}` };
  const options = { peer, nonce: random.nextUint32() };
  report.connections++;
  if (random.below(10) === 0) {
    await using stranger = await RawPeer.connect(address, options);
    stranger.sayHello();
    const hello = stranger.frame(FRAME_TYPE.hello, randomBytes(random, random.below(80)), { sequence: 1 });
    stranger.write(random.below(2) === 0 ? damaged(random, hello) : hello);
    report.frames += 2;
    await stranger.closeCode();
    return;
  }
  await using attacker = await RawPeer.tryUp(address, options);
  // Its last link is not over yet on the other side: another time.
  if (attacker === undefined) return;
  const goodFrames = random.below(GOOD_FRAMES_MAX);
  const chunks: Buffer[] = [];
  for (let frame = 0; frame < goodFrames; frame++) chunks.push(goodFrame(random, attacker));
  chunks.push(badFrame(random, attacker));
  report.frames += chunks.length + 2;
  writeInPieces(random, attacker, Buffer.concat(chunks));
  // What waits for the rest of a frame that never comes is ended from this side.
  if (random.below(2) === 0) attacker.end();
  else attacker.write(Buffer.alloc(70_000));
  await until(() => attacker.isEnded, 'the end of a bad link');
}

function goodFrame(random: Random, peer: RawPeer): Buffer {
  if (random.below(4) === 0) return peer.frame(FRAME_TYPE.ping, encodePing(random.nextUint32()));
  const count = random.below(5);
  const parts = Array.from({ length: count }, () => {
    const bytes = randomBytes(random, random.below(60));
    return Buffer.concat([Buffer.of(random.below(256), 3, bytes.length, 0), bytes]);
  });
  return peer.frame(FRAME_TYPE.data, Buffer.concat(parts), { count, priority: random.below(4) });
}

function badFrame(random: Random, peer: RawPeer): Buffer {
  const payload = randomBytes(random, random.below(200));
  switch (random.below(6)) {
    case 0:
      return damaged(random, goodFrame(random, peer));
    case 1:
      return peer.frame(random.below(9), payload, { sequence: random.nextUint32() });
    case 2:
      return peer.frame(FRAME_TYPE.data, payload, { count: 1 + random.below(70), priority: random.below(4) });
    case 3:
      return peer.frame(random.below(9), payload, { acknowledged: random.nextUint32() });
    case 4:
      return peer.frame(FRAME_TYPE.data, Buffer.alloc(0), { source: random.nextUint32(), target: random.nextUint32() });
    default:
      return payload;
  }
}

/** One to three bits flipped, or some bytes cut out. */
function damaged(random: Random, frame: Buffer): Buffer {
  if (random.below(3) === 0) {
    const from = random.below(frame.length);
    return Buffer.concat([frame.subarray(0, from), frame.subarray(from + 1 + random.below(FRAME_HEADER_BYTES))]);
  }
  const bad = Buffer.from(frame);
  for (let flips = 1 + random.below(3); flips > 0; flips--) bad[random.below(bad.length)]! ^= 1 << random.below(8);
  return bad;
}

function writeInPieces(random: Random, peer: RawPeer, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(4096);
    peer.write(bytes.subarray(at, end));
    at = end;
  }
}

function randomBytes(random: Random, sizeBytes: number): Buffer {
  return Buffer.from(Array.from({ length: sizeBytes }, () => random.below(256)));
}
