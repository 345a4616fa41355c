/** Smallest buffer, in bytes; all are powers of two. */
const SMALLEST = 1 << 16;
/** So many buffers are kept while nobody uses them, and no larger ones. */
const MOST_IDLE = 8;
const LARGEST_IDLE = 1 << 22;

/** Buffers that are used again: the first touch of fresh memory costs more than the parity that goes there. */
export class RecycledRoom {
  #idle: Buffer[] = [];

  /** Runs `work` with at least `bytes` bytes, which are its own until its promise settles. */
  async use<T>(bytes: number, work: (room: Buffer) => Promise<T>): Promise<T> {
    if (bytes === 0) return work(Buffer.alloc(0));
    const room = this.#take(bytes);
    try {
      return await work(room);
    } finally {
      if (room.length <= LARGEST_IDLE && this.#idle.length < MOST_IDLE) this.#idle.push(room);
    }
  }

  #take(bytes: number): Buffer {
    const at = this.#idle.findLastIndex((room) => room.length >= bytes);
    const [found] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (found !== undefined) return found;
    // What is idle and too small makes place for what is asked for now.
    this.#idle.shift();
    return Buffer.allocUnsafeSlow(Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(bytes))));
  }
}
