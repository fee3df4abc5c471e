import test from 'ava';
import { backoffDelayMs, isFinal } from '../../src/client/backoff.core.ts';
import { median, ServerClock } from '../../src/client/clock.core.ts';
import { Slide, Timeline } from '../../src/client/timeline.core.ts';
import { Random } from '../../src/base/random.ts';
import { CLOSE_CODE } from '../../src/wire/messages.ts';

const SERVER_MINUS_LOCAL_MS = 5000;

function sample(clock: ServerClock, sentMs: number, [upMs, downMs]: readonly [number, number]): void {
  clock.add({ sentMs, receivedMs: sentMs + upMs + downMs, serverTimeMs: sentMs + upMs + SERVER_MINUS_LOCAL_MS });
}

test('the clock is the median of the samples, without the slow ones', (t) => {
  const clock = new ServerClock();
  t.is(clock.quality, 'none');
  for (let index = 0; index < 4; index++) sample(clock, index * 1000, [20 + index, 20 + index]);
  t.is(clock.quality, 'few');
  for (let index = 4; index < 7; index++) sample(clock, index * 1000, [20 + index, 20 + index]);
  t.is(clock.quality, 'good');
  t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS);
  t.is(clock.rttMs, 46);
  // One lopsided answer in eleven does not move it; one slower than 500 ms does not count at all.
  sample(clock, 8000, [20, 220]);
  t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS);
  sample(clock, 9000, [20, 600]);
  t.is(clock.droppedCount, 1);
  t.is(clock.sampleCount, 8);
  t.is(clock.serverTimeMs(100), 5100);
  for (let index = 0; index < 100; index++) sample(clock, 10_000 + index, [5, 5]);
  t.is(clock.sampleCount, 11);
  t.is(clock.rttMs, 10);
});

test('when all answers are slow, they count, and the quality says so; the first fast one ends that', (t) => {
  const clock = new ServerClock();
  for (let index = 0; index < 4; index++) sample(clock, index * 1000, [300, 300]);
  t.is(clock.quality, 'none');
  t.is(clock.rttMs, 600, 'the round trip is what it is');
  for (let index = 4; index < 9; index++) sample(clock, index * 1000, [300, 340]);
  t.is(clock.quality, 'slow');
  t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS - 20);
  sample(clock, 10_000, [20, 20]);
  t.is(clock.quality, 'few');
  t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS);
});

test('where answers are now fast, now slow, the fast ones of the last minutes count, and the quality stays', (t) => {
  const clock = new ServerClock();
  for (let index = 0; index < 5; index++) sample(clock, index * 1000, [20, 20]);
  t.is(clock.quality, 'good');
  for (let index = 5; index < 100; index++) {
    // Lopsided: they would put the clock 140 ms off.
    sample(clock, index * 1000, index % 20 === 0 ? [30, 30] : [480, 200]);
    t.is(clock.quality, 'good', `${index}`);
    t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS);
  }
  t.is(clock.rttMs, 680, 'the round trip is what it is');
  t.is(clock.droppedCount, 91);
  // Four minutes after the last fast one there are only slow ones.
  let slowSecond = 0;
  for (let index = 100; index < 400 && slowSecond === 0; index++) {
    sample(clock, index * 1000, [480, 200]);
    if (clock.quality === 'slow') slowSecond = index;
  }
  t.true(slowSecond > 80 + 238 && slowSecond < 80 + 242, `${slowSecond}`);
  t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS + 140);
});

test('a sample that proves the others wrong ends them', (t) => {
  const clock = new ServerClock();
  for (let index = 0; index < 11; index++) sample(clock, index * 1000, [20, 20]);
  // The local clock stood for a minute; the way is slow now, but a minute is more than any way explains.
  for (let index = 0; index < 5; index++) {
    const sentMs = 11_000 + index * 1000;
    clock.add({ sentMs, receivedMs: sentMs + 800, serverTimeMs: sentMs + 400 + SERVER_MINUS_LOCAL_MS + 60_000 });
  }
  t.is(clock.quality, 'slow');
  t.is(clock.offsetMs, SERVER_MINUS_LOCAL_MS + 60_000);
});

test('a drift of 500 ppm is found, also behind a bad network, and followed between pings', (t) => {
  for (const { jitterMs, ppmMax, errorMsMax } of [
    { jitterMs: 5, ppmMax: 10, errorMsMax: 1 },
    { jitterMs: 200, ppmMax: 150, errorMsMax: 50 },
  ]) {
    const random = new Random(3);
    const clock = new ServerClock();
    const utcAt = (localMs: number): number => 1e12 + localMs * (1 + 500e-6);
    for (let localMs = 0; localMs < 400_000; localMs += 2000) {
      const upMs = 20 + random.next() * jitterMs;
      const receivedMs = localMs + upMs + 20 + random.next() * jitterMs;
      clock.add({ sentMs: localMs, receivedMs, serverTimeMs: utcAt(localMs + upMs) });
    }
    t.true(Math.abs(clock.driftPpm - 500) < ppmMax, `${jitterMs}: ${clock.driftPpm} ppm`);
    // 20 s without a word: without the drift it would be 10 ms off by then.
    const errorMs = clock.serverTimeMs(418_000) - utcAt(418_000);
    t.true(Math.abs(errorMs) < errorMsMax, `${jitterMs}: ${errorMs} ms`);
  }
});

