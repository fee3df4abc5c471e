/**
 * Recordings as files; recording.wire.ts has the bytes.
 *
 * The writer never waits for the disk and never makes the world wait: ticks are gathered into chunks, chunks are
 * queued, and when more than `backlogBytesMax` are unwritten the recording ends with an error while the world goes on.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import {
  CHUNK_BYTES_MAX,
  CHUNK_HEAD_BYTES,
  FILE_HEAD_BYTES,
  RecordingError,
  decodeChunk,
  decodeChunkHead,
  decodeFileHead,
  decodeHeader,
  encodeChunk,
  encodeFileHead,
  tickBytes,
} from './recording.wire.ts';
import type { RecordedTick, RecordingHeader } from './recording.wire.ts';

/** Chunks are closed at this size, or after this many ticks, so that a crash loses little. */
const CHUNK_BYTES = 256 * 1024;
const CHUNK_TICKS_MAX = 20;

export class RecordingWriter implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #backlogBytesMax: number;
  #ticks: RecordedTick[] = [];
  #gatheredBytes = 0;
  #backlogBytes = 0;
  #queue: Promise<void> = Promise.resolve();
  #failure: RecordingError | undefined;
  #isClosed = false;

  /** Starts a new file; an old one of that name is replaced. @throws RecordingError ERR_RECORDING_FILE. */
  static async open(
    path: string,
    { header, backlogBytesMax }: { header: RecordingHeader; backlogBytesMax: number },
  ): Promise<RecordingWriter> {
    const file = await openFile(path, 'w');
    const writer = new RecordingWriter(path, { file, backlogBytesMax });
    writer.#enqueue(encodeFileHead(header));
    return writer;
  }

  private constructor(path: string, { file, backlogBytesMax }: { file: FileHandle; backlogBytesMax: number }) {
    this.path = path;
    this.#file = file;
    this.#backlogBytesMax = backlogBytesMax;
  }

  /** Why the recording ended early, if it did. What was written until then is whole. */
  get failure(): RecordingError | undefined {
    return this.#failure;
  }

  /** Takes one tick; its arrays must not change afterwards. Does nothing once the recording has failed. */
  append(tick: RecordedTick): void {
    if (this.#failure || this.#isClosed) return;
    const sizeBytes = tickBytes(tick);
    if (sizeBytes > CHUNK_BYTES_MAX || this.#backlogBytes + this.#gatheredBytes + sizeBytes > this.#backlogBytesMax) {
      this.#failure = new RecordingError(
        'ERR_RECORDING_BACKLOG',
        `the disk does not keep up: ${this.#backlogBytes} bytes of ${this.path} are unwritten at tick ${tick.tick}. ` +
          'The recording ends before that tick; record fewer hashes (--record-entities-max), to a faster disk, or raise --record-backlog-bytes-max',
      );
      return;
    }
    this.#ticks.push(tick);
    this.#gatheredBytes += sizeBytes;
    if (this.#gatheredBytes >= CHUNK_BYTES || this.#ticks.length >= CHUNK_TICKS_MAX) this.#closeChunk();
  }

  /** Writes what is left and closes the file. @throws the failure, if there was one. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closeChunk();
    await this.#queue;
    await this.#file.close();
    if (this.#failure) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #closeChunk(): void {
    if (this.#ticks.length === 0) return;
    this.#enqueue(encodeChunk(this.#ticks));
    this.#ticks = [];
    this.#gatheredBytes = 0;
  }

  #enqueue(bytes: Uint8Array): void {
    this.#backlogBytes += bytes.length;
    this.#queue = this.#queue.then(() => this.#write(bytes));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      let writtenBytes = 0;
      while (writtenBytes < bytes.length) {
        writtenBytes += (await this.#file.write(bytes, writtenBytes)).bytesWritten;
      }
    } catch (cause) {
      this.#failure ??= new RecordingError('ERR_RECORDING_FILE', `${this.path} cannot be written: ${String(cause)}`, {
        cause,
      });
    } finally {
      this.#backlogBytes -= bytes.length;
    }
  }
}

export class RecordingReader implements AsyncDisposable {
  readonly path: string;
  readonly header: RecordingHeader;
  readonly sizeBytes: number;
  readonly #file: FileHandle;
  #at: number;
  #isTruncated = false;

  /** @throws RecordingError when it is not a recording, or its header is damaged. */
  static async open(path: string): Promise<RecordingReader> {
    const file = await openFile(path, 'r');
    try {
      const { size } = await file.stat();
      const head = decodeFileHead(await readBytes(file, 0, FILE_HEAD_BYTES));
      const json = await readBytes(file, FILE_HEAD_BYTES, head.headerBytes);
      if (json.length < head.headerBytes) {
        throw new RecordingError('ERR_RECORDING_TRUNCATED', 'the file ends within its header');
      }
      const header = decodeHeader(json, head.checksum);
      return new RecordingReader(path, { file, header, sizeBytes: size, at: FILE_HEAD_BYTES + head.headerBytes });
    } catch (error) {
      await file.close();
      if (!(error instanceof RecordingError)) throw error;
      throw new RecordingError(error.code, `${path}: ${error.message}`, { cause: error });
    }
  }

  private constructor(
    path: string,
    { file, header, sizeBytes, at }: { file: FileHandle; header: RecordingHeader; sizeBytes: number; at: number },
  ) {
    this.path = path;
    this.header = header;
    this.sizeBytes = sizeBytes;
    this.#file = file;
    this.#at = at;
  }

  /** Where in the file the next chunk starts, for showing progress. */
  get atBytes(): number {
    return this.#at;
  }

  /** True once the end was reached and the last chunk was unfinished: the recording process died. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** All ticks in order; an unfinished last chunk is left out. @throws RecordingError when bytes are damaged. */
  async *ticks(): AsyncGenerator<RecordedTick, void> {
    while (this.#at < this.sizeBytes) {
      const ticks = await this.#readChunk();
      if (ticks === undefined) return;
      yield* ticks;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #readChunk(): Promise<RecordedTick[] | undefined> {
    const start = this.#at;
    const headBytes = await readBytes(this.#file, start, CHUNK_HEAD_BYTES);
    if (headBytes.length < CHUNK_HEAD_BYTES) return this.#truncate();
    try {
      const head = decodeChunkHead(headBytes);
      const payloadStart = start + CHUNK_HEAD_BYTES;
      if (payloadStart + head.payloadBytes > this.sizeBytes) return this.#truncate();
      const payload = await readBytes(this.#file, payloadStart, head.payloadBytes);
      this.#at = payloadStart + head.payloadBytes;
      return decodeChunk(payload, head);
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      throw new RecordingError(error.code, `${this.path}, chunk at byte ${start}: ${error.message}`, { cause: error });
    }
  }

  #truncate(): undefined {
    this.#isTruncated = true;
    this.#at = this.sizeBytes;
    return undefined;
  }
}

async function openFile(path: string, mode: 'r' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, mode);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = mode === 'r' ? 'cannot be read' : 'cannot be written';
    throw new RecordingError('ERR_RECORDING_FILE', `${path} ${what} (${code ?? String(cause)})`, { cause });
  }
}

/** Up to `sizeBytes` from an offset; fewer only at the end of the file. */
async function readBytes(file: FileHandle, offset: number, sizeBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes);
  let filledBytes = 0;
  while (filledBytes < sizeBytes) {
    const { bytesRead } = await file.read(bytes, filledBytes, sizeBytes - filledBytes, offset + filledBytes);
    if (bytesRead === 0) break;
    filledBytes += bytesRead;
  }
  return bytes.subarray(0, filledBytes);
}
