/** A bounded number of buffers of one size, used again and again: the first touch of fresh memory is slow. */
export class BufferPool {
  readonly #bytes: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #left: number;

  /** @param bytes of each @param count how many there are at most */
  constructor(bytes: number, count: number) {
    this.#bytes = bytes;
    this.#left = count;
  }

  /** Waits for one; to be given back with `give`. */
  async take(): Promise<Buffer> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#left > 0) {
      this.#left -= 1;
      return Buffer.allocUnsafeSlow(this.#bytes);
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
