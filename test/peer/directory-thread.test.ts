/** The embedded directory in a thread of its own: the same suite through the thread, and URLs. */
import test from 'ava';
import { directoryFile, openDirectory } from '../../src/peer/directory-thread.ts';
import { DirectoryError } from '../../src/peer/directory-error.ts';
import { FACTS, TemporaryFolder, refusal } from './directory-fixture.ts';
import { directorySuite } from './directory-suite.ts';

const folder = new TemporaryFolder();
test.after.always(() => folder[Symbol.dispose]());
let files = 0;

directorySuite(test, {
  name: 'in a thread',
  makeUrl: () => `sqlite:${folder.file(`${files++}.sqlite`)}`,
  open: (url, facts) => openDirectory(url, { facts, busyMs: 10_000 }),
});

test('a URL says which implementation; others are refused with what there is', async (t) => {
  t.is(directoryFile('sqlite:a/b.sqlite'), 'a/b.sqlite');
  t.is(directoryFile('sqlite:/a/b.sqlite'), '/a/b.sqlite');
  for (const url of ['etcd://a:2379,b:2379', 'sqlite:', '', '/a/b.sqlite', 'http://a/']) {
    const error = t.throws(() => directoryFile(url), { instanceOf: DirectoryError });
    t.is(error.code, 'ERR_DIRECTORY_URL');
    t.regex(error.message, /give sqlite:FILE/);
  }
  t.regex(await refusal(t, () => openDirectory('etcd://a', { facts: FACTS }), 'ERR_DIRECTORY_URL'), /etcd is not/);
});

test('a missing file is said through the thread, and the thread ends', async (t) => {
  await refusal(
    t,
    () => openDirectory(`sqlite:${folder.file('none.sqlite')}`, { facts: undefined }),
    'ERR_DIRECTORY_MISSING',
  );
});

test('who watches when the directory is closed hears nothing more, and calls say so', async (t) => {
  const directory = await openDirectory(`sqlite:${folder.file('closed.sqlite')}`, { facts: FACTS });
  directory.watch(() => {});
  await directory.close();
  t.throws(() => directory.watch(() => {}), { instanceOf: DirectoryError });
  await refusal(t, () => directory.blocks(), 'ERR_DIRECTORY_CLOSED');
});
