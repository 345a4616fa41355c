/** Waits for so many milliseconds, less if the signal is aborted. */
export type Wait = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** How fast a job reads while others use the store and no slower rate was asked for, bytes a second. */
const BUSY_BYTES_PER_SECOND = 24 * 1000 * 1000;
/** Shorter waits are saved up: a timer is not more exact. */
const SHORTEST_WAIT_MS = 10;

/** Bounds how many bytes a job reads a second: to the rate that was asked for, and to a slow one while others are busy. */
export class Pace {
  readonly #bytesPerSecond: number | undefined;
  readonly #now: () => number;
  readonly #wait: Wait;
  #busy = false;
  /** When all that was read so far is paid for, milliseconds. */
  #paidAt = 0;

  /** @param bytesPerSecond undefined: as fast as it goes while nobody else is busy */
  constructor(bytesPerSecond: number | undefined, now: () => number = () => performance.now(), wait: Wait = delay) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
    this.#wait = wait;
  }

  /** Others are busy from now on, or no more. */
  set busy(busy: boolean) {
    this.#busy = busy;
  }

  /** Bytes a second that may be read now; undefined: any number. */
  get rate(): number | undefined {
    if (!this.#busy) return this.#bytesPerSecond;
    return Math.min(this.#bytesPerSecond ?? BUSY_BYTES_PER_SECOND, BUSY_BYTES_PER_SECOND);
  }

  /** Tells of bytes that were read; resolves when more may be. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    const { rate } = this;
    if (rate === undefined) return;
    const now = this.#now();
    this.#paidAt = Math.max(this.#paidAt, now) + (bytes / rate) * 1000;
    if (this.#paidAt - now >= SHORTEST_WAIT_MS) await this.#wait(this.#paidAt - now, signal);
  }
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
