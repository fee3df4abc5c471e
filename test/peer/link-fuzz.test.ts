/** A bounded slice of test/long/peer-fuzz.test.ts. */
import test from 'ava';
import { Random } from '../../src/base/random.ts';
import { FrameDecoder } from '../../src/peer/link-frame.wire.ts';
import { LinkError } from '../../src/peer/link-error.ts';
import { decodeClose, decodeHello, decodePing } from '../../src/peer/link-hello.wire.ts';
import { MessageReader } from '../../src/peer/link-message.wire.ts';
import { fuzzLink } from './link-fuzz.ts';

const SEED = 20_261_121;

test('a live link survives hostile peers, and its neighbour does not notice', async (t) => {
  const report = await fuzzLink(new Random(SEED), 10_000);
  t.true(report.frames >= 10_000);
  t.true(report.messages > 5000, `${report.messages} messages`);
  t.is(report.disturbances, 0);
  t.true(report.codes.size >= 8, JSON.stringify([...report.codes]));
});

test('decoders take or refuse whatever they are given, with a typed error', (t) => {
  const random = new Random(SEED);
  let refused = 0;
  for (let round = 0; round < 50_000; round++) {
    const bytes = Buffer.from(
      Array.from({ length: random.below(90) }, () => random.below(random.below(2) === 0 ? 5 : 256)),
    );
    const frame = { priority: random.below(4), count: random.below(20), payload: bytes };
    const decoders = [
      () => new FrameDecoder().push(bytes, () => true),
      () => void decodeHello(bytes, 1),
      () => void decodeClose(bytes),
      () => void decodePing(bytes),
      () => new MessageReader({ messageBytesMax: 1 << 16 }).read(frame, () => true),
    ];
    try {
      decoders[round % decoders.length]!();
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      refused++;
    }
  }
  t.true(refused > 20_000, `${refused} refused`);
});
