import type { KnownChunk, ListedChunk } from '../catalog/chunks.js';
import { type Digest, digestFromHex, digestHex } from '../core/digest.js';
import type { StoredObject } from '../core/stored-object.js';
import type { ObjectChange, WritableIndex, WrittenChunk } from './store-index.js';

/** An index that goes with the process. */
export class MemoryIndex implements WritableIndex {
  readonly kind = 'memory';
  readonly #chunks = new Map<string, KnownChunk>();
  readonly #objects = new Map<string, StoredObject>();
  readonly #chunkTotals = { chunks: 0, plainBytes: 0, storedBytes: 0 };
  readonly #objectTotals = { objects: 0, bytes: 0 };

  findChunk(digest: Digest): KnownChunk | undefined {
    return this.#chunks.get(digestHex(digest));
  }

  listChunks(after: Digest, limit: number): ListedChunk[] {
    const from = digestHex(after);
    const behind = [...this.#chunks].filter(([hex]) => hex > from).sort(([a], [b]) => (a < b ? -1 : 1));
    return behind.slice(0, limit).map(([hex, chunk]) => ({ digest: digestFromHex(hex), ...chunk }));
  }

  chunkTotals(): { readonly chunks: number; readonly plainBytes: number; readonly storedBytes: number } {
    return { ...this.#chunkTotals };
  }

  findObject(id: string): StoredObject | undefined {
    return this.#objects.get(id);
  }

  listObjects(from: Uint8Array, limit: number): StoredObject[] {
    const there = [...this.#objects.values()].filter(
      ({ id, deleted }) => deleted === undefined && Buffer.compare(Buffer.from(id), from) >= 0,
    );
    return there.sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))).slice(0, limit);
  }

  objectTotals(): { readonly objects: number; readonly bytes: number } {
    return { ...this.#objectTotals };
  }

  requireWorking(): void {}

  async recordChunks(chunks: readonly WrittenChunk[]): Promise<void> {
    for (const { digest, length, stored } of chunks) {
      this.#setChunk(digest, { length, stored, state: 'present', verifiedAt: 0 });
    }
  }

  async recordObject({ object }: ObjectChange): Promise<void> {
    this.#count(this.#objects.get(object.id), -1);
    this.#objects.set(object.id, object);
    this.#count(object, 1);
  }

  forgetChunk(digest: Digest): boolean {
    const known = this.findChunk(digest);
    if (known !== undefined) this.#setChunk(digest, { ...known, state: 'absent' });
    return known !== undefined;
  }

  async commit(): Promise<void> {}

  #setChunk(digest: Digest, chunk: KnownChunk): void {
    const hex = digestHex(digest);
    for (const [counted, sign] of [
      [this.#chunks.get(hex), -1],
      [chunk, 1],
    ] as const) {
      if (counted?.state !== 'present') continue;
      this.#chunkTotals.chunks += sign;
      this.#chunkTotals.plainBytes += sign * counted.length;
      this.#chunkTotals.storedBytes += sign * counted.stored;
    }
    this.#chunks.set(hex, chunk);
  }

  #count(object: StoredObject | undefined, sign: number): void {
    if (object === undefined || object.deleted !== undefined) return;
    this.#objectTotals.objects += sign;
    this.#objectTotals.bytes += sign * object.bytes;
  }
}
