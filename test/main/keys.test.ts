/** The keys of a cluster: certificates made here are good for anybody's eyes, and for a real handshake. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { KeysError, initKeys, issueKeys } from '../../src/main/keys.ts';
import { temporaryFolder, worldmesh } from './command-line.ts';

const NOW = new Date('2026-03-01T12:00:00Z');

function folderOf(t: { teardown: (act: () => void) => void }): string {
  const folder = temporaryFolder();
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

const certificateIn = (...parts: string[]): X509Certificate => new X509Certificate(readFileSync(path.join(...parts)));

test('an authority and a node: signed, named, for their purposes, in private files', (t) => {
  const folder = folderOf(t);
  const { files, validTo } = initKeys({ out: folder, days: 10, now: NOW });
  t.deepEqual(files, [path.join(folder, 'ca.crt'), path.join(folder, 'ca.key')]);
  const issued = issueKeys({ node: 'west-1', ca: folder, out: path.join(folder, 'w'), days: 5, now: NOW });
  const authority = certificateIn(folder, 'ca.crt');
  const node = certificateIn(folder, 'w', 'west-1.crt');
  t.true(authority.ca);
  t.true(authority.verify(authority.publicKey));
  t.false(node.ca);
  t.true(node.verify(authority.publicKey));
  t.true(node.checkIssued(authority));
  t.is(node.subject, 'CN=west-1');
  t.is(node.subjectAltName, 'DNS:west-1');
  t.is(node.checkHost('west-1'), 'west-1');
  t.deepEqual(node.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  t.is(new Date(node.validTo).getTime(), issued.validTo.getTime());
  t.is(issued.validTo.toISOString(), '2026-03-06T12:00:00.000Z');
  t.is(new Date(authority.validTo).getTime(), validTo.getTime());
  t.not(node.serialNumber, authority.serialNumber);
  for (const file of [...files, ...issued.files]) t.is(statSync(file).mode & 0o777, 0o600, file);
  t.is(statSync(path.join(folder, 'w')).mode & 0o777, 0o700);
});

test('a node is valid no longer than its authority; times after 2049 are written with four digits', (t) => {
  const folder = folderOf(t);
  const { validTo } = initKeys({ out: folder, days: 36_500, now: NOW });
  const issued = issueKeys({ node: 'a', ca: folder, out: folder, days: 36_500, now: new Date(NOW.getTime() + 1e9) });
  t.deepEqual(issued.validTo, validTo);
  t.is(new Date(certificateIn(folder, 'a.crt').validTo).getUTCFullYear(), 2126);
  t.deepEqual(issued.files, [path.join(folder, 'a.crt'), path.join(folder, 'a.key')]);
});

test('nothing is overwritten, and nothing is written beside what is taken', (t) => {
  const folder = folderOf(t);
  initKeys({ out: folder, days: 10, now: NOW });
  const again = t.throws(() => initKeys({ out: folder, days: 10, now: NOW }), { instanceOf: KeysError });
  t.is(again.code, 'ERR_KEYS_EXISTS');
  const out = path.join(folder, 'a');
  issueKeys({ node: 'a', ca: folder, out, days: 1, now: NOW });
  const before = readFileSync(path.join(out, 'a.key'), 'utf8');
  rmSync(path.join(out, 'a.crt'));
  t.is(
    t.throws(() => issueKeys({ node: 'a', ca: folder, out, days: 1, now: NOW }), { instanceOf: KeysError }).code,
    'ERR_KEYS_EXISTS',
  );
  t.is(readFileSync(path.join(out, 'a.key'), 'utf8'), before);
  t.deepEqual(readdirSync(out).sort(), ['a.key', 'ca.crt']);
});

test('what cannot be is said', (t) => {
  const folder = folderOf(t);
  const code = (act: () => unknown): string => t.throws(act, { instanceOf: KeysError }).code;
  const issue = (
    node: string,
    more: { ca?: string; out?: string; days?: number; now?: Date } = {},
  ): (() => unknown) => {
    return () => issueKeys({ node, ca: folder, out: path.join(folder, 'out'), days: 1, now: NOW, ...more });
  };
  t.is(code(issue('a')), 'ERR_KEYS_AUTHORITY');
  initKeys({ out: folder, days: 1, now: NOW });
  initKeys({ out: path.join(folder, 'other'), days: 1, now: NOW });
  for (const name of ['', '../a', 'a b', 'ca', 'A', '-a', 'a_b', 'a'.repeat(64), 'ä'])
    t.is(code(issue(name)), 'ERR_KEYS_NAME', name);
  for (const days of [0, -1, 1.5, 36_501, NaN]) t.is(code(issue('a', { days })), 'ERR_KEYS_DAYS');
  t.is(code(issue('a', { now: new Date('2027-01-01') })), 'ERR_KEYS_AUTHORITY');
  t.is(code(issue('a', { out: path.join(folder, 'other') })), 'ERR_KEYS_EXISTS');
  t.is(code(issue('a', { out: path.join(folder, 'ca.crt', 'below') })), 'ERR_KEYS_FILES');
  writeFileSync(path.join(folder, 'ca.key'), readFileSync(path.join(folder, 'other', 'ca.key')));
  t.is(code(issue('a')), 'ERR_KEYS_AUTHORITY');
});

test('the command line: init, issue, refusal, help', async (t) => {
  const folder = folderOf(t);
  const init = await worldmesh(['keys', 'init', '--out', 'keys'], { folder });
  t.is(init.code, 0, init.stderr);
  t.regex(
    init.stdout,
    /authority: valid until \d{4}-\d\d-\d\d\n {2}keys\/ca.crt\n {2}keys\/ca.key\nnext: worldmesh keys issue/,
  );
  const issue = await worldmesh(['keys', 'issue', 'b', '--ca', 'keys', '--out', 'keys/b', '--days', '90', '--json'], {
    folder,
  });
  t.is(issue.code, 0, issue.stderr);
  t.deepEqual(JSON.parse(issue.stdout).files, ['keys/b/b.crt', 'keys/b/b.key', 'keys/b/ca.crt']);
  const again = await worldmesh(['keys', 'init', '--out', 'keys'], { folder });
  t.is(again.code, 1);
  t.regex(again.stderr, /exists and is not overwritten.*ERR_KEYS_EXISTS/);
  t.is((await worldmesh(['keys', 'issue', 'b', '--ca', 'keys'], { folder })).code, 2);
  const help = await worldmesh(['keys', '--help'], { folder });
  t.is(help.code, 0);
  t.regex(help.stdout, /Keep ca\.key off the nodes/);
});
