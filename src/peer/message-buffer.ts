/**
 * A buffer that grows while a message is written into it, and is used again for the next. Little-endian.
 *
 * `taken` hands out a view that is valid until the next `start`: whoever keeps the bytes copies them.
 */
import { COUNTER_RANGE } from '../base/brand.ts';
import type { Ledger } from './protocol.ts';
import { LEDGER_BYTES } from './protocol.ts';

const FIRST_BYTES = 64 * 1024;
const encoder = new TextEncoder();

export class MessageBuffer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  start(): this {
    this.#at = 0;
    return this;
  }

  taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  get sizeBytes(): number {
    return this.#at;
  }

  u8(value: number): void {
    this.#room(1);
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u16(value: number): void {
    this.#room(2);
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  /** An integer from 0 to 2^53 - 1, as low and high u32. */
  u53(value: number): void {
    this.#room(8);
    this.#view.setUint32(this.#at, value % COUNTER_RANGE, true);
    this.#view.setUint32(this.#at + 4, Math.floor(value / COUNTER_RANGE), true);
    this.#at += 8;
  }

  ledger(ledger: Ledger): void {
    this.#room(LEDGER_BYTES);
    for (let byte = 0; byte < LEDGER_BYTES; byte++) {
      const digits = (hexValue(ledger.charCodeAt(byte * 2)) << 4) | hexValue(ledger.charCodeAt(byte * 2 + 1));
      this.#bytes[this.#at + byte] = digits;
    }
    this.#at += LEDGER_BYTES;
  }

  /** UTF-8 behind its length, u8. */
  shortText(text: string): void {
    if (text === '') {
      this.u8(0);
      return;
    }
    const bytes = encoder.encode(text);
    this.u8(bytes.length);
    this.raw(bytes);
  }

  /** Bytes behind their length, u32. */
  blob(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #room(sizeBytes: number): void {
    if (this.#at + sizeBytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + sizeBytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function hexValue(code: number): number {
  return code <= 57 ? code - 48 : code - 87;
}
