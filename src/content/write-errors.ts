/** Which failures an open handle has been told of. */
export interface HandleErrors {
  /** Number of the last one. */
  told: number;
}

interface Failure {
  readonly number: number;
  readonly error: unknown;
  /** Whether any handle has been told. */
  isTold: boolean;
}

/**
 * What became of bytes after their write(2) was acknowledged, as Linux keeps it (errseq): each handle that was open when
 * storing a file's bytes failed is told once, at its next fsync or close, and a handle opened later only of what nobody
 * has been told yet. Of several failures in between it is the last.
 */
export class WriteErrors {
  readonly #failures = new Map<number, Failure>();
  /** Counts over all files, so that one can be forgotten and fail again. */
  #last = 0;

  /** What a handle of the file that is opened now starts with. */
  forNewHandle(ino: number): HandleErrors {
    const failure = this.#failures.get(ino);
    return { told: failure?.isTold === false ? failure.number - 1 : this.#last };
  }

  /** Bytes of the file could not be stored. */
  add(ino: number, error: unknown): void {
    this.#last += 1;
    this.#failures.set(ino, { number: this.#last, error, isTold: false });
  }

  /** @throws what the handle has not been told of, once */
  tell(ino: number, handle: HandleErrors): void {
    const failure = this.#untoldTo(ino, handle);
    if (failure === undefined) return;
    handle.told = failure.number;
    failure.isTold = true;
    throw failure.error;
  }

  /** @throws what the handle is still to be told of */
  refuse(ino: number, handle: HandleErrors): void {
    const failure = this.#untoldTo(ino, handle);
    if (failure !== undefined) throw failure.error;
  }

  /** @throws what no handle has been told of */
  refuseUntold(ino: number): void {
    const failure = this.#failures.get(ino);
    if (failure?.isTold === false) throw failure.error;
  }

  /** No handle of the file is open any more: what somebody was told of is of no use to others. */
  closed(ino: number): void {
    if (this.#failures.get(ino)?.isTold === true) this.#failures.delete(ino);
  }

  #untoldTo(ino: number, handle: HandleErrors): Failure | undefined {
    const failure = this.#failures.get(ino);
    return failure !== undefined && failure.number > handle.told ? failure : undefined;
  }
}