test('clocks that do not drift are not said to', (t) => {
  const random = new Random(5);
  const clock = new ServerClock();
  for (let localMs = 0; localMs < 100_000; localMs += 2000) {
    sample(clock, localMs, [10 + random.next() * 100, 10 + random.next() * 100]);
  }
  t.is(clock.driftPpm, 0);
});

test('the median', (t) => {
  t.is(median([]), 0);
  t.is(median([3]), 3);
  t.is(median([9, 1]), 5);
  t.is(median([9, 1, 4]), 4);
});

test('the timeline finds the ticks through jitter, and time never runs backwards', (t) => {
  const random = new Random(7);
  const timeline = new Timeline({ tickHz: 20, snapshotHz: 10 });
  let lastTick = 0;
  let lastRender = Number.NEGATIVE_INFINITY;
  for (let snapshot = 1; snapshot <= 400; snapshot++) {
    const sentMs = 1000 + snapshot * 100;
    const arrivalMs = sentMs + 30 + random.next() * 20;
    timeline.observe(snapshot * 2, arrivalMs);
    for (let frame = 0; frame < 6; frame++) {
      const nowMs = sentMs + 50 + frame * 16;
      const tick = timeline.tickAt(nowMs);
      const render = timeline.renderTickAt(nowMs);
      t.true(tick >= lastTick);
      t.true(render >= lastRender);
      lastTick = tick;
      lastRender = render;
    }
  }
  const tick = timeline.tickAt(1000 + 400 * 100 + 40);
  t.true(Math.abs(tick - 800) < 0.3, `${tick}`);
  t.true(timeline.jitterMs > 2 && timeline.jitterMs < 10, `${timeline.jitterMs}`);
  t.true(timeline.renderDelayMs > 150 && timeline.renderDelayMs < 200, `${timeline.renderDelayMs}`);
});

test('after a change of owner time goes on, whatever the new one counts', (t) => {
  for (const newCount of [0, 3, 5_000_000, -700]) {
    const timeline = new Timeline({ tickHz: 20, snapshotHz: 10 });
    let shown = Number.NEGATIVE_INFINITY;
    let latest = -1;
    for (let snapshot = 1; snapshot <= 60; snapshot++) {
      const isNewOwner = snapshot > 30;
      if (snapshot === 31) timeline.changeSource();
      // The new owner's ticks begin 21 ms beside the old one's.
      const nowMs = 1000 + snapshot * 100 + (isNewOwner ? 21 : 0);
      const tick = timeline.place(1000 + snapshot * 2 + (isNewOwner ? newCount : 0), nowMs);
      t.true(tick > latest, `${tick} after ${latest}`);
      timeline.observe(tick, nowMs);
      latest = tick;
      for (let frame = 0; frame < 6; frame++) {
        const render = timeline.renderTickAt(nowMs + frame * 16);
        if (snapshot > 1) t.true(render >= shown && render - shown < 1.2, `${shown} to ${render}`);
        shown = render;
      }
    }
    const tick = timeline.tickAt(1000 + 60 * 100 + 21);
    t.true(Math.abs(tick - 1120) <= 10, `${newCount}: ${tick}`);
  }
});

test('a delta after a loss goes on in the count of the last, however late it is', (t) => {
  const timeline = new Timeline({ tickHz: 20, snapshotHz: 10 });
  for (let tick = 2; tick <= 60; tick += 2) timeline.observe(timeline.place(tick, tick * 50), tick * 50);
  timeline.changeSource();
  t.is(timeline.place(62, 9000, { isDelta: true }), 62);
  timeline.observe(62, 9000);
  timeline.changeSource();
  t.not(timeline.place(64, 19_000), 64, 'another node that counts otherwise');
});

test('a slide goes at a tenth of the time that passes, and jumps when it is far off', (t) => {
  const slide = new Slide();
  slide.aim(100);
  t.is(slide.at(0), 100);
  slide.aim(110);
  t.is(slide.at(50), 105);
  t.is(slide.at(1000), 110);
  slide.aim(1110);
  t.is(slide.at(1001), 1110);
});

test('a slide of its own pace begins with the first number, and does not jump', (t) => {
  const slide = new Slide({ share: 0.25, slideMsMax: 5000 });
  t.is(slide.at(0), 0);
  slide.aim(100);
  t.is(slide.at(10), 100);
  slide.aim(1100);
  t.is(slide.at(1010), 350);
  t.is(slide.at(4010), 1100);
});

test('delays double up to the limit, half of them random; after a restart the first is quick', (t) => {
  const backoff = { minMs: 1000, maxMs: 30_000 };
  const delay = (attempt: number, random: number, closeCode: number): number =>
    backoffDelayMs(attempt, { closeCode, random, backoff });
  t.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 1000].map((attempt) => delay(attempt, 1, 1006)),
    [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
  t.is(delay(0, 0, 1006), 500);
  t.true(delay(0, 0.999, CLOSE_CODE.restart) < 500);
  t.is(delay(1, 1, CLOSE_CODE.restart), 2000);
});

test('refusals are final, trouble is not', (t) => {
  const final = Object.entries(CLOSE_CODE).filter(([, code]) => isFinal(code));
  t.deepEqual(
    final.map(([name]) => name),
    ['normal', 'malformed', 'version', 'auth', 'replaced'],
  );
  t.false(isFinal(1006));
});
