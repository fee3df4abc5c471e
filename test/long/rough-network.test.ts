/** A slice of `npm run rough-network`: a player with a wrong clock behind a bad network. */
import test from 'ava';
import { areInputsExact, share } from '../../scripts/rough-network/judge.ts';
import { roughRun } from '../../scripts/rough-network/rough-run.ts';
import type { RoughReport } from '../../scripts/rough-network/rough-run.ts';

const HOUR_MS = 3_600_000;
const WRONG_CLOCK = { aheadMs: 3 * HOUR_MS, driftPpm: 500 };
const SECONDS = 20;
/** A second of a clock that drifts by 500 ppm over this test, its samples, and the round trip. */
const SKEW_ERROR_MS_MAX = 1000;
/** When a segment is lost all inputs come up to 1.2 s late; who turns back meanwhile, at 6 m/s, is twice the way of that from where it was foreseen. */
const CORRECTION_METRES_MAX = 14.4;
const CORRECTION_METRES_P50_MAX = 1;

function logOf({ corrections, jumps, serverTimeErrorsMs, sent, repeated, account, skewMs }: RoughReport): object {
  return {
    correctionMax: share(corrections, 1),
    jumpMax: share(jumps, 1),
    serverTimeError: share(serverTimeErrorsMs.map(Math.abs), 1),
    sent,
    repeated,
    account,
    skewMs,
  };
}

test('300 ± 200 ms, 2 % loss, a clock 3 h ahead: each input acts once, movement is close, the time is known', async (t) => {
  const report = await roughRun({
    seconds: SECONDS,
    network: { latencyMs: 300, jitterMs: 200, lossShare: 0.02, seed: 7 },
    ...WRONG_CLOCK,
  });
  t.log(logOf(report));
  t.true(report.segments.lost > 0);
  t.true(report.sent >= SECONDS * 15, `${report.sent} inputs`);
  t.true(areInputsExact(report), JSON.stringify(report.account));
  t.true(share(report.corrections, 1) < CORRECTION_METRES_MAX);
  t.true(share(report.corrections, 0.5) < CORRECTION_METRES_P50_MAX);
  t.true(report.metres > SECONDS * 4, `${report.metres} m`);
  t.true(Math.abs(report.skewMs - WRONG_CLOCK.aheadMs) < SKEW_ERROR_MS_MAX, `${report.skewMs} ms`);
  // Half of what the two ways can differ by.
  t.true(share(report.serverTimeErrorsMs.map(Math.abs), 1) < 250);
  t.is(report.clockRefusals, 1);
  t.is(report.losses, 0);
  t.regex(report.refusal, /^ERR_CLOCK_SKEW: .* \(close code 4008\)$/);
});

test('the same player on a clean network is hardly corrected', async (t) => {
  const report = await roughRun({
    seconds: SECONDS,
    network: { latencyMs: 0, jitterMs: 0, lossShare: 0, seed: 7 },
    ...WRONG_CLOCK,
  });
  t.log(logOf(report));
  t.true(areInputsExact(report), JSON.stringify(report.account));
  // An input that arrives a tick earlier or later than foreseen is off by one tick's way, 0.3 m; twice that when it turns back.
  t.true(share(report.corrections, 0.99) < 0.7);
  t.true(share(report.serverTimeErrorsMs.map(Math.abs), 0.5) < 25);
});
