/** One after the other for one key, side by side for different ones. */
export class KeyedLocks {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` when whoever came before for this key is done. Not from within another one for the same key. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    let done: () => void = () => undefined;
    const mine = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#last.set(key, mine);
    try {
      await before;
      return await work();
    } finally {
      done();
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
