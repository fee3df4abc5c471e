import test from 'ava';
import type { Log, LogFields } from '../../src/main/log.ts';
import { LINES_MAX, MESSAGES_MAX, withoutFloods } from '../../src/main/repeats.ts';
import { until } from '../net/fixture.ts';

function collect(): { readonly log: Log; readonly lines: [level: string, message: string, fields: LogFields][] } {
  const lines: [string, string, LogFields][] = [];
  const to =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push([level, message, fields]);
  return { log: { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') }, lines };
}

test('a flood is a few lines, and one with a count and the last fields', async (t) => {
  const { log, lines } = collect();
  const quiet = withoutFloods(log, 30);
  for (let entity = 1; entity <= 1000; entity++) quiet.warn('a handover was rejected', { entity });
  quiet.warn('something else');
  t.is(lines.length, LINES_MAX.warn + 1);
  t.deepEqual(lines[0], ['warn', 'a handover was rejected', { entity: 1 }]);
  await until(() => lines.length > LINES_MAX.warn + 1, 'the count is told');
  t.deepEqual(lines.at(-1), ['warn', 'a handover was rejected', { entity: 1000, repeated: 1000 - LINES_MAX.warn }]);
  quiet.warn('a handover was rejected', { entity: 1001 });
  t.deepEqual(lines.at(-1), ['warn', 'a handover was rejected', { entity: 1001 }], 'a new while has begun');
});

test('what is not repeated too often is written as it is, and debug lines always', async (t) => {
  const { log, lines } = collect();
  const quiet = withoutFloods(log, 20);
  for (let count = 0; count < 100; count++) quiet.debug('step', { count });
  for (let count = 0; count < LINES_MAX.info; count++) quiet.info('linked', { count });
  for (let count = 0; count < LINES_MAX.error; count++) quiet.error('linked', { count });
  t.is(lines.length, 100 + LINES_MAX.info + LINES_MAX.error);
  const startMs = performance.now();
  await until(() => performance.now() - startMs > 60, 'the while is over');
  t.is(lines.length, 100 + LINES_MAX.info + LINES_MAX.error, 'nothing was left to be said');
});

test('ever new messages are not remembered for ever, and no count is lost by that', (t) => {
  const { log, lines } = collect();
  const quiet = withoutFloods(log, 60_000);
  for (let count = 0; count < LINES_MAX.warn + 3; count++) quiet.warn('first');
  for (let number = 0; number < MESSAGES_MAX; number++) quiet.warn(`message ${number}`);
  t.deepEqual(
    lines.filter(([, message]) => message === 'first').map(([, , { repeated }]) => repeated),
    [...Array.from({ length: LINES_MAX.warn }, () => undefined), 3],
  );
});
