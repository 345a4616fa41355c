/** Numbers that look random and are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to but not `below`. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** Bytes that do not compress; now and then a run of one value. */
  bytes(length: number): Buffer {
    if (this.below(8) === 0) return Buffer.alloc(length, this.below(256));
    const words = new Uint32Array(Math.ceil(length / 4));
    let state = this.below(2 ** 32) | 1;
    for (let at = 0; at < words.length; at++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[at] = state;
    }
    return Buffer.from(words.buffer, 0, length);
  }
}

/** The seed of this run: `CAIRN_SEED` replays one. Printed, so that a failure can be replayed. */
export function seedOfRun(t: { diagnostic(message: string): void }): number {
  const seed = Number(process.env.CAIRN_SEED ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`CAIRN_SEED=${seed}`);
  return seed;
}
