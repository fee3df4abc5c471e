/** One of several processes that unpack the same files at the same moment. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { archiveHash, readArchive, writeArchive } from '../../../scripts/binary/archive.ts';
import { unpackOnce } from '../../../scripts/binary/cache-folder.ts';

const [, , cache = ''] = process.argv;
const FILE_COUNT = 20;
const files = Array.from({ length: FILE_COUNT }, (_, index) => ({
  path: `part-${index}/file`,
  bytes: Buffer.alloc(50_000, index),
  isProgram: false,
}));
const archive = writeArchive(files);
const listed = [...readArchive(archive)].map(({ bytes: _bytes, ...file }) => file);

process.once('message', () => {
  const folder = unpackOnce({ hash: archiveHash(archive), files: listed, read: () => archive }, [cache]);
  const isWhole = files.every(({ path: name, bytes }) => readFileSync(path.join(folder, name)).equals(bytes));
  process.exit(isWhole ? 0 : 1);
});
process.send?.('ready');
