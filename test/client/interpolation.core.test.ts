import test from 'ava';
import { Track } from '../../src/client/interpolation.core.ts';

function at(track: Track, tick: number, latestTick: number): number {
  const target = { renderX: Number.NaN, renderZ: Number.NaN };
  track.draw({ tick, latestTick, extrapolationTicksMax: 5 }, target);
  return target.renderX;
}

test('between two samples it is drawn between them', (t) => {
  const track = new Track();
  track.reset(10, 0, 0);
  track.push(12, 1, 0, 10);
  track.push(14, 3, 0, 12);
  t.deepEqual(
    [9, 10, 11, 12, 13, 14].map((tick) => at(track, tick, 14)),
    [0, 0, 0.5, 1, 2, 3],
  );
});

test('late snapshots are bridged for a bounded time, at the last velocity', (t) => {
  const track = new Track();
  track.reset(10, 0, 0);
  track.push(12, 1, 0, 10);
  t.is(at(track, 14, 12), 2);
  t.is(at(track, 17, 12), 3.5);
  t.is(at(track, 100, 12), 3.5);
  t.is(track.velocityX(), 0.5);
});

test('who was not in the later snapshots stands where it was', (t) => {
  const track = new Track();
  track.reset(10, 0, 0);
  track.push(12, 1, 0, 10);
  t.is(at(track, 13, 14), 1);
  t.is(at(track, 20, 14), 1);
});

test('after a pause it does not creep through the pause', (t) => {
  const track = new Track();
  track.reset(10, 0, 0);
  track.push(110, 1, 0, 108);
  t.is(at(track, 60, 110), 0);
  t.is(at(track, 108, 110), 0);
  t.is(at(track, 109, 110), 0.5);
});

test('a teleport is not a way, and an earlier tick starts anew', (t) => {
  const track = new Track();
  track.reset(10, 0, 0);
  track.push(12, 100, 0, 10);
  t.is(at(track, 11, 12), 100);
  t.is(track.velocityX(), 0);
  track.push(3, 50, 0, 1);
  t.is(at(track, 3, 3), 50);
  t.is(at(track, 12, 3), 50);
});

test('the ring holds the last samples, however many there were', (t) => {
  const track = new Track();
  track.reset(0, 0, 0);
  for (let sample = 1; sample <= 1000; sample++) track.push(sample * 2, sample, 0, sample * 2 - 2);
  t.is(at(track, 1999, 2000), 999.5);
  t.is(at(track, 1990, 2000), 995);
  // Older than the ring: the oldest it has.
  t.is(at(track, 4, 2000), 993);
});
