import { CairnError } from '../../../src/core/errors.js';
import type { SharedObjects } from '../../../src/datastore/shared/shared-objects.js';

/** An object store that does at once what it is asked. */
export class MemoryObjects implements SharedObjects {
  readonly #objects = new Map<string, Buffer>();

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#objects.set(name, Buffer.from(bytes));
  }

  async get(name: string): Promise<Buffer> {
    const bytes = this.#objects.get(name);
    if (bytes === undefined) throw new CairnError('not-found', `There is no ${name}`);
    return bytes;
  }

  async size(name: string): Promise<number | undefined> {
    return this.#objects.get(name)?.length;
  }

  async *list(prefix: string): AsyncIterable<string> {
    for (const name of [...this.#objects.keys()].sort()) if (name.startsWith(`${prefix}/`)) yield name;
  }

  async removeAll(names: readonly string[]): Promise<void> {
    for (const name of names) this.#objects.delete(name);
  }

  deleteOnce(names: readonly string[]): Promise<void> {
    return this.removeAll(names);
  }

  async putNew(name: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#objects.has(name)) return false;
    await this.put(name, bytes);
    return true;
  }

  unanswered(): number {
    return 0;
  }
}
