/** So many requests between two looks are somebody at work. */
const BUSY_REQUESTS = 5;
/**
 * Looks without requests until nobody is at work any more. Who copies files waits for his own disk now and then, and a job that
 * goes full speed in each such pause takes from him what the pauses are for.
 */
const QUIET_LOOKS = 8;

/** Whether others use the mount, as somebody sees who looks at its count of requests at regular times. */
export class Busyness {
  #requests: number;
  #looksLeft = 0;

  /** @param requests that there have been so far */
  constructor(requests: number) {
    this.#requests = requests;
  }

  /** As the last look found it. */
  get busy(): boolean {
    return this.#looksLeft > 0;
  }

  /** @param requests that there have been so far */
  look(requests: number): void {
    if (requests - this.#requests >= BUSY_REQUESTS) this.#looksLeft = QUIET_LOOKS;
    else if (this.#looksLeft > 0) this.#looksLeft -= 1;
    this.#requests = requests;
  }
}
