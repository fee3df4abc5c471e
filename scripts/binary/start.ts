/** What the single binary runs first: unpacks its files if need be, and starts the program among them. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { getAsset, getRawAsset } from 'node:sea';
import { zstdDecompressSync } from 'node:zlib';
import type { ArchivedFile } from './archive.ts';
import { archiveHash } from './archive.ts';
import { keepInUse, unpackOnce } from './cache-folder.ts';

interface Contents {
  readonly hash: string;
  readonly files: readonly ArchivedFile[];
}

start();

function start(): void {
  const { hash, files } = JSON.parse(getAsset('contents.json', 'utf8')) as Contents;
  let folder;
  try {
    folder = unpackOnce({ hash, files, read: () => readPayload(hash) });
  } catch (error) {
    console.error(`worldmesh: cannot unpack: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
  keepInUse(folder);
  createRequire(path.join(folder, 'bin', 'worldmesh.cjs'))('./worldmesh.cjs');
}

function readPayload(hash: string): Buffer {
  const archive = zstdDecompressSync(Buffer.from(getRawAsset('files.zst')));
  if (archiveHash(archive) !== hash)
    throw new Error('this binary is damaged: its files are not those that it was built with');
  return archive;
}
