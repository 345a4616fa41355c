import { CairnError } from '../../core/errors.js';
import type { Backend, BackendFigures, Move } from '../backend.js';
import { checkName, checkPrefix, checkRange } from '../names.js';

/** A backend that forgets everything with the process: for tests. */
export class MemoryBackend implements Backend {
  readonly #objects = new Map<string, Buffer>();
  readonly #capacityBytes: number;
  #usedBytes = 0;

  /** @param capacityBytes puts beyond it fail with `no-space` */
  constructor(capacityBytes = Number.MAX_SAFE_INTEGER) {
    this.#capacityBytes = capacityBytes;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    const used = this.#usedBytes - (this.#objects.get(name)?.length ?? 0) + bytes.length;
    if (used > this.#capacityBytes) throw new CairnError('no-space', `Cannot put ${name}: the store is full`);
    this.#objects.set(name, Buffer.from(bytes));
    this.#usedBytes = used;
  }

  async get(name: string): Promise<Buffer> {
    return Buffer.from(this.#find(name));
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    checkRange(offset, length);
    return Buffer.from(this.#find(name).subarray(offset, offset + length));
  }

  async size(name: string): Promise<number | undefined> {
    checkName(name);
    return this.#objects.get(name)?.length;
  }

  async touch(name: string): Promise<number | undefined> {
    return this.size(name);
  }

  async removeAll(names: readonly string[]): Promise<boolean[]> {
    names.forEach(checkName);
    return names.map((name) => this.#take(name) !== undefined);
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    for (const { from, to } of moves) {
      checkName(from);
      checkName(to);
    }
    return moves.map(({ from, to }) => {
      const bytes = this.#take(from);
      if (bytes === undefined) return false;
      this.#take(to);
      this.#objects.set(to, bytes);
      this.#usedBytes += bytes.length;
      return true;
    });
  }

  async *list(prefix: string): AsyncIterable<string> {
    checkPrefix(prefix);
    for (const name of [...this.#objects.keys()]) {
      if (prefix === '' || name.startsWith(`${prefix}/`)) yield name;
    }
  }

  async sync(): Promise<void> {}

  async syncAll(): Promise<void> {}

  async figures(): Promise<BackendFigures> {
    const freeBytes = this.#capacityBytes - this.#usedBytes;
    return {
      totalBytes: this.#capacityBytes,
      freeBytes,
      availableBytes: freeBytes,
      totalFiles: Number.MAX_SAFE_INTEGER,
      freeFiles: Number.MAX_SAFE_INTEGER - this.#objects.size,
    };
  }

  #take(name: string): Buffer | undefined {
    const bytes = this.#objects.get(name);
    this.#objects.delete(name);
    this.#usedBytes -= bytes?.length ?? 0;
    return bytes;
  }

  #find(name: string): Buffer {
    checkName(name);
    const bytes = this.#objects.get(name);
    if (bytes === undefined) throw new CairnError('not-found', `Cannot read ${name}: there is no such object`);
    return bytes;
  }
}
