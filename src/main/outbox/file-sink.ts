/**
 * Publications as lines of JSON (NDJSON) in a file of the node's own: `FOLDER/<node>.ndjson`. A file that has grown beyond its limit is
 * named by its time, `<node>-<UTC>.ndjson`, and another is begun; who reads them removes them.
 *
 * A batch is appended by one write and on disk before it counts as taken. A last line without its end is of a process that died in the middle:
 * it was not taken, and is cut off.
 */
import { open, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../../base/make-folder.ts';
import type { Publication, Sink } from './sink.ts';

const NEWLINE = 10;
/** A line is not longer: BODY_BYTES_MAX and what stands around it. */
const TAIL_BYTES = 64 * 1024;

export class FileSink implements Sink {
  readonly #folder: string;
  readonly #node: string;
  readonly #fileBytesMax: number;
  #handle: FileHandle | undefined;
  #sizeBytes = 0;

  constructor(options: { readonly folder: string; readonly node: string; readonly fileBytesMax: number }) {
    this.#folder = options.folder;
    this.#node = options.node;
    this.#fileBytesMax = options.fileBytesMax;
  }

  async deliver(publications: readonly Publication[]): Promise<void> {
    const lines = Buffer.from(publications.map((publication) => `${JSON.stringify(publication)}\n`).join(''));
    try {
      if (this.#sizeBytes > 0 && this.#sizeBytes + lines.length > this.#fileBytesMax) await this.#rotate();
      const handle = (this.#handle ??= await this.#open());
      await handle.appendFile(lines);
      await handle.datasync();
      this.#sizeBytes += lines.length;
    } catch (cause) {
      // What was written of it is cut off when the file is opened again.
      await this.#close();
      throw cause;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  get #file(): string {
    return path.join(this.#folder, `${this.#node}.ndjson`);
  }

  async #open(): Promise<FileHandle> {
    makeFolder(this.#folder);
    // 'a+' also where the file was put by somebody who may not read it back.
    const handle = await open(this.#file, 'a+');
    const { size } = await handle.stat();
    this.#sizeBytes = await wholeBytes(handle, size);
    if (this.#sizeBytes < size) await handle.truncate(this.#sizeBytes);
    return handle;
  }

  async #rotate(): Promise<void> {
    await this.#close();
    const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
    await rename(this.#file, path.join(this.#folder, `${this.#node}-${time}.ndjson`));
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#sizeBytes = 0;
    await handle?.close();
  }
}

/** Bytes up to the end of the last whole line. */
async function wholeBytes(handle: FileHandle, size: number): Promise<number> {
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  await handle.read(tail, 0, tail.length, size - tail.length);
  const last = tail.lastIndexOf(NEWLINE);
  return size === 0 ? 0 : size - tail.length + last + 1;
}
