import { readFileSync } from 'node:fs';
import test from 'ava';
import { settingsDocument } from '../../../src/main/config/settings-doc.ts';
import {
  SETTING_NAMES,
  accepts,
  defaultOf,
  defaultSettings,
  environmentNameOf,
  flagOf,
  metaOf,
} from '../../../src/main/config/settings.ts';

test('the defaults are valid and those of the documentation', (t) => {
  const settings = defaultSettings();
  t.is(settings.port, 7777);
  t.is(settings.host, '127.0.0.1');
  t.is(settings.tickHz, 20);
  t.is(settings.cellSize, 256);
  t.is(settings.worldSize, undefined);
  t.true(settings.workers >= 1 && settings.workers <= 8);
});

test('every default is a value that the setting takes: it is not checked at a start', (t) => {
  for (const name of SETTING_NAMES) {
    const value = defaultOf(name);
    if (value !== undefined) t.true(accepts(name, value), name);
  }
});

test('every setting has a description, a unit where it needs one, and names of its own', (t) => {
  for (const name of SETTING_NAMES) {
    const meta = metaOf(name);
    t.true(meta.description.length > 10, name);
    t.not(meta.kind, undefined, name);
  }
  t.is(new Set(SETTING_NAMES.map(flagOf)).size, SETTING_NAMES.length);
  t.is(flagOf('tickHz'), '--tick-hz');
  t.is(environmentNameOf('connectionsPerAddressLoopback'), 'WORLDMESH_CONNECTIONS_PER_ADDRESS_LOOPBACK');
});

test('docs/SETTINGS.md is current: npm run docs:settings', (t) => {
  t.is(readFileSync(new URL('../../../docs/SETTINGS.md', import.meta.url), 'utf8'), settingsDocument());
});
