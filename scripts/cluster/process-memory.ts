/** Memory of processes by their names, over a run: from /proc, so on Linux only; elsewhere nothing is known. */
import { readFileSync } from 'node:fs';

export interface MemoryUse {
  readonly firstBytes: number;
  readonly lastBytes: number;
  readonly maxBytes: number;
}

const BYTES_PER_KIB = 1024;

export class ProcessMemory {
  readonly #uses = new Map<string, MemoryUse>();

  /** A name whose process is another one than before goes on in the same line. */
  look(name: string, pid: number): void {
    const bytes = residentBytes(pid);
    if (bytes === 0) return;
    const known = this.#uses.get(name);
    this.#uses.set(name, {
      firstBytes: known?.firstBytes ?? bytes,
      lastBytes: bytes,
      maxBytes: Math.max(known?.maxBytes ?? 0, bytes),
    });
  }

  get uses(): Readonly<Record<string, MemoryUse>> {
    return Object.fromEntries(this.#uses);
  }
}

function residentBytes(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * BYTES_PER_KIB;
  } catch {
    // It has just ended, or there is no /proc.
    return 0;
  }
}
