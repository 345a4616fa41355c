/** Objects whose writing is under way at once; readers wait for one of them before more come. */
const MOST = 16;

/** Objects that were fetched and are being written here: readers need not wait for that, but for room. */
export class FetchedObjects {
  readonly #write: (name: string, bytes: Buffer) => Promise<void>;
  readonly #coming = new Map<string, { readonly bytes: Buffer; readonly written: Promise<void> }>();

  /** @param write never rejects: what cannot be kept is not kept */
  constructor(write: (name: string, bytes: Buffer) => Promise<void>) {
    this.#write = write;
  }

  /** The bytes of an object that is being written; the buffer is the caller's. */
  find(name: string): Buffer | undefined {
    const coming = this.#coming.get(name);
    return coming && Buffer.from(coming.bytes);
  }

  /** Begins to write an object, whose bytes are copied; resolves when more may come. */
  async add(name: string, bytes: Buffer): Promise<void> {
    while (this.#coming.size >= MOST) await Promise.race([...this.#coming.values()].map(({ written }) => written));
    if (this.#coming.has(name)) return;
    const copy = Buffer.from(bytes);
    const written = this.#write(name, copy).finally(() => this.#coming.delete(name));
    this.#coming.set(name, { bytes: copy, written });
  }

  /** Nothing is being written under these names any more; all: under none. */
  async settled(names: Iterable<string> | 'all'): Promise<void> {
    if (this.#coming.size === 0) return;
    for (const name of names === 'all' ? [...this.#coming.keys()] : names) await this.#coming.get(name)?.written;
  }
}
