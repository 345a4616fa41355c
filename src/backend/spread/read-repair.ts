/** Objects that were seen to lack something, mended one by one in the background; a scrub finds what is forgotten here. */
export class ReadRepair {
  readonly #mend: (name: string) => Promise<unknown>;
  readonly #names = new Set<string>();
  readonly #most: number;
  #running: Promise<void> | undefined;
  #paused = false;

  /** @param most so many names are remembered */
  constructor(mend: (name: string) => Promise<unknown>, most = 1000) {
    this.#mend = mend;
    this.#most = most;
  }

  /** Names that wait. */
  get waiting(): number {
    return this.#names.size;
  }

  /** Mends the object when it is its turn. */
  note(name: string): void {
    if (this.#names.size >= this.#most) return;
    this.#names.add(name);
    if (!this.#paused) this.#running ??= this.#run();
  }

  /** Nothing is begun any more; resolves when what was begun is done. */
  async pause(): Promise<void> {
    this.#paused = true;
    await this.#running;
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Not within the read or write that noted it.
    await Promise.resolve();
    for (const name of this.#names) {
      if (this.#paused) break;
      // What cannot be mended now is noted again when it is read, or found by a scrub.
      await this.#mend(name).catch(() => undefined);
      this.#names.delete(name);
    }
    this.#running = undefined;
  }
}
