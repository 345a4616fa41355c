/** Commits that many wait for: whoever comes while one runs shares the next one with all others who came meanwhile. */
export class SharedCommits {
  readonly #commit: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(commit: () => Promise<void>) {
    this.#commit = commit;
  }

  /** Resolves when everything recorded before the call is committed. */
  commit(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start();
    this.#next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    this.#running = this.#commit().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }
}
