/** Who waits for a pass. */
interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Who waits for uploads, which are done in passes: each for the first pass that begins behind his call, and for no other,
 * however many follow.
 */
export class UploadPasses {
  /** They came since the last pass began. */
  #waiting: Waiter[] = [];
  /** They came before it did. */
  #served: Waiter[] = [];
  #isRunning = false;

  /** Resolves when a pass is done that begins from now on. @throws what that came to */
  next(): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    // Whoever gave up waiting does not hear of it.
    done.catch(() => undefined);
    return done;
  }

  /** Whether somebody waits for the next pass. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether the pass that runs keeps somebody waiting who does not need it, and nobody needs it. */
  get isInTheWay(): boolean {
    return this.#isRunning && this.isWanted && this.#served.length === 0;
  }

  /** Everything committed before this call is in the pass. */
  begin(): void {
    this.#isRunning = true;
    this.#served.push(...this.#waiting.splice(0));
  }

  /** The pass is over. @param failure why not everything is uploaded that was to be */
  end(failure?: Error): void {
    this.#isRunning = false;
    for (const { resolve, reject } of this.#served.splice(0)) failure === undefined ? resolve() : reject(failure);
  }

  /** The pass failed; or none could begin, which those hear of who wait for one. */
  fail(error: unknown): void {
    const told = this.#isRunning ? this.#served.splice(0) : [...this.#served.splice(0), ...this.#waiting.splice(0)];
    this.#isRunning = false;
    for (const { reject } of told) reject(error);
  }
}
