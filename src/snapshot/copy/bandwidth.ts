import { setTimeout as pause } from 'node:timers/promises';

/** Shorter waits are saved up: a timer is not more exact. */
const SHORTEST_WAIT_MS = 10;

/** Bounds how many bytes are taken a second. */
export class Bandwidth {
  readonly #bytesPerSecond: number | undefined;
  readonly #now: () => number;
  readonly #wait: (milliseconds: number) => Promise<unknown>;
  /** When all that was taken so far is paid for, milliseconds. */
  #paidAt = 0;

  /** @param bytesPerSecond undefined: any number */
  constructor(bytesPerSecond: number | undefined, now = () => performance.now(), wait = (ms: number) => pause(ms)) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
    this.#wait = wait;
  }

  /** Tells of bytes that were taken; resolves when more may be. */
  async spend(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    const now = this.#now();
    this.#paidAt = Math.max(this.#paidAt, now) + (bytes / this.#bytesPerSecond) * 1000;
    if (this.#paidAt - now >= SHORTEST_WAIT_MS) await this.#wait(this.#paidAt - now);
  }
}
