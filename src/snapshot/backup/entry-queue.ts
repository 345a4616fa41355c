/** A queue between one who finds things and one who uses them: the first waits when he is too far ahead. */
export class EntryQueue<T> {
  readonly #limit: number;
  readonly #weigh: (item: T) => number;
  #items: T[] = [];
  #at = 0;
  /** Weight of what waits. */
  #waiting = 0;
  #taker: { resolve: (item: T) => void; reject: (error: unknown) => void } | undefined;
  #putter: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** @param limit how much may wait @param weigh what an item counts as */
  constructor(limit: number, weigh: (item: T) => number) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  /** Adds an item. */
  put(item: T): void {
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker !== undefined) {
      taker.resolve(item);
      return;
    }
    this.#items.push(item);
    this.#waiting += this.#weigh(item);
  }

  /** Whether more than enough waits. */
  get isFull(): boolean {
    return this.#waiting >= this.#limit;
  }

  /** Resolves when half of what may wait is taken; at once where that is so. One waits at a time. */
  async room(): Promise<void> {
    if (this.#waiting <= this.#limit / 2) return;
    await new Promise<void>((resolve) => {
      this.#putter = resolve;
    });
  }

  /** The next item, at once where there is one. One asks at a time. @throws what `fail` was told, behind the last item */
  take(): T | Promise<T> {
    if (this.#at < this.#items.length) {
      const item = this.#items[this.#at] as T;
      this.#at += 1;
      this.#waiting -= this.#weigh(item);
      this.#shrink();
      return item;
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      this.#taker = { resolve, reject };
    });
  }

  /** No more items come, because of this. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#taker?.reject(error);
  }

  #shrink(): void {
    if (this.#at === this.#items.length || this.#at > 4096) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    if (this.#putter === undefined || this.#waiting > this.#limit / 2) return;
    const putter = this.#putter;
    this.#putter = undefined;
    putter();
  }
}
