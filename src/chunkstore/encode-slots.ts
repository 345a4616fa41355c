/** A buffer beyond this goes back to the system after use; chunks of file data and packs are shorter. */
const KEPT_BYTES = 4 * 1024 * 1024 + 64 * 1024;
const SMALLEST_BYTES = 512 * 1024;

/**
 * Room for a bounded number of chunks being encoded and written. A slot is given to one task at a time, in
 * the order of asking, and keeps its buffer for the next one.
 */
export class EncodeSlots {
  readonly #free: Buffer[];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];

  /** @param count how many tasks run at once */
  constructor(count: number) {
    this.#free = Array.from({ length: count }, () => Buffer.alloc(0));
  }

  /** Runs `task` with a buffer of at least `bytes`, which is its own until its promise settles. */
  async use<T>(bytes: number, task: (buffer: Buffer) => Promise<T>): Promise<T> {
    let buffer = this.#free.pop() ?? (await new Promise<Buffer>((resolve) => this.#waiting.push(resolve)));
    try {
      if (buffer.length < bytes) buffer = Buffer.allocUnsafeSlow(Math.max(SMALLEST_BYTES, roundedUp(bytes)));
      return await task(buffer);
    } finally {
      this.#giveBack(buffer.length > KEPT_BYTES ? Buffer.alloc(0) : buffer);
    }
  }

  #giveBack(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}

/** Up to the next 64 KiB behind a power of two, so that a blob's header does not double the buffer. */
function roundedUp(bytes: number): number {
  const slack = 64 * 1024;
  return 2 ** Math.ceil(Math.log2(Math.max(1, bytes - slack))) + slack;
}
